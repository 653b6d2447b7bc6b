"""Writes the inventory of a site that ran the Docker-based original, and says what could not be taken over."""
