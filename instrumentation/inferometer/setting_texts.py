"""Texts of settings: what a variable may say, and, where it says something else, what would be right.

Each takes the text of a variable and returns the value, or raises `ValueError` with what would be right.
"""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Final

_HEADER: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}")
_MAX_TEXT: Final = 253
"""Characters of a name; a host's may be that long."""

_ON: Final = frozenset({"1", "true", "yes", "on"})
_OFF: Final = frozenset({"0", "false", "no", "off"})


def printable(text: str) -> str:
    """A name, printable and short enough for a label."""
    if len(text) > _MAX_TEXT or not text.isprintable():
        raise ValueError(f"at most {_MAX_TEXT} printable characters are right")
    return text


def switch(text: str) -> bool:
    """What is on or off."""
    if text.lower() in _ON:
        return True
    if text.lower() in _OFF:
        return False
    raise ValueError("1 or 0 is right")


def seconds(low: float, high: float) -> Callable[[str], float]:
    """A parser of seconds within bounds, which are included."""

    def parse(text: str) -> float:
        hint = f"seconds from {low:g} to {high:g} are right"
        try:
            value = float(text)
        except ValueError:
            raise ValueError(hint) from None
        if not low <= value <= high:
            raise ValueError(hint)
        return value

    return parse


def count(low: int, high: int) -> Callable[[str], int]:
    """A parser of whole numbers within bounds, which are included."""

    def parse(text: str) -> int:
        hint = f"a whole number from {low} to {high} is right"
        if not text.isascii() or not text.isdigit() or not low <= int(text) <= high:
            raise ValueError(hint)
        return int(text)

    return parse


def address(text: str) -> str:
    """Where a sidecar is, with a scheme."""
    port = re.fullmatch(r"(?:tcp|tls)://[^/\s]+:(\d{1,5})", text)
    if (port and 0 < int(port[1]) <= 65535) or re.fullmatch(r"unix:///?\S+", text):  # noqa: PLR2004 - TCP
        return text
    raise ValueError("unix:///path, tcp://host:port or tls://host:port is right")


def host_port(text: str) -> str:
    """Where to listen: without a host on this one alone."""
    host, _, port = text.rpartition(":")
    if not port.isascii() or not port.isdigit() or int(port) > 65535:  # noqa: PLR2004 - TCP
        raise ValueError("host:port is right")
    return f"{host or '127.0.0.1'}:{port}"


def header(text: str) -> str:
    """The name of a header, in lower case."""
    if not _HEADER.fullmatch(text):
        raise ValueError("the name of an HTTP header is right")
    return text.lower()


def absolute_path(text: str) -> Path:
    """A path that is the same in every folder."""
    path = Path(text)
    if not path.is_absolute():
        raise ValueError("an absolute path is right")
    return path


def url_paths(text: str) -> frozenset[str]:
    """Paths of URLs, with commas between."""
    paths = frozenset(part.strip() for part in text.split(",") if part.strip())
    if not all(path.startswith("/") for path in paths):
        raise ValueError("paths that begin with / and are separated by commas are right")
    return paths
