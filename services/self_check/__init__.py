"""Asks the bridge, as Grafana would, whether every data server shows samples."""
