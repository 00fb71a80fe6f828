"""A run of the demo: load, fault, progress, report."""
