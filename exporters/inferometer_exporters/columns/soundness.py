"""Rows that no worker of ours writes: taken out before anything calculates with them.

A frame whose form is right may hold anything. One row with an end in ten years would hold the ledger there, and one
that the recorder's columns cannot take would keep the rows of all others out of it.
"""

from typing import Final

import numpy as np

from inferometer.catalog.labels import CLOSE_REASON
from inferometer.catalog.stages import Outcome, Stage
from inferometer.wire.layout import BATCHES, CALLS, CLOCKED, EXECUTES, GAPS, INTERVALS, REQUESTS, Section, Table
from inferometer_exporters.columns.tables import Columns, Ints, Mask, length

SLACK_NS: Final = 60 * 10**9
"""How much younger than its frame a stamp may be: the process may be stopped between the two."""
_LONGEST: Final = 1 << 53
"""104 days, 9 petabytes."""

_LENGTHS: Final[dict[Section, tuple[str, ...]]] = {
    REQUESTS.section: ("proxy_wait", "bytes_in", "bytes_out"),
    CALLS.section: ("server_ns",),
}
_CODES: Final[dict[Section, tuple[str, int]]] = {
    REQUESTS.section: ("outcome", max(Outcome)),
    INTERVALS.section: ("stage", max(Stage)),
    CALLS.section: ("foreign", 1),
    BATCHES.section: ("reason", len(CLOSE_REASON.values) - 1),
    GAPS.section: ("count", 1 << 31),
}
"""A column and the highest value that means anything."""


def sound(table: Table, rows: Columns, latest: Ints) -> Mask:
    """Which *rows* can be true.

    Args:
        table: what they are rows of.
        rows: as `tables.read` gives them.
        latest: ns of CLOCK_MONOTONIC, for each row: no stamp of it is later.
    """
    good = np.ones(length(rows), bool)
    section = table.section
    stamps = [rows[name] for name in CLOCKED.get(section, ())]
    if stamps:
        # Numbers of 64 bits are read with a sign: what is beyond 2^63 is negative.
        good &= (np.bitwise_or.reduce(stamps) >= 0) & (np.maximum.reduce(stamps) <= latest)
    for name in _LENGTHS.get(section, ()):
        good &= (rows[name] >= 0) & (rows[name] < _LONGEST)
    if section in _CODES:
        name, highest = _CODES[section]
        good &= rows[name] <= highest
    if section is EXECUTES.section:
        good &= (rows["end"] == 0) | (rows["end"] >= rows["start"])
    if section is INTERVALS.section:
        good &= rows["stage"] >= min(Stage)
    return good
