"""Generated boards into somebody's Grafana, without losing what people did there."""
