"""What people open in a browser at the sidecar: the live page, over its flight recorder."""

from typing import Final

from inferometer_dashboards.live import app
from inferometer_exporters.live import Pages

PAGES: Final = Pages(app.routes, app.is_open)
"""The live page."""
