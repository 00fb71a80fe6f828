"""Options that several commands have, and how their texts are read."""

from typing import Final

import typer

JSON: Final = "Print one JSON object instead of a screen."
API: Final = "The sidecar's address."
RECORDER: Final = "A recorder file, where no sidecar runs."
SIDECAR: Final = "http://127.0.0.1:9465"
"""Where a sidecar's API answers unless told otherwise."""


def seconds(option: str, text: str) -> float:
    """Seconds of a duration as Prometheus writes it.

    Args:
        option: That it was given with, such as ``--since``.
        text: What was given.

    Raises:
        typer.BadParameter: it is no duration, or none that lasts.
    """
    from inferometer.fleet import durations  # noqa: PLC0415 - a part of the fleet file

    try:
        found = durations.parse(text) / 1e9
    except ValueError as error:
        raise typer.BadParameter(f"{option} is {text!r}: {error}") from error
    if not found:
        raise typer.BadParameter(f"{option} is {text}, a duration above 0 is right")
    return found
