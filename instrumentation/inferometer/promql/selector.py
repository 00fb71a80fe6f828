"""Selectors: a declared family, matchers on labels that it has, and the escaping of their values."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from inferometer.catalog.model import Label
from inferometer.errors import CatalogError
from inferometer.promql.expression import Expr, Holds

_META = re.compile(r"([\\.+*?()|\[\]{}^$])")
_ESCAPES = {"\\": r"\\", '"': r"\"", "\n": r"\n", "\r": r"\r", "\t": r"\t"}


class Family(Protocol):
    """A declared family: an entry of the catalogue, or a recorded series."""

    @property
    def name(self) -> str:
        """Name of the family."""

    @property
    def kind(self) -> str:
        """``counter``, ``gauge`` or ``histogram``."""

    @property
    def label_names(self) -> tuple[str, ...]:
        """Names of its labels."""


class Part(Enum):
    """Which series of a family is meant; a histogram's classic form has three."""

    ITSELF = ""
    BUCKET = "_bucket"
    COUNT = "_count"
    SUM = "_sum"


@dataclass(frozen=True, slots=True)
class Matcher:
    """A condition on one label."""

    label: Label
    operator: str
    value: str

    def __str__(self) -> str:
        return f"{self.label.name}{self.operator}{quote(self.value)}"


def quote(text: str) -> str:
    """A string literal of PromQL that means exactly this text."""
    if text.isprintable() and _ESCAPES.keys().isdisjoint(text):
        return f'"{text}"'  # nearly all are; character by character took a tenth of the time of generating
    escaped = (_ESCAPES.get(char) or (char if char.isprintable() else _code_point(char)) for char in text)
    return f'"{"".join(escaped)}"'


def _code_point(char: str) -> str:
    return f"\\u{ord(char):04x}" if ord(char) <= 0xFFFF else f"\\U{ord(char):08x}"  # noqa: PLR2004 - the basic plane


def quote_regex(text: str) -> str:
    """A regular expression (RE2) that matches exactly this text."""
    return _META.sub(r"\\\1", text)


def equal(label: Label, value: str) -> Matcher:
    """The label has this value; the empty value means that it is absent."""
    return Matcher(label, "=", value)


def differs(label: Label, value: str) -> Matcher:
    """The label has another value."""
    return Matcher(label, "!=", value)


def matching(label: Label, regex: str) -> Matcher:
    """The whole value matches a regular expression."""
    return Matcher(label, "=~", regex)


def one_of(label: Label, values: Iterable[str]) -> Matcher:
    """The label has one of these values."""
    known = sorted(set(values))
    if len(known) == 1:
        return equal(label, known[0])
    return matching(label, "|".join(quote_regex(value) for value in known))


@dataclass(frozen=True, slots=True, kw_only=True)
class Selector(Expr):
    """Series of one family, as they are now."""

    family: Family
    part: Part = Part.ITSELF

    @property
    def is_counter(self) -> bool:
        """Whether it only rises, so that its rate means something."""
        return self.family.kind in {"counter", "histogram"}


def select(family: Family, *matchers: Matcher, part: Part = Part.ITSELF) -> Selector:
    """Series of a family; of a histogram its native form, or a part of its classic one.

    Raises:
        CatalogError: the family has no such label, or no such part.
    """
    if part is not Part.ITSELF and family.kind != "histogram":
        raise CatalogError(f"{family.name} is a {family.kind}; only histograms have a part {part.value}")
    labels = (*family.label_names, "le") if part is Part.BUCKET else family.label_names
    native = family.kind == "histogram" and part is Part.ITSELF
    conditions = ", ".join(str(matcher) for matcher in matchers)
    name = f"{family.name}{part.value}"
    selector = Selector(
        text=f"{name}{{{conditions}}}" if conditions else name,
        labels=labels,
        of=name,
        holds=Holds.HISTOGRAMS if native else Holds.NUMBERS,
        family=family,
        part=part,
    )
    selector.require(matcher.label for matcher in matchers)
    return selector
