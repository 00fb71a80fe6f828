"""Options that several commands have, and how their texts are read."""

from typing import Final

import typer

JSON: Final = "Print one JSON object instead of a screen."
API: Final = "The sidecar's address."
RECORDER: Final = "A recorder file, where no sidecar runs."
SIDECAR: Final = "http://127.0.0.1:9465"
"""Where a sidecar's API answers unless told otherwise."""


def seconds(text: str) -> float:
    """Seconds of a duration as Prometheus writes it.

    Raises:
        typer.BadParameter: it is none.
    """
    from inferometer.fleet import durations  # noqa: PLC0415  # a part of the fleet file

    try:
        return durations.parse(text) / 1e9
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
