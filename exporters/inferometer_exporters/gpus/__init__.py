"""Sources of readings of GPUs."""
