"""Weather of the APEX site, from text files or synthetic."""
