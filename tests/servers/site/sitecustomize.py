"""Stands for the installed inferometer.pth: a checkout on PYTHONPATH has none."""

from pathlib import Path

exec((Path(__file__).parents[3] / "instrumentation" / "inferometer.pth").read_text())  # noqa: S102 - as site.py does
