"""How a line of the report stands: a name, figures on the right of their columns, the rest; broken where it is long."""

from collections.abc import Iterable, Iterator

from rich.text import Text

NAME = 40
"""Columns of a name, unless a table has another width for it."""
# Where the rest of a line that is too long begins.
_CONTINUED = 6


def row(
    name: str, columns: Iterable[tuple[str, int]], rest: str = "", *, style: str = "", name_width: int = NAME
) -> Text:
    """A name, figures on the right of columns that are so wide, and the rest."""
    cells = "".join(text.rjust(width) for text, width in columns)
    line = Text(f"{name:<{name_width}}{cells}{'   ' if rest else ''}{rest}", style)
    line.rstrip()
    return line


def fitted(line: Text, width: int) -> Iterator[Text]:
    """The line, broken where it is too long: between columns if possible, the rest indented."""
    while len(line) > width:
        plain = line.plain[:width]
        at = max(plain.rfind("  ", _CONTINUED + 1), 0) or max(plain.rfind(" ", _CONTINUED + 1), 0) or width
        head = line[:at]
        head.rstrip()
        yield head
        line = Text(" " * _CONTINUED).append_text(line[at + len(line.plain[at:]) - len(line.plain[at:].lstrip()) :])
    yield line
