"""The programs: each package is one, run as ``python -m services.<package>``."""
