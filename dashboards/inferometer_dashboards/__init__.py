"""The panel model and the Grafana boards made from it."""
