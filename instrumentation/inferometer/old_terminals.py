"""A terminal whose encoding lacks our characters shows their like in ASCII; it never shows a traceback.

Such are terminals of ISO 8859, consoles of a machine's firmware, and whatever runs with ``PYTHONIOENCODING=ascii``.
"""

import codecs
import io
from typing import Final, TextIO

ERRORS: Final = "inferometer.like"
"""Name of the error handler, as :func:`codecs.register_error` knows it."""
_LIKE: Final[dict[str, str]] = {
    one: shown
    for shown, ours in {
        "#": "█▉▊▋▌▇▆▅",
        "|": "▍▎▏│",
        ".": "▁▂▃▄",
        "-": "\N{EN DASH}\N{EM DASH}─·",
        "+": "╭╮╰╯✓",
        "x": "✗\N{MULTIPLICATION SIGN}",
        ">": "╺→",
        "=": "━",
        "*": "●",
        "u": "µ",
        "...": "…",
        "<=": "≤",
        ">=": "≥",
        "+-": "±",
    }.items()
    for one in ours
}


def like(error: UnicodeError) -> tuple[str, int]:
    """What stands for characters that an encoding lacks: one of the same width where there is one, else ``?``.

    Raises:
        UnicodeError: *error* is not about writing.
    """
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(_LIKE.get(one, "?") for one in error.object[error.start : error.end]), error.end


def make_readable(*streams: TextIO) -> None:
    """Let *streams* write the like of what their encoding lacks; those of UTF-8 lack nothing and stay as they are."""
    codecs.register_error(ERRORS, like)
    for stream in streams:
        if isinstance(stream, io.TextIOWrapper) and codecs.lookup(stream.encoding).name != "utf-8":
            stream.reconfigure(errors=ERRORS)
