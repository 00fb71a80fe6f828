"""These tests run the sidecars and workers of the trials of reliability."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
