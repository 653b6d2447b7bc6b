"""Temperatures, fans, load and memory of the host."""
