"""The commands ``inferometer cost …`` with their options, help and examples."""

from pathlib import Path
from typing import Annotated

import typer

from inferometer.errors import InferometerError
from inferometer_compose.commands.errors import plain_errors
from inferometer_compose.commands.parameters import API, JSON, RECORDER, SIDECAR, seconds

app = typer.Typer(
    help="What requests cost, what idle devices cost, and what would cost less.",
    invoke_without_command=True,
    pretty_exceptions_enable=False,
)

SINCE = "How far back; of a file, from its last entry."
BY = "One or several of service, model, version, tenant, class, region, outcome, device."
CSV = "Print rows by hour, named as FOCUS names them, that sum to the bill."


@app.callback(epilog="Example: inferometer cost --by model,tenant --since 24h")
def cost(
    context: typer.Context,
    *,
    by: Annotated[str, typer.Option(help=BY)] = "model",
    since: Annotated[str, typer.Option(help=SINCE)] = "24h",
    api: Annotated[str, typer.Option(help=API)] = SIDECAR,
    recorder: Annotated[Path | None, typer.Option(help=RECORDER)] = None,
    json: Annotated[bool, typer.Option("--json", help=JSON)] = False,
    csv: Annotated[bool, typer.Option("--csv", help=CSV)] = False,
) -> None:
    """What requests cost, what idle devices cost, and what would cost less."""
    if context.invoked_subcommand is not None:
        return
    since_seconds = seconds(since)
    with plain_errors():
        if json and csv:
            raise InferometerError("--json or --csv: one of them is right")
        from inferometer_compose.commands import cost as command  # noqa: PLC0415  # imports the store

        asked = command.Asked(since_seconds=since_seconds, api=api, recorder=recorder, json=json, csv=csv)
        code = command.run(by, asked)
    raise typer.Exit(code)
