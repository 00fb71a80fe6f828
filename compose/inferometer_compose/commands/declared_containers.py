"""The commands of the stack in containers, with their options, help and examples."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from inferometer_compose.commands.errors import plain_errors
from inferometer_compose.commands.parameters import JSON, one_of
from inferometer_compose.commands.parameters import seconds as seconds_of

PROFILE = (
    "demo (its fleet and load), mine (services of your own), gpu (dcgm-exporter), scale (Collectors and Thanos); "
    "may be given more than once."
)


class Profile(StrEnum):
    """Parts of the stack that compose/docker-compose.yaml tells apart."""

    DEMO = "demo"
    MINE = "mine"
    GPU = "gpu"
    SCALE = "scale"


def up(
    *,
    profile: Annotated[
        list[Profile] | None, typer.Option(parser=one_of(Profile), metavar="PROFILE", help=PROFILE, show_default="demo")
    ] = None,
    config: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Folder that `inferometer generate` wrote.")
    ] = None,
    targets: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Folder with lists of what to scrape besides.")
    ] = None,
    wait: Annotated[str, typer.Option(metavar="DURATION", help="How long services may take to be healthy.")] = "2m",
) -> None:
    """Start the stack in containers, and wait until it is healthy."""
    seconds = seconds_of("--wait", wait)
    with plain_errors():
        from inferometer_compose.commands import containers as command  # noqa: PLC0415 - as all of them

        profiles = tuple(one.value for one in profile or (Profile.DEMO,))
        code = command.up(command.Options(profiles=profiles, config=config, targets=targets, wait_seconds=seconds))
    raise typer.Exit(code)


def down(
    *,
    volumes: Annotated[bool, typer.Option("--volumes", help="Also remove what was recorded.")] = False,
) -> None:
    """Stop the stack in containers."""
    with plain_errors():
        from inferometer_compose.commands import containers as command  # noqa: PLC0415 - as all of them

        code = command.down(volumes=volumes)
    raise typer.Exit(code)


def status(*, json: Annotated[bool, typer.Option("--json", help=JSON)] = False) -> None:
    """How each service of the stack in containers is."""
    with plain_errors():
        from inferometer_compose.commands import containers as command  # noqa: PLC0415 - as all of them

        code = command.status(as_json=json)
    raise typer.Exit(code)


def logs(
    *,
    services: Annotated[
        list[str] | None, typer.Argument(metavar="SERVICE", help="Only these.", show_default=False)
    ] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until Ctrl-C.")] = False,
    tail: Annotated[int, typer.Option(min=0, metavar="NUMBER", help="Lines of each service.")] = 100,
) -> None:
    """What the services of the stack in containers print."""
    with plain_errors():
        from inferometer_compose.commands import containers as command  # noqa: PLC0415 - as all of them

        code = command.logs(services or (), follow=follow, tail=tail)
    raise typer.Exit(code)
