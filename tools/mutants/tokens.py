"""PromQL as a list of tokens with their places, so that one of them can be changed and all others stay as they are."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

_TOKEN: Final = re.compile(
    r"""
    (?P<space>\s+)
  | (?P<string>"(?:[^"\\]|\\.)*")
  | (?P<duration>(?:[0-9]+(?:ms|[smhdwy]))+)
  | (?P<number>[0-9]+(?:\.[0-9]+)?)
  | (?P<word>[A-Za-z_:][A-Za-z0-9_:]*)
  | (?P<operator>=~|!~|!=|==|>=|<=|[-+*/%^=<>])
  | (?P<bracket>[][(){}])
  | (?P<comma>,)
    """,
    re.VERBOSE,
)
AGGREGATIONS: Final = frozenset({"sum", "min", "max", "avg", "count", "group", "topk", "bottomk", "quantile"})
MATCHINGS: Final = frozenset({"by", "without", "on", "ignoring", "group_left", "group_right"})


@dataclass(frozen=True, slots=True)
class Token:
    """A part of an expression; ``inside`` is the bracket that it stands in, ``head`` the word before that bracket."""

    kind: str
    text: str
    start: int
    end: int
    inside: str = ""
    head: str = ""


def tokens(text: str) -> Iterator[Token]:
    """Tokens of an expression, without what is blank.

    Raises:
        ValueError: a character belongs to no token.
    """
    open_brackets: list[tuple[str, str]] = []
    before, at = "", 0
    while at < len(text):
        found = _TOKEN.match(text, at)
        if found is None or found.lastgroup is None:
            raise ValueError(f"cannot read {text[at : at + 20]!r} in {text!r}")
        kind, word, at = found.lastgroup, found.group(), found.end()
        if kind == "space":
            continue
        inside, head = open_brackets[-1] if open_brackets else ("", "")
        if word in {")", "]", "}"}:
            open_brackets.pop()
        yield Token(kind, word, found.start(), found.end(), inside, head)
        if word in {"(", "[", "{"}:
            open_brackets.append((word, before))
        before = word


def replaced(text: str, start: int, end: int, by: str) -> str:
    """The text with another part in one place."""
    return text[:start] + by + text[end:]
