"""The command ``inferometer compare`` with its options, help and example."""

from pathlib import Path
from typing import Annotated, Final

import typer

from inferometer_compose.commands.errors import plain_errors
from inferometer_compose.commands.parameters import API, JSON, RECORDER, SIDECAR

EXAMPLE: Final = "Example: inferometer compare --before 24h..12h --after 12h..now --model minilm"
WINDOW: Final = "A window, FROM..TO: times ago, now, or moments such as 2026-11-22T10:00"


def compare(
    *,
    before: Annotated[str | None, typer.Option(metavar="FROM..TO", help=f"{WINDOW}: 24h..12h.")] = None,
    after: Annotated[str | None, typer.Option(metavar="FROM..TO", help=f"{WINDOW}: 12h..now.")] = None,
    versions: Annotated[
        str | None, typer.Option(metavar="OLD,NEW", help="Two versions instead: the old one, the new one.")
    ] = None,
    within: Annotated[str, typer.Option(metavar="FROM..TO", help=f"{WINDOW}, of --versions.")] = "24h..now",
    service: Annotated[str, typer.Option(metavar="NAME", help="Only this service.")] = "",
    model: Annotated[str, typer.Option(metavar="NAME", help="Only this model.")] = "",
    tenant: Annotated[str, typer.Option(metavar="NAME", help="Only this tenant.")] = "",
    least: Annotated[
        float, typer.Option(min=0, max=1, metavar="RATIO", help="Relative difference that counts: 0.05 is 5 %.")
    ] = 0.05,
    seed: Annotated[int, typer.Option(min=0, max=2**32 - 1, metavar="NUMBER", help="Of the random draws.")] = 0,
    api: Annotated[str, typer.Option(metavar="URL", help=API)] = SIDECAR,
    recorder: Annotated[Path | None, typer.Option(metavar="FILE", help=RECORDER)] = None,
    all_lines: Annotated[bool, typer.Option("--all", help="Stages without a difference too.")] = False,
    json: Annotated[bool, typer.Option("--json", help=JSON)] = False,
) -> None:
    """What differs between two windows or two versions, with intervals; exits 1 where something is worse."""
    with plain_errors():
        from inferometer_compose.commands import compare as command  # noqa: PLC0415 - imports the store

        options = command.Options(
            before=before,
            after=after,
            versions=versions,
            within=within,
            service=service,
            model=model,
            tenant=tenant,
            least=least,
            seed=seed,
            api=api,
            recorder=recorder,
            all_lines=all_lines,
            json=json,
        )
        code = command.run(options)
    raise typer.Exit(code)
