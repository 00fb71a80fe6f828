"""A window in pieces, so that questions about a million requests take little memory."""

from bisect import bisect_left
from typing import Final

from inferometer_exporters.ledger.account import State
from inferometer_exporters.recorder.ledger_hours import Window
from inferometer_exporters.recorder.reading import Cursor, rows

PIECE: Final = 50_000
"""Requests that are joined at once: a sidecar's store has 61 MiB for all questions."""
_PIECES: Final = f"""
    with summed as (
        select pass, sum(count(*)) over (order by pass) as so_far from requests
        where pass > $after and pass <= $last group by pass
    )
    select max(pass) from summed group by (so_far - 1) // {PIECE} order by 1
"""  # noqa: S608 - a number
_MARKS: Final = f"""
    select distinct pass from ledger where state = '{State.ATTRIBUTED}' and pass > $after and pass <= $last order by 1
"""  # noqa: S608 - constants
Piece = dict[str, int]
"""Parameters: requests between the passes ``after`` and ``last``; ``mark`` is the ledger's first entry of all of them.
What belongs to their traces may lie in the neighbours, which reach from ``since`` to ``until``."""


def pieces(cursor: Cursor, window: Window) -> list[Piece]:
    """A window in pieces of about `PIECE` requests: sums over a million of them take little memory."""
    found = rows(cursor, _PIECES, after=window.after, last=window.last)
    marks = [row[0] for row in rows(cursor, _MARKS, after=window.after, last=window.last)]
    ends = [window.after, *(int(row[0]) for row in found[:-1]), window.last]
    return [
        {
            "since": ends[max(number - 2, 0)],
            "after": ends[number - 1],
            "last": ends[number],
            "until": ends[min(number + 1, len(ends) - 1)],
            "mark": marks[bisect_left(marks, ends[number])],
        }
        for number in range(1, len(ends))
    ]
