"""The commands ``inferometer recorder …`` with their options, help and examples."""

from pathlib import Path
from typing import Annotated

import typer

from inferometer_compose.commands.errors import plain_errors
from inferometer_compose.commands.help import Grouped
from inferometer_compose.commands.parameters import API, JSON, RECORDER, SIDECAR, seconds

app = typer.Typer(
    cls=Grouped,
    help="What the flight recorder holds: every request of the last hours.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    epilog="Example: inferometer recorder export --since 24h --out recording",
)


@app.callback()
def _recorder() -> None:
    pass


@app.command(epilog="Example: inferometer recorder export --since 24h --out recording")
def export(
    *,
    out: Annotated[Path, typer.Option(metavar="FOLDER", help="Folder of the files; made where there is none.")],
    since: Annotated[str, typer.Option(metavar="DURATION", help="How long ago the oldest request began.")] = "24h",
    api: Annotated[str, typer.Option(metavar="URL", help=API)] = SIDECAR,
    recorder: Annotated[Path | None, typer.Option(metavar="FILE", help=RECORDER)] = None,
    json: Annotated[bool, typer.Option("--json", help=JSON)] = False,
) -> None:
    """Write requests, executes and the ledger as Parquet files, for other tools."""
    since_seconds = seconds("--since", since)
    with plain_errors():
        from inferometer_compose.commands import recorder_export as command  # noqa: PLC0415 - imports the store

        code = command.run(out, since_seconds=since_seconds, api=api, recorder=recorder, as_json=json)
    raise typer.Exit(code)
