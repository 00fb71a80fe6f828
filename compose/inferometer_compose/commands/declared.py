"""Every command with its options, help and example. What a command does is imported when it runs."""

import sys
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer

from inferometer.errors import InferometerError
from inferometer_compose.commands.declared_compare import EXAMPLE as COMPARE_EXAMPLE
from inferometer_compose.commands.declared_compare import compare
from inferometer_compose.commands.declared_containers import down, logs, status, up
from inferometer_compose.commands.declared_cost import app as cost
from inferometer_compose.commands.declared_dashboards import app as dashboards
from inferometer_compose.commands.declared_doctor import doctor
from inferometer_compose.commands.declared_engines import app as engines
from inferometer_compose.commands.declared_recorder import app as recorder
from inferometer_compose.commands.declared_sidecar import sidecar
from inferometer_compose.commands.declared_slo import app as slo
from inferometer_compose.commands.errors import plain_errors
from inferometer_compose.commands.help import Grouped
from inferometer_compose.commands.parameters import API, JSON, RECORDER, SIDECAR, one_of
from inferometer_compose.commands.parameters import seconds as seconds_of
from inferometer_compose.faults import Fault

app = typer.Typer(
    cls=Grouped,
    name="inferometer",
    help="Where the time and the money of every inference request go.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,  # its boxes cut names short on narrow terminals
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120},
    epilog="Example: inferometer demo --for 60s --fault errors",
)

BEGIN = "Begin here"
HAPPENED = "What happened"
PROMISED = "What is promised"
RUNNING = "The stack"
"""How `inferometer --help` groups the commands, in this order."""

FAULTS = f"Have this fault from 20 % to 50 % of the time: {', '.join(Fault)}."
OTLP = "Where kept traces go; else as OTEL_EXPORTER_OTLP_ENDPOINT says."


def _tell_version(*, asked: bool) -> None:
    if asked:
        sys.stdout.write(f"inferometer {version('inferometer')}\n")
        raise typer.Exit


@app.callback()
def _inferometer(
    *,
    version: Annotated[  # told by its callback
        bool,
        typer.Option(
            "--version", callback=lambda asked: _tell_version(asked=asked), is_eager=True, help="Say which this is."
        ),
    ] = False,
) -> None:
    pass


def demo(
    *,
    for_: Annotated[
        str, typer.Option("--for", metavar="DURATION", help="How long the load lasts, counted from readiness.")
    ] = "60s",
    fault: Annotated[Fault | None, typer.Option(parser=one_of(Fault), metavar="FAULT", help=FAULTS)] = None,
    time_scale: Annotated[
        int, typer.Option(min=1, metavar="NUMBER", help="Divides every SLO window, for alerts within a minute.")
    ] = 60,
    rate: Annotated[float, typer.Option(min=0.1, metavar="NUMBER", help="Requests per second.")] = 25.0,
    config: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A fleet.yaml; the demo's own unless given.")
    ] = None,
    keep: Annotated[bool, typer.Option("--keep", help="Leave everything up until Ctrl-C.")] = False,
    json: Annotated[bool, typer.Option("--json", help=JSON)] = False,
) -> None:
    """Real models under load on this machine, and where their time and money went."""
    seconds = seconds_of("--for", for_)
    with plain_errors():
        from inferometer_compose.commands import demo as command  # noqa: PLC0415 - imports the stack

        options = command.Options(
            seconds=seconds,
            fault=fault,
            time_scale=time_scale,
            rate_per_second=rate,
            config=config,
            keep=keep,
            json=json,
        )
        code = command.run(options)
    raise typer.Exit(code)


def generate(
    *,
    config: Annotated[Path, typer.Option(metavar="FILE", help="The fleet file.")] = Path("fleet.yaml"),
    out: Annotated[Path, typer.Option(metavar="FOLDER", help="Folder of the generated files.")] = Path("config"),
    check: Annotated[bool, typer.Option("--check", help="Write nothing; exit 1 where files differ.")] = False,
    time_scale: Annotated[
        int, typer.Option(min=1, metavar="NUMBER", help="Divides every window, for demo and tests.")
    ] = 1,
    kubernetes: Annotated[
        bool, typer.Option("--kubernetes", help="Manifests instead: a Kustomize base, and a component per service.")
    ] = False,
) -> None:
    """Rules, alerts, dashboards and scrape configuration from one file."""
    with plain_errors():
        from inferometer_compose.commands import generate as command  # noqa: PLC0415 - imports the generators

        code = command.run(config, out, check=check, time_scale=time_scale, kubernetes=kubernetes)
    raise typer.Exit(code)


