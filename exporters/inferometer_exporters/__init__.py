"""The sidecar: cost ledger, GPU health, flight recorder."""
