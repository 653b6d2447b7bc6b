"""Every data server, one folder each."""
