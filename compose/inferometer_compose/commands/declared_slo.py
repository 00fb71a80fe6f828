"""The commands ``inferometer slo …`` with their options, help and examples."""

from pathlib import Path
from typing import Annotated

import typer

from inferometer_compose.commands.errors import plain_errors
from inferometer_compose.commands.parameters import JSON

app = typer.Typer(
    help="What is promised, how fast its budget goes, and who is told when.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

NAME = "An SLO such as gateway-search-available, or an objective of the fleet file; all of them unless given."
TRAFFIC = "Requests per hour: with little traffic a few failures are no trend yet."


@app.command(epilog="Example: inferometer slo explain available --requests-per-hour 60")
def explain(
    name: Annotated[str, typer.Argument(help=NAME)] = "",
    *,
    config: Annotated[Path, typer.Option(help="The fleet file.")] = Path("fleet.yaml"),
    requests_per_hour: Annotated[float, typer.Option(min=0.01, help=TRAFFIC)] = 600.0,
    json: Annotated[bool, typer.Option("--json", help=JSON)] = False,
) -> None:
    """Which windows watch an objective, and how long an outage lasts until somebody is told."""
    with plain_errors():
        from inferometer_compose.commands import slo_explain as command  # noqa: PLC0415  # imports the generators

        code = command.run(name, config, requests_per_hour, json=json)
    raise typer.Exit(code)
