"""Reads pages in Prometheus' text format and in OpenMetrics, as servers in the field write them.

Looser than the documents where servers are (commas and blanks at the end, families declared twice or not at all,
declarations behind their samples), and strict where a wrong number would follow: a page that is broken anywhere is
none. Names stay as they are written: no suffix is added.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

from inferometer.errors import SourceError

_NAME: Final = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
_BLANKS: Final = r"[ \t]*"
_TEXT: Final = r'"[^"\\]*(?:\\.[^"\\]*)*"'
_SAMPLE: Final = re.compile(
    rf"""{_BLANKS}(?P<series>(?P<name>{_NAME})(?:{_BLANKS}\{{(?P<labels>(?:[^"}}]|{_TEXT})*)\}})?)"""
    rf"""(?:(?<=\}})|(?<=[ \t])|[ \t]){_BLANKS}(?P<value>[^ \t#]+)"""
    rf"""(?:[ \t]+(?P<time>[-+.0-9eE]+))?{_BLANKS}(?:\#{_BLANKS}\{{(?P<exemplar>.*))?\r?""",
    re.ASCII,
)
_LABEL: Final = re.compile(rf"{_BLANKS}({_NAME}){_BLANKS}={_BLANKS}({_TEXT}){_BLANKS}(,|\Z)", re.ASCII)
_COMMENT: Final = re.compile(rf"{_BLANKS}#[ \t]+(HELP|TYPE)[ \t]+({_NAME})(?:[ \t]+(.*?))?[ \t]*\r?", re.ASCII)
_ESCAPED: Final = re.compile(r"\\(.)")
_CHARACTERS: Final = {"n": "\n", "\\": "\\", '"': '"'}
MOST_LABELS: Final = 10_000
"""Sets of labels of one page that are kept in mind while it is read: a page of 50 MB has half a million."""
_QUOTED: Final = 60
"""Characters of a wrong line that an error repeats."""
_BYTE_ORDER_MARK: Final = "\ufeff"

TYPES: Final = frozenset({"counter", "gauge", "histogram", "summary", "untyped"})
_OTHER_WORDS: Final = {"unknown": "untyped", "info": "gauge", "stateset": "gauge", "gaugehistogram": "gauge"}
"""OpenMetrics' types in the words of the older format."""
_SUFFIXES: Final[Mapping[str, frozenset[str]]] = {
    "_bucket": frozenset({"histogram"}),
    "_sum": frozenset({"histogram", "summary"}),
    "_count": frozenset({"histogram", "summary"}),
    "_total": frozenset({"counter"}),
}


class Line(NamedTuple):
    """A sample as its line says it."""

    name: str
    labels: Mapping[str, str]
    value: float
    series: str
    """Name and labels as they are written: the same series has the same text on the next page."""


@dataclass(frozen=True, slots=True)
class Point:
    """One line of a page."""

    name: str
    labels: Mapping[str, str]
    value: float
    help: str
    """Of its family; exporters state units there."""


@dataclass(frozen=True, slots=True)
class Family:
    """What a sample belongs to."""

    name: str
    type: str
    """``counter``, ``gauge``, ``histogram``, ``summary``; ``untyped`` where the page does not say."""
    part: str = ""
    """``bucket``, ``sum`` or ``count`` of a histogram or a summary."""


def decoded(page: bytes) -> str:
    """The text of a whole page.

    Raises:
        SourceError: its last line has no end, or it is no UTF-8.
    """
    if not page.endswith(b"\n"):
        # A number that is cut short is another number: half a page is none.
        raise SourceError("the page's last line has no end", why="unreadable")
    try:
        return page.decode().removeprefix(_BYTE_ORDER_MARK)
    except UnicodeDecodeError as error:
        said = f"the page is not in Prometheus' text format: byte {error.start} is no UTF-8"
        raise SourceError(said, why="unreadable") from error


def comment(line: str) -> tuple[str, str, str] | None:
    """(HELP or TYPE, name, text) of a line; None of any other comment."""
    found = _COMMENT.fullmatch(line)
    return None if found is None else (found[1], found[2], found[3] or "")


def declared_type(word: str) -> str:
    """A declared type in the words of `TYPES`."""
    word = word.lower()
    return word if word in TYPES else _OTHER_WORDS.get(word, "untyped")


def sample(line: str, known: dict[str, Mapping[str, str]] | None = None) -> Line:
    """The sample of a line that is no comment and not blank.

    Args:
        line: without its end.
        known: labels by how they are written, of lines before; the same ones stand on many.

    Raises:
        ValueError: it is none; the message quotes it.
    """
    found = _SAMPLE.fullmatch(line)
    if found is None:
        raise ValueError(f"no sample: {quoted(line)}")
    name, labels, value = found["name"], found["labels"], found["value"]
    return Line(name, _labels(labels, known) if labels else {}, number(value), found["series"].rstrip())


def _labels(text: str, known: dict[str, Mapping[str, str]] | None) -> Mapping[str, str]:
    if known is None:
        return parsed_labels(text)
    found = known.get(text)
    if found is None:
        found = parsed_labels(text)
        if len(known) < MOST_LABELS:
            known[text] = found
    return found


def quoted(line: str) -> str:
    """The beginning of a line, for errors."""
    return repr(line[:_QUOTED]) + ("…" if len(line) > _QUOTED else "")


def number(text: str) -> float:
    """A number as pages write it.

    Raises:
        ValueError: it is none.
    """
    if "_" in text:
        # To Python 1_0 is ten.
        raise ValueError(f"no number: {quoted(text)}")
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"no number: {quoted(text)}") from None


def parsed_labels(text: str) -> dict[str, str]:
    """Labels between braces.

    Raises:
        ValueError: they are none, or one stands there twice.
    """
    labels: dict[str, str] = {}
    position = 0
    while position < len(text):
        found = _LABEL.match(text, position)
        if found is None:
            if not text[position:].strip():
                break
            raise ValueError(f"no label: {quoted(text[position:])}")
        name, value = found[1], found[2][1:-1]
        if name in labels:
            raise ValueError(f"the label {name} stands there twice")
        labels[name] = _ESCAPED.sub(_unescaped, value) if "\\" in value else value
        position = found.end()
    return labels


def _unescaped(found: re.Match[str]) -> str:
    # An unknown escape stays as it is, as Prometheus' own client reads it.
    return _CHARACTERS.get(found[1], found[0])


def family(name: str, types: Mapping[str, str]) -> Family:
    """The family of a sample, by what the page declares: a name or a label alone says nothing.

    A gauge may have the label ``le`` and end in ``_count``; a histogram may end in ``_total``.
    """
    if (declared := types.get(name)) is not None:
        return Family(name, declared)
    for suffix, of in _SUFFIXES.items():
        base = name.removesuffix(suffix)
        if base != name and types.get(base) in of:
            # OpenMetrics declares a counter without the suffix that its samples have.
            return Family(name, "counter") if suffix == "_total" else Family(base, types[base], suffix[1:])
    return Family(name, "untyped")


def types(text: str) -> dict[str, str]:
    """Declared types by family; where one is declared twice, the first counts."""
    found: dict[str, str] = {}
    for line in text.splitlines() if "# TYPE" in text or "#\tTYPE" in text else ():
        if line.lstrip(" \t").startswith("#") and (said := comment(line)) is not None and said[0] == "TYPE":
            found.setdefault(said[1], declared_type(said[2]))
    return found


def lines(text: str) -> Iterator[Line]:
    """All samples of a page.

    Raises:
        SourceError: a line is none; which one, and why.
    """
    for place, line in enumerate(text.split("\n"), start=1):
        bare = line.strip()
        if not bare or bare.startswith("#"):
            continue
        try:
            yield sample(line)
        except ValueError as error:
            raise unreadable(place, error) from error


def unreadable(place: int, error: ValueError) -> SourceError:
    """The error of a page that has a wrong line."""
    return SourceError(f"the page is not in Prometheus' text format: line {place}: {error}", why="unreadable")


def points(page: bytes) -> list[Point]:
    """All lines of a page, with the help of their families.

    Raises:
        SourceError: it is not in the text format, or its last line is cut short.
    """
    text = decoded(page)
    helps: dict[str, str] = {}
    for line in text.split("\n"):
        if line.startswith("#") and (said := comment(line)) is not None and said[0] == "HELP":
            helps.setdefault(said[1], _ESCAPED.sub(_unescaped, said[2]))
    kinds = types(text)
    return [
        Point(line.name, line.labels, line.value, helps.get(family(line.name, kinds).name, "")) for line in lines(text)
    ]
