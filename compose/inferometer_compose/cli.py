"""The command ``inferometer``: what it can do is declared here, and imported when it is asked for."""

import sys
from importlib.util import find_spec

MISSING = (
    "inferometer: the command line is part of an extra (demo, sidecar, generate): "
    'pip install "inferometer[demo] @ file:///path/to/the/checkout"'
)
WRONG_USE = 2
INTERRUPTED = 130
_SIDECAR = "sidecar"
"""The one command that runs beside what it watches."""


def main() -> None:
    """Run the command line; Ctrl-C ends it without a word, also while it is imported."""
    try:
        _run()
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)


def _run() -> None:
    if find_spec("typer") is None or find_spec("rich") is None:
        sys.stderr.write(MISSING + "\n")
        sys.exit(WRONG_USE)
    if "inferometer.switch" in sys.modules:
        from inferometer.switch import off  # noqa: PLC0415 - INFEROMETER_ENABLED has imported it

        off()
    if sys.argv[1:2] == [_SIDECAR] and not {"-h", "--help"}.intersection(sys.argv):
        from inferometer_exporters.idle_start import start_in_idle_time  # noqa: PLC0415 - as all commands are

        start_in_idle_time("inferometer_compose.commands.declared", "inferometer_compose.commands.sidecar")
    from inferometer.old_terminals import make_readable  # noqa: PLC0415 - a sidecar imports in idle time

    make_readable(sys.stdout, sys.stderr)
    from inferometer_compose.commands.declared import app  # noqa: PLC0415 - the base install has no typer

    app()
