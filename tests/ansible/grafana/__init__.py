"""A Grafana to install where the vendor's cannot be had: its package and paths, and what the role relies on."""
