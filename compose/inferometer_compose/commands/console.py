"""The terminal: colour only where there is one, and never after ``NO_COLOR``."""

import sys

from rich.console import Console

_WIDTH_WITHOUT_TERMINAL = 120


def screen() -> Console:
    """Where results go; 120 columns where it is no terminal."""
    width = None if sys.stdout.isatty() else _WIDTH_WITHOUT_TERMINAL
    return Console(highlight=False, soft_wrap=True, width=width)
