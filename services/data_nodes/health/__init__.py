"""How the data servers themselves are doing."""
