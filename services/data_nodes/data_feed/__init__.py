"""Live data of OCS feeds."""
