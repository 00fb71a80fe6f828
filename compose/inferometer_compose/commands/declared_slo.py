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
WHICH = "An SLO, a service or an objective; all of them unless given."
PROMETHEUS = "Address of the Prometheus that evaluates the generated rules."
DEFAULT_PROMETHEUS = "http://127.0.0.1:9090"
LEAST = "Per cent of the budget below which the gate is closed."
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


@app.command(epilog="Example: inferometer slo status gateway")
def status(
    name: Annotated[str, typer.Argument(help=WHICH)] = "",
    *,
    prometheus: Annotated[str, typer.Option(envvar="INFEROMETER_PROMETHEUS", help=PROMETHEUS)] = DEFAULT_PROMETHEUS,
    json: Annotated[bool, typer.Option("--json", help=JSON)] = False,
) -> None:
    """What is left of every budget, how fast it goes, and when it will be gone."""
    with plain_errors():
        from inferometer_compose.commands import slo_status as command  # noqa: PLC0415  # imports the generators

        code = command.run(name, prometheus, json=json)
    raise typer.Exit(code)


@app.command(epilog="Example: inferometer slo gate --service gateway && deploy gateway")
def gate(
    *,
    service: Annotated[str, typer.Option(help=WHICH)] = "",
    least: Annotated[float, typer.Option(min=0, max=100, help=LEAST)] = 0.0,
    prometheus: Annotated[str, typer.Option(envvar="INFEROMETER_PROMETHEUS", help=PROMETHEUS)] = DEFAULT_PROMETHEUS,
    json: Annotated[bool, typer.Option("--json", help=JSON)] = False,
) -> None:
    """Whether the budgets allow a change: exit 0 if they do, 1 if one is gone, 2 if nobody can tell."""
    with plain_errors():
        from inferometer_compose.commands import slo_status as command  # noqa: PLC0415  # imports the generators

        code = command.gate(service, prometheus, least / 100, json=json)
    raise typer.Exit(code)
