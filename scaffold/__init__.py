"""Writes a data server that works, for its author to change: `./appliance new-server`."""
