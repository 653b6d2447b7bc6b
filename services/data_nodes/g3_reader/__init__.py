"""Recorded data, from the index and the .g3 files."""
