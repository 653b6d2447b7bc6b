"""Weather of the APEX site, as the telescope's archive writes it."""
