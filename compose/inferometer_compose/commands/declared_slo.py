"""The commands ``inferometer slo …`` with their options, help and examples."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from inferometer_compose.commands.errors import plain_errors
from inferometer_compose.commands.help import Grouped
from inferometer_compose.commands.parameters import API, JSON, RECORDER, SIDECAR, seconds

if TYPE_CHECKING:
    from inferometer_compose.slo_source import Asked

app = typer.Typer(
    cls=Grouped,
    help="What is promised, how fast its budget goes, and who is told when.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    epilog="Example: inferometer slo status gateway",
)

NAME = "An SLO such as gateway-search-available, or an objective of the fleet file; all of them unless given."
WHICH = "An SLO, a service or an objective; all of them unless given."
PROMETHEUS = "The Prometheus that evaluates the generated rules; http://127.0.0.1:9090 where nobody else is named."
SIDECAR_API = "The address of a sidecar, whose flight recorder is asked; http://127.0.0.1:9465 is tried anyway."
FILE = "A recorder file, where no sidecar runs; with --config."
PROMISED = "The fleet file: its policy, and its promises where a file is read."
CAUSES = "Say what ate the budgets."
LEAST = "Per cent of the budget below which the gate is closed."
CONFIG = "The fleet file."
SINCE = "How far back."
INJECT = "An incident to try: '20% errors for 1h', '30% slow for 20m at 2026-11-20T10:00'."
ASKED = "A Prometheus to read from, in place of the flight recorder."
COUNTS = "Counts by minute, CSV or Parquet with the columns time, events, bad (and slo), in place of the recorder."
TRAFFIC = "Requests per hour: with little traffic a few failures are no trend yet."


def _asked(prometheus: str, api: str, recorder: Path | None, config: Path | None) -> "Asked":
    from inferometer_compose.slo_source import Asked  # noqa: PLC0415 - imports NumPy

    return Asked(
        prometheus=prometheus, api=api, recorder=recorder, config=config, default_api=SIDECAR, folder=Path.cwd()
    )


@app.command(epilog="Example: inferometer slo explain available --requests-per-hour 60")
def explain(
    name: Annotated[str, typer.Argument(metavar="NAME", help=NAME)] = "",
    *,
    config: Annotated[Path, typer.Option(metavar="FILE", help=CONFIG)] = Path("fleet.yaml"),
    requests_per_hour: Annotated[float, typer.Option(min=0.01, metavar="NUMBER", help=TRAFFIC)] = 600.0,
    json: Annotated[bool, typer.Option("--json", help=JSON)] = False,
) -> None:
    """Which windows watch an objective, and how long an outage lasts until somebody is told."""
    with plain_errors():
        from inferometer_compose.commands import slo_explain as command  # noqa: PLC0415 - imports the generators

        code = command.run(name, config, requests_per_hour, json=json)
    raise typer.Exit(code)


@app.command(epilog="Example: inferometer slo status gateway")
def status(
    name: Annotated[str, typer.Argument(metavar="NAME", help=WHICH)] = "",
    *,
    prometheus: Annotated[str, typer.Option(envvar="INFEROMETER_PROMETHEUS", metavar="URL", help=PROMETHEUS)] = "",
    api: Annotated[str, typer.Option(metavar="URL", help=SIDECAR_API)] = "",
    recorder: Annotated[Path | None, typer.Option(metavar="FILE", help=FILE)] = None,
    config: Annotated[Path | None, typer.Option(metavar="FILE", help=PROMISED)] = None,
    causes: Annotated[bool, typer.Option(help=CAUSES)] = True,
    json: Annotated[bool, typer.Option("--json", help=JSON)] = False,
) -> None:
    """What is left of every budget, how fast it goes, when it will be gone, and what ate it."""
    with plain_errors():
        from inferometer_compose.commands import slo_status as command  # noqa: PLC0415 - imports NumPy

        code = command.run(name, _asked(prometheus, api, recorder, config), blame=causes, json=json)
    raise typer.Exit(code)


@app.command(epilog="Example: inferometer slo gate --service gateway && deploy gateway")
def gate(
    *,
    service: Annotated[str, typer.Option(metavar="NAME", help=WHICH)] = "",
    least: Annotated[float, typer.Option(min=0, max=100, metavar="PERCENT", help=LEAST)] = 0.0,
    prometheus: Annotated[str, typer.Option(envvar="INFEROMETER_PROMETHEUS", metavar="URL", help=PROMETHEUS)] = "",
    api: Annotated[str, typer.Option(metavar="URL", help=SIDECAR_API)] = "",
    recorder: Annotated[Path | None, typer.Option(metavar="FILE", help=FILE)] = None,
    config: Annotated[Path | None, typer.Option(metavar="FILE", help=PROMISED)] = None,
    json: Annotated[bool, typer.Option("--json", help=JSON)] = False,
) -> None:
    """Whether the budgets allow a change: exit 0 if they do, 1 if one is gone or frozen, 2 if nobody can tell."""
    with plain_errors():
        from inferometer_compose.commands import slo_status as command  # noqa: PLC0415 - imports NumPy

        code = command.gate(service, _asked(prometheus, api, recorder, config), least / 100, json=json)
    raise typer.Exit(code)


@app.command(epilog="Example: inferometer slo backtest --since 30d --slo available --inject '20% errors for 1h'")
def backtest(
    *,
    slo: Annotated[str, typer.Option(metavar="NAME", help=WHICH)] = "",
    since: Annotated[str, typer.Option(metavar="DURATION", help=SINCE)] = "30d",
    inject: Annotated[str, typer.Option(metavar="INCIDENT", help=INJECT)] = "",
    config: Annotated[Path, typer.Option(metavar="FILE", help=CONFIG)] = Path("fleet.yaml"),
    prometheus: Annotated[str, typer.Option(metavar="URL", help=ASKED)] = "",
    file: Annotated[Path | None, typer.Option(metavar="FILE", help=COUNTS)] = None,
    recorder: Annotated[Path | None, typer.Option(metavar="FILE", help=RECORDER)] = None,
    api: Annotated[str, typer.Option(metavar="URL", help=API)] = SIDECAR,
    json: Annotated[bool, typer.Option("--json", help=JSON)] = False,
) -> None:
    """What the alerts would have done in the past, ours and the classic ones, and which objective that supports."""
    since_seconds = seconds("--since", since)
    with plain_errors():
        from inferometer_compose.commands import slo_backtest as command  # noqa: PLC0415 - imports NumPy

        options = command.Options(
            name=slo,
            config=config,
            since_seconds=since_seconds,
            inject=inject,
            prometheus=prometheus,
            file=file,
            recorder=recorder,
            api=api,
            json=json,
        )
        code = command.run(options)
    raise typer.Exit(code)


@app.command(epilog="Example: inferometer slo scaling embedder --prometheus http://127.0.0.1:9090")
def scaling(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="A service or a model; all that scale unless given.")
    ] = "",
    *,
    config: Annotated[Path, typer.Option(metavar="FILE", help=CONFIG)] = Path("fleet.yaml"),
    prometheus: Annotated[
        str,
        typer.Option(
            envvar="INFEROMETER_PROMETHEUS", metavar="URL", help="Asked for what signals and cold starts are now."
        ),
    ] = "",
    json: Annotated[bool, typer.Option("--json", help=JSON)] = False,
) -> None:
    """What sets the replicas of each model, and what it saves and costs to let it sleep."""
    with plain_errors():
        from inferometer_compose.commands import slo_scaling as command  # noqa: PLC0415 - imports the generators

        code = command.run(name, config, prometheus, json=json)
    raise typer.Exit(code)
