"""Options that several commands have, and how their texts are read."""

from collections.abc import Callable
from enum import StrEnum
from typing import Final, TypeVar

import typer

JSON: Final = "Print one JSON object instead of a screen."
API: Final = "The sidecar's address."
RECORDER: Final = "A recorder file, where no sidecar runs."
SIDECAR: Final = "http://127.0.0.1:9465"
"""Where a sidecar's API answers unless told otherwise."""


E = TypeVar("E", bound=StrEnum)


def one_of(kind: type[E]) -> Callable[[str], E]:
    """Reads one word of a few, and says which they are where it is none of them.

    Raises:
        typer.BadParameter: of what it returns, for any other word.
    """

    def read(text: str) -> E:
        from inferometer.fleet.scalars import nearest  # noqa: PLC0415  # a part of the fleet file

        words = tuple(member.value for member in kind)
        if text not in words:
            raise typer.BadParameter(f"{text!r} is none of its values; {nearest(text, words)}")
        return kind(text)

    return read


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
