"""Channels of a Lakeshore under the instrument's name."""
