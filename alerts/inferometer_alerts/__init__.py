"""Recording rules, burn-rate alerts and Alertmanager configuration from fleet.yaml."""
