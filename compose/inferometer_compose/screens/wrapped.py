"""Lines that are too long for a terminal, broken between words."""

from collections.abc import Iterator

from rich.text import Text

_INDENT = 4


def wrapped(line: Text, width: int) -> Iterator[Text]:
    """A line in pieces of at most *width* cells, those after the first indented; a longer word stays whole."""
    indent = len(line.plain) - len(line.plain.lstrip()) + _INDENT
    while len(line) > width:
        at = line.plain.rfind(" ", indent + 1, width + 1)
        if at <= indent:
            at = line.plain.find(" ", width)
            if at < 0:
                break
        yield line[:at]
        line = Text(" " * indent).append_text(line[at + len(line.plain[at:]) - len(line.plain[at:].lstrip()) :])
    yield line
