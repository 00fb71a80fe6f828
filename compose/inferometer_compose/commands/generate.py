"""``inferometer generate``."""
