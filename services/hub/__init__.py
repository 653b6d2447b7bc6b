"""The hub knows which data servers are online."""
