"""The Graphite HTTP API, which Grafana speaks without a plugin, alerts included."""
