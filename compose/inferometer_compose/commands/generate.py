"""``inferometer generate``."""


