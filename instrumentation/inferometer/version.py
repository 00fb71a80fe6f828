"""Version of the distribution, where code needs it without reading package metadata."""

from typing import Final

VERSION: Final = "0.1.0"
