"""The scanner follows the directory of recorded files and keeps the index of them up to date."""
