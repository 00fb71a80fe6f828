"""Hosts that are billed devices themselves."""
