"""Trials are scripts too: they import what stands beside them, as `python tests/faults/NAME.py` does."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
