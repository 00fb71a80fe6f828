"""Device time that an engine's page tells of: shares of models, taken from the time in which no run was known.

A page says how much of a stretch of time the engine worked, and for which models, but not when in it. Its claim is
spread evenly over the stretch, and taken from what runs left idle there: so states still sum to wall time. What
requests of the same service were charged by themselves (their spans came, or the SDK is in the server) is on the page
as well, and is taken off first: nothing counts twice.
"""

from collections.abc import Mapping
from typing import Final

import numpy as np

from inferometer_exporters.columns.tables import Column, Columns, Ints
from inferometer_exporters.ledger.prices import portions

MOST_CREDIT_NS: Final = 120 * 10**9
"""What requests were charged beyond the page is taken off later claims; at most two minutes of it."""


def due(rows: Columns, since: int, until: int) -> Ints:
    """Ns of each claim that fall into a window; over all windows they sum to the claim."""
    length = np.maximum(rows["end"] - rows["start"], 1)

    def told(at: int) -> Ints:
        passed = np.clip(at - rows["start"], 0, length)
        # A quotient first: the product of two times has more than 63 bits.
        found: Ints = np.floor(rows["claim"] * (passed / length)).astype(np.int64)
        return found

    return told(until) - told(since)


def granted(wanted: Ints, source: Column, worked: Mapping[int, int], over: dict[int, int], room: int) -> Ints:
    """What of *wanted* is charged.

    Args:
        wanted: ns of each claim.
        source: whose each is.
        worked: ns that runs of each source were charged in the same window.
        over: by source, what runs were charged beyond claims before; changed.
        room: ns of the window in which no run was active.
    """
    found = np.zeros(len(wanted), np.int64)
    for one in np.unique(source).tolist():
        mine = np.flatnonzero(source == one)
        left = int(wanted[mine].sum()) - worked.get(one, 0) - over.pop(one, 0)
        if left < 0:
            over[one] = min(-left, MOST_CREDIT_NS)
        elif left:
            found[mine] = portions(left, wanted[mine])
    asked = int(found.sum())
    return portions(room, found) if asked > room else found
