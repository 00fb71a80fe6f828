"""Recording rules, burn-rate alerts and the configuration of Prometheus and Alertmanager, from fleet.yaml."""
