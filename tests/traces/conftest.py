"""These tests run the real Jaeger, and what the trials of reliability run."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