def run(
    *,
    command: Annotated[
        list[str], typer.Argument(metavar="COMMAND", help="The command and its arguments.", show_default=False)
    ],
    config: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A fleet.yaml: objectives, tenants, prices.")
    ] = None,
    metrics: Annotated[
        str | None, typer.Option(metavar="HOST:PORT", help="Where Prometheus scrapes; 127.0.0.1:9464 or a free one.")
    ] = None,
    api: Annotated[
        str | None,
        typer.Option(metavar="HOST:PORT", help="Where the live page and the API answer; 127.0.0.1:9465 or a free one."),
    ] = None,
    state: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Folder of the flight recorder; a new one of this run.")
    ] = None,
    otlp: Annotated[str | None, typer.Option(metavar="URL", help=OTLP)] = None,
    strict: Annotated[bool, typer.Option("--strict", help="No sidecar, no command.")] = False,
) -> None:
    """Run a command with a sidecar beside it, and record without a code change."""
    with plain_errors():
        from inferometer_compose.commands import run as implementation  # noqa: PLC0415 - as all of them

        options = implementation.Options(
            command=command, config=config, metrics=metrics, api=api, state=state, otlp=otlp, strict=strict
        )
        code = implementation.run(options)
    raise typer.Exit(code)


def trace(
    *,
    trace_id: Annotated[
        str | None, typer.Argument(metavar="TRACE_ID", help="Its id: up to 32 hexadecimal digits.")
    ] = None,
    slowest: Annotated[
        int | None, typer.Option(min=1, metavar="NUMBER", help="The slowest requests, that many.")
    ] = None,
    api: Annotated[str, typer.Option(metavar="URL", help=API)] = SIDECAR,
    recorder: Annotated[Path | None, typer.Option(metavar="FILE", help=RECORDER)] = None,
    json: Annotated[bool, typer.Option("--json", help=JSON)] = False,
) -> None:
    """Draw the waterfall of a request."""
    with plain_errors():
        if (trace_id is None) == (slowest is None):
            raise InferometerError("say which request: inferometer trace ID, or inferometer trace --slowest 3")
        from inferometer_compose.commands import trace as command  # noqa: PLC0415 - imports the store

        code = command.run(trace_id, slowest=slowest, api=api, recorder=recorder, as_json=json)
    raise typer.Exit(code)


app.command(rich_help_panel=BEGIN, epilog="Example: inferometer demo --for 60s --fault errors")(demo)
app.command(
    rich_help_panel=BEGIN,
    # What follows the command is the command's, also where it looks like an option of ours.
    context_settings={"allow_interspersed_args": False},
    epilog="Example: inferometer run -- uvicorn app:app --workers 4",
)(run)
app.command(rich_help_panel=BEGIN, epilog="Example: inferometer doctor --config fleet.yaml")(doctor)
app.command(rich_help_panel=HAPPENED, epilog="Example: inferometer trace --slowest 3")(trace)
app.command(rich_help_panel=HAPPENED, epilog=COMPARE_EXAMPLE)(compare)
app.add_typer(cost, name="cost", rich_help_panel=HAPPENED)
app.add_typer(recorder, name="recorder", rich_help_panel=HAPPENED)
app.command(rich_help_panel=PROMISED, epilog="Example: inferometer generate --config fleet.yaml --out config --check")(
    generate
)
app.add_typer(slo, name="slo", rich_help_panel=PROMISED)
app.add_typer(dashboards, name="dashboards", rich_help_panel=PROMISED)
app.add_typer(engines, name="engines", rich_help_panel=PROMISED)
app.command(
    rich_help_panel=RUNNING,
    epilog="Example: inferometer sidecar --thresholds config/thresholds.json --otlp http://127.0.0.1:14318",
)(sidecar)
app.command(rich_help_panel=RUNNING, epilog="Example: inferometer up --profile mine --config config --targets targets")(
    up
)
app.command(rich_help_panel=RUNNING, epilog="Example: inferometer status --json")(status)
app.command(rich_help_panel=RUNNING, epilog="Example: inferometer logs --follow sidecar")(logs)
app.command(rich_help_panel=RUNNING, epilog="Example: inferometer down --volumes")(down)
