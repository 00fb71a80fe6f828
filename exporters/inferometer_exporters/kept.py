"""The traces that are kept, newest last, in a ring of columns: what of them is waiting, and what was sent."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from inferometer.catalog.labels import KEEP_REASON
from inferometer.errors import StateError
from inferometer_exporters.columns.packed import pack, unpack
from inferometer_exporters.columns.tables import Column, Columns, take

SIZE: Final = 10_000
"""Traces that are remembered; a hop that comes later is judged by itself."""
LATELY_NS: Final = 30 * 10**9
"""What was sent longer ago than this is forgotten over a restart."""
_SECTION: Final = "sidecar.kept"
_LOW: Final = (1 << 64) - 1
_COLUMNS: Final = (
    ("hi", "<u8"),
    ("lo", "<u8"),
    ("reason", "u1"),
    ("due_ns", "<i8"),  # CLOCK_MONOTONIC
    ("since_ns", "<i8"),  # wall time at which the first hop began that was seen
    ("after", "<i8"),  # hops that came with later passes were not sent yet
    ("waiting", "?"),
)


@dataclass(frozen=True, slots=True)
class Due:
    """A kept trace; its hops that began at or after *since_ns* and came after pass *after* leave now."""

    trace_id: int
    reason: str
    since_ns: int
    """Wall time."""
    after: int


class KeptTraces:
    """A ring of kept traces; used by one thread."""

    def __init__(self) -> None:
        self._slots: dict[int, int] = {}
        self._rows = np.zeros(SIZE, np.dtype(list(_COLUMNS)))
        self._columns: Columns = {name: self._rows[name] for name, _ in _COLUMNS}
        """Views of the rows: written a row at a time, read by column."""
        self._next = 0

    def __contains__(self, trace_id: int) -> bool:
        return trace_id in self._slots

    def low(self) -> Column:
        """The lower 64 bits of all traces that are remembered."""
        return self._columns["lo"][: len(self._slots)]

    def add(self, trace_id: int, reason: str, *, due_ns: int, since_ns: int) -> None:
        """Keep a trace from now on; the oldest is forgotten where there is no room."""
        slot, columns = self._next, self._columns
        if len(self._slots) == SIZE:
            del self._slots[int(columns["hi"][slot]) << 64 | int(columns["lo"][slot])]
        self._next = (slot + 1) % SIZE
        self._slots[trace_id] = slot
        row = (trace_id >> 64, trace_id & _LOW, KEEP_REASON.values.index(reason), due_ns, since_ns, 0, True)
        self._rows[slot] = row

    def again(self, trace_id: int, *, due_ns: int, since_ns: int) -> None:
        """Another hop of a kept trace came."""
        slot, columns = self._slots[trace_id], self._columns
        columns["due_ns"][slot] = due_ns
        columns["since_ns"][slot] = min(int(columns["since_ns"][slot]), since_ns)
        columns["waiting"][slot] = True

    def due(self, now_ns: int) -> Iterator[tuple[int, Due]]:
        """Traces whose time has come, each with its slot."""
        columns = self._columns
        for slot in np.flatnonzero(columns["waiting"] & (columns["due_ns"] <= now_ns)).tolist():
            trace_id = int(columns["hi"][slot]) << 64 | int(columns["lo"][slot])
            reason = KEEP_REASON.values[int(columns["reason"][slot])]
            yield slot, Due(trace_id, reason, int(columns["since_ns"][slot]), int(columns["after"][slot]))

    def sent(self, slot: int, stored: int) -> None:
        """The trace's hops up to pass *stored* are sent."""
        self._columns["waiting"][slot] = False
        self._columns["after"][slot] = stored

    def dump(self, now_ns: int) -> dict[str, bytes]:
        """Section of the state file."""
        lately = self._columns["waiting"] | (self._columns["due_ns"] > now_ns - LATELY_NS)
        lately[len(self._slots) :] = False
        return {_SECTION: pack(take(self._columns, lately))} if lately.any() else {}

    def load(self, sections: Mapping[str, bytes]) -> None:
        """Take over what `dump` wrote.

        Raises:
            StateError: it is not what `dump` writes.
        """
        if _SECTION not in sections:
            return
        columns = unpack(sections[_SECTION])
        if set(columns) != {name for name, _ in _COLUMNS}:
            raise StateError(f"kept traces have the columns {sorted(columns)}")
        order = np.argsort(columns["due_ns"], kind="stable")[-SIZE:]
        count = self._next = len(order)
        for name, column in columns.items():
            self._columns[name][:count] = column[order]
        self._next %= SIZE
        ids = zip(columns["hi"][order].tolist(), columns["lo"][order].tolist(), strict=True)
        self._slots = {hi << 64 | lo: slot for slot, (hi, lo) in enumerate(ids)}
