"""Benchmarks: the archive and its peers, side by side over HTTP on one machine, in one run (``./appliance bench``)."""
