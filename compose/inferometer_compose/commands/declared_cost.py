"""The commands ``inferometer cost …`` with their options, help and examples."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from inferometer.errors import InferometerError
from inferometer_compose.bill.costs import Cost
from inferometer_compose.commands.errors import plain_errors
from inferometer_compose.commands.help import Grouped
from inferometer_compose.commands.parameters import API, JSON, RECORDER, SIDECAR, one_of, seconds

if TYPE_CHECKING:
    from inferometer_compose.commands.cost import Asked

app = typer.Typer(
    cls=Grouped,
    help="What requests cost, what idle devices cost, and what would cost less.",
    invoke_without_command=True,
    pretty_exceptions_enable=False,
)

SINCE = "How far back; of a file, from its last entry."
BY = "One or several of service, model, version, tenant, class, region, outcome, device."
COLD_START = "Until a stopped device serves again; else as long as a model's load took."
ANYWAY = "Advise from less than a day or a thousand requests, too: of low confidence."
THRESHOLDS = "thresholds.json, where no sidecar is asked: what fleet.yaml promises; else as the demo left it."
CSV = "Print rows by hour, named as FOCUS names them, that sum to the bill."


@app.callback(epilog="Example: inferometer cost --by model,tenant --since 24h")
def cost(
    context: typer.Context,
    *,
    by: Annotated[str, typer.Option(metavar="FIELDS", help=BY)] = "model",
    since: Annotated[str, typer.Option(metavar="DURATION", help=SINCE)] = "24h",
    api: Annotated[str, typer.Option(metavar="URL", help=API)] = SIDECAR,
    recorder: Annotated[Path | None, typer.Option(metavar="FILE", help=RECORDER)] = None,
    json: Annotated[bool, typer.Option("--json", help=JSON)] = False,
    csv: Annotated[bool, typer.Option("--csv", help=CSV)] = False,
) -> None:
    """What requests cost, what idle devices cost, and what would cost less."""
    if context.invoked_subcommand is not None:
        return
    since_seconds = seconds("--since", since)
    with plain_errors():
        asked = _asked(since_seconds, api=api, recorder=recorder, json=json, csv=csv)
        from inferometer_compose.commands import cost as command  # noqa: PLC0415 - imports the store

        code = command.run(by, asked)
    raise typer.Exit(code)


@app.command(epilog="Example: inferometer cost idle --since 7d --cold-start 90s")
def idle(
    *,
    since: Annotated[str, typer.Option(metavar="DURATION", help=SINCE)] = "24h",
    cold_start: Annotated[str | None, typer.Option(metavar="DURATION", help=COLD_START)] = None,
    api: Annotated[str, typer.Option(metavar="URL", help=API)] = SIDECAR,
    recorder: Annotated[Path | None, typer.Option(metavar="FILE", help=RECORDER)] = None,
    json: Annotated[bool, typer.Option("--json", help=JSON)] = False,
    csv: Annotated[bool, typer.Option("--csv", help=CSV)] = False,
) -> None:
    """What devices cost while they did nothing, when that was, and what stopping them would save."""
    since_seconds, cold_seconds = seconds("--since", since), _cold(cold_start)
    with plain_errors():
        asked = _asked(since_seconds, api=api, recorder=recorder, json=json, csv=csv)
        from inferometer_compose.commands import cost as command  # noqa: PLC0415 - as above

        code = command.run_idle(cold_seconds, asked)
    raise typer.Exit(code)


@app.command(epilog="Example: inferometer cost rightsize --since 7d")
def rightsize(
    *,
    since: Annotated[str, typer.Option(metavar="DURATION", help=SINCE)] = "30d",
    cold_start: Annotated[str | None, typer.Option(metavar="DURATION", help=COLD_START)] = None,
    anyway: Annotated[bool, typer.Option("--anyway", help=ANYWAY)] = False,
    thresholds: Annotated[
        Path | None, typer.Option(envvar="INFEROMETER_THRESHOLDS", metavar="FILE", help=THRESHOLDS)
    ] = None,
    api: Annotated[str, typer.Option(metavar="URL", help=API)] = SIDECAR,
    recorder: Annotated[Path | None, typer.Option(metavar="FILE", help=RECORDER)] = None,
    json: Annotated[bool, typer.Option("--json", help=JSON)] = False,
    csv: Annotated[bool, typer.Option("--csv", help="Print a row for each piece of advice.")] = False,
) -> None:
    """What would serve the same requests for less, and what that rests on."""
    since_seconds, cold_seconds = seconds("--since", since), _cold(cold_start)
    with plain_errors():
        asked = _asked(since_seconds, api=api, recorder=recorder, json=json, csv=csv)
        from inferometer_compose.commands import cost as command  # noqa: PLC0415 - as above

        code = command.run_rightsize(cold_seconds, thresholds, asked, anyway=anyway)
    raise typer.Exit(code)


@app.command(name="true-up", epilog="Example: inferometer cost true-up --bill focus.parquet --config fleet.yaml")
def true_up(
    *,
    bill: Annotated[
        list[Path],
        typer.Option(
            metavar="FILE",
            help="FOCUS export, CSV (also .gz) or Parquet, or a folder of them; may stand several times.",
        ),
    ],
    config: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A fleet.yaml that says which charges are whose.")
    ] = None,
    kind: Annotated[
        Cost,
        typer.Option(
            "--cost", parser=one_of(Cost), metavar="effective|billed|list", help="Which cost of a charge counts."
        ),
    ] = Cost.EFFECTIVE,
    rate: Annotated[
        list[str] | None,
        typer.Option(
            metavar="CURRENCY=USD", help="US dollars for one of another currency: EUR=1.08; may stand several times."
        ),
    ] = None,
    api: Annotated[str, typer.Option(metavar="URL", help=API)] = SIDECAR,
    recorder: Annotated[Path | None, typer.Option(metavar="FILE", help=RECORDER)] = None,
    state: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="The sidecar's state folder, where it is not the recorder's.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Write nothing.")] = False,
    json: Annotated[bool, typer.Option("--json", help=JSON)] = False,
    csv: Annotated[bool, typer.Option("--csv", help="Print a row for each day, device and SKU.")] = False,
) -> None:
    """Compare the ledger with the provider's bill, and show the difference as a series of its own."""
    with plain_errors():
        if json and csv:
            raise InferometerError("--json or --csv: one of them is right")
        from inferometer_compose.commands import true_up as command  # noqa: PLC0415 - as above

        options = command.Options(
            bills=bill,
            config=config,
            cost=kind,
            rates=rate or (),
            api=api,
            recorder=recorder,
            state=state,
            dry_run=dry_run,
            json=json,
            csv=csv,
        )
        code = command.run(options)
    raise typer.Exit(code)


def _asked(since_seconds: float, *, api: str, recorder: Path | None, json: bool, csv: bool) -> "Asked":
    if json and csv:
        raise InferometerError("--json or --csv: one of them is right")
    from inferometer_compose.commands.cost import Asked  # noqa: PLC0415 - as above

    return Asked(since_seconds=since_seconds, api=api, recorder=recorder, json=json, csv=csv)


def _cold(text: str | None) -> float | None:
    return None if text is None else seconds("--cold-start", text)
