"""Kinds of values: how the text of one is read, what would be right, and its JSON Schema.

Those that fleet.yaml holds are in `inferometer.fleet.amounts`, `times` and `texts`.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from difflib import get_close_matches
from enum import StrEnum
from typing import Final, Generic, TypeVar

T = TypeVar("T")
Json = dict[str, object]


class WrongValueError(ValueError):
    """A value is not what it should be; ``hint`` says what would be right."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind(Generic[T]):
    """A kind of value: what it is called, which YAML kinds it is written as, and how its text is read."""

    name: str
    written_as: tuple[str, ...]
    read: Callable[[str], T]
    json: Json = field(default_factory=dict)
    example: str = ""


def nearest(word: str, known: tuple[str, ...]) -> str:
    """A hint: the known word that is meant, or all of them."""
    if close := get_close_matches(word, known, n=1):
        return f"did you mean {close[0]!r}? known: {', '.join(known)}"
    return f"known: {', '.join(known) if known else 'none yet'}"


def choice(enum: type[StrEnum], name: str) -> Kind[StrEnum]:
    """One word of a closed set."""
    words = tuple(member.value for member in enum)

    def read(text: str) -> StrEnum:
        if text not in words:
            raise WrongValueError(f"{text!r} is no {name}", nearest(text, words))
        return enum(text)

    return Kind(name=name, written_as=("text",), read=read, json={"enum": list(words)}, example=words[0])


def _version(text: str) -> int:
    if text != "1":
        raise WrongValueError(f"version {text} of this file is not known", "write `version: 1`")
    return 1


VERSION: Final = Kind(name="version", written_as=("number",), read=_version, json={"const": 1}, example="1")
