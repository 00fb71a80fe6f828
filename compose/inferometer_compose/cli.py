"""The command ``inferometer``: what it can do is declared here, and imported when it is asked for."""

import sys
from importlib.util import find_spec

MISSING = 'inferometer: the command line is part of an extra: pip install "inferometer[demo]" (or sidecar, generate)'
WRONG_USE = 2


def main() -> None:
    """Run the command line."""
    if find_spec("typer") is None or find_spec("rich") is None:
        sys.stderr.write(MISSING + "\n")
        sys.exit(WRONG_USE)
    if "inferometer.switch" in sys.modules:
        from inferometer.switch import off  # noqa: PLC0415  # INFEROMETER_ENABLED has imported it

        off()
    from inferometer_compose.commands.declared import app  # noqa: PLC0415  # the base install has no typer

    app()
