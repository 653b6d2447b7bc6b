"""Writes Grafana's dashboards from what there is to see: the bridge's list of fields, and the inventory."""
