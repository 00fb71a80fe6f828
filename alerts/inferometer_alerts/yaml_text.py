"""Writes YAML: the same data give the same bytes, expressions stay readable, strings stay strings."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

Yaml = str | int | float | bool | None | Mapping[str, "Yaml"] | Sequence["Yaml"]

_PLAIN: Final = re.compile(r"[A-Za-z_/](?:[A-Za-z0-9_./:-]*[A-Za-z0-9_./-])?", re.ASCII)
_DURATION: Final = re.compile(r"(?:[0-9]+(?:ms|s|m|h|d))+", re.ASCII)
# What YAML 1.1 readers, Go's among them, take for something else than text.
_RESERVED: Final = frozenset({"true", "false", "null", "yes", "no", "on", "off", "y", "n", "nan", "inf"})
_ESCAPES: Final = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\t": "\\t", "\r": "\\r"}
_INDENT: Final = "  "


def dump(data: Yaml, *, comment: str = "") -> bytes:
    """A YAML document as UTF-8, below a comment."""
    head = "".join(f"# {line}\n" for line in comment.splitlines())
    return (head + "\n".join(_lines(data)) + "\n").encode()


def _lines(data: Yaml, indent: str = "") -> Iterator[str]:
    if isinstance(data, Mapping) and data:
        for key, value in data.items():
            yield from _entry(f"{indent}{_text(key)}:", value, indent + _INDENT)
    elif isinstance(data, Sequence) and not isinstance(data, str) and data:
        for item in data:
            yield from _item(item, indent)
    else:
        yield indent + _scalar(data)


def _entry(key: str, value: Yaml, indent: str) -> Iterator[str]:
    if isinstance(value, str) and _is_block(value):
        yield f"{key} |" if value.endswith("\n") else f"{key} |-"
        yield from (indent + line if line else "" for line in value.splitlines())
    elif _is_nested(value):
        yield key
        yield from _lines(value, indent)
    else:
        yield f"{key} {_scalar(value)}"


def _item(item: Yaml, indent: str) -> Iterator[str]:
    inside = indent + _INDENT
    lines = _lines(item, inside)
    yield f"{indent}- {next(lines).removeprefix(inside)}"
    yield from lines


def _is_nested(value: Yaml) -> bool:
    return isinstance(value, Mapping | Sequence) and not isinstance(value, str) and bool(value)


def _is_block(text: str) -> bool:
    """Whether a text is easier to read as a block: a query or a document of several lines, or one with quotes in it."""
    lines = text.removesuffix("\n").split("\n")
    # The first line tells a reader how far the block is indented: it must not be indented itself.
    return (len(lines) > 1 or '"' in text) and not lines[0].startswith(" ") and all(map(_is_plain_line, lines))


def _is_plain_line(line: str) -> bool:
    return bool(line) and line.isprintable() and line == line.rstrip()


def _scalar(value: Yaml) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, int | float):
        return f"{value}"
    return "{}" if isinstance(value, Mapping) else "[]"


def _text(text: str) -> str:
    plain = _PLAIN.fullmatch(text) or _DURATION.fullmatch(text)
    if plain and text.lower() not in _RESERVED:
        return text
    if text.isprintable() and _ESCAPES.keys().isdisjoint(text):
        return f'"{text}"'
    return '"' + "".join(_ESCAPES.get(char) or _printable(char) for char in text) + '"'


def _printable(char: str) -> str:
    if char.isprintable():
        return char
    return f"\\u{ord(char):04x}" if ord(char) <= 0xFFFF else f"\\U{ord(char):08x}"  # noqa: PLR2004 - the basic plane
