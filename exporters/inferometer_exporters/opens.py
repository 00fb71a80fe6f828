"""Requests that are open: counted when they turn slow, ended when their worker is gone."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import numpy as np

from inferometer.aggregate.requests import RequestMeter
from inferometer.catalog.stages import Outcome
from inferometer.errors import StateError
from inferometer.fleet.objective import Objective, Sli
from inferometer.record.model import Flag, Labels
from inferometer.wire.layout import REQUESTS
from inferometer_exporters.columns.packed import pack, unpack
from inferometer_exporters.columns.tables import Column, Columns, Ints, Mask, concatenate, empty, length, take

_OPEN: Final = "sidecar.open"
_KNOWN: Final = "sidecar.open.counted"
MAX_CLOSED: Final = 100_000
"""Requests that were ended for a dead worker and may yet be reported by one that was only silent."""


class Opens:
    """The open requests of all workers, as of each one's newest frame.

    Args:
        meter: counts slow ones.
        labels: label set by its number.
    """

    def __init__(self, meter: RequestMeter, labels: Callable[[int], Labels]) -> None:
        self._meter = meter
        self._labels = labels
        self._open: dict[int, Columns] = {}
        self._counted: set[int] = set()
        self._closed: dict[int, None] = {}

    def replace(self, worker: int, rows: Columns) -> None:
        """*rows* is all that is open in a worker, with ``labels``, ``frame_ns`` and what a record needs."""
        if length(rows):
            self._open[worker] = rows
        else:
            self._open.pop(worker, None)

    def crossed(self, spans: Column) -> Mask:
        """Which of *spans* were counted while they were open; they end now and are forgotten."""
        if not self._counted:
            return np.zeros(len(spans), bool)
        found = np.isin(spans, np.fromiter(self._counted, np.uint64, len(self._counted)))
        self._counted.difference_update(spans[found].tolist())
        return found

    def fresh(self, spans: Column) -> Mask:
        """Which of *spans* were not ended before, for a worker that was taken for dead."""
        if not self._closed:
            return np.ones(len(spans), bool)
        return ~np.isin(spans, np.fromiter(self._closed, np.uint64, len(self._closed)))

    def count_slow(self, worker: int) -> bool:
        """Count requests of a worker that crossed a threshold at its newest frame; True if any was new.

        At the frame's time they were open for certain; now they may have ended in time.
        """
        rows = self._open.get(worker)
        if rows is None:
            return False
        waited = rows["frame_ns"] - rows["arrival"]
        chunk = np.where(rows["first_chunk"] != 0, rows["first_chunk"] - rows["arrival"], -1)
        token = np.where(rows["first_token"] != 0, np.maximum(rows["first_token"] - rows["arrival"], 0), -1)
        late = np.zeros(len(waited), bool)
        for number in np.unique(rows["labels"]).tolist():
            mine = rows["labels"] == number
            for slo in self._meter.cells(self._labels(number)).slos:
                late |= mine & _crossed(slo.objective, waited, chunk, token)
        fresh = 0
        for row in np.flatnonzero(late).tolist():
            fresh += self._count(rows, row, int(waited[row]), (int(chunk[row]), int(token[row])))
        return fresh > 0

    def _count(self, rows: Columns, row: int, open_ns: int, first: tuple[int, int]) -> bool:
        span = int(rows["span_id"][row])
        counted = self._meter.still_open(
            self._labels(int(rows["labels"][row])),
            span,
            int(rows["flags"][row]),
            open_ns=open_ns,
            first_chunk_ns=first[0] if first[0] >= 0 else None,
            first_token_ns=first[1] if first[1] >= 0 else None,
        )
        if counted:
            self._counted.add(span)
        return counted

    def end(self, workers: Sequence[int], at: int) -> Columns:
        """Rows of the table of requests for all that these workers left open, ended at *at* as server errors."""
        parts = [self._open.pop(worker) for worker in workers if worker in self._open]
        if not parts:
            return {}
        rows = concatenate(parts)
        count = length(rows)
        ended: Columns = {name: np.zeros(count, column.dtype) for name, column in empty(REQUESTS).items()}
        for name in ("trace_hi", "trace_lo", "span_id", "parent_id", "first_chunk", "first_token"):
            ended[name] = rows[name]
        # Where its time went nobody knows: as seen from its entry, all of it was the handler's.
        ended["entry"] = rows["arrival"]
        ended["flags"] = (rows["flags"] & ~np.uint32(Flag.OPEN)).astype(np.uint8)
        ended["outcome"] += int(Outcome.SERVER_ERROR)
        ended["done"] = np.maximum(rows["arrival"], at)
        for name in ("worker", "process", "wall_offset", "labels"):
            ended[name] = rows[name]
        self._closed.update(dict.fromkeys(rows["span_id"].tolist()))
        while len(self._closed) > MAX_CLOSED:
            del self._closed[next(iter(self._closed))]
        return ended

    def traces(self) -> set[int]:
        """Traces that have open requests."""
        return {
            hi << 64 | lo
            for rows in self._open.values()
            for hi, lo in zip(rows["trace_hi"].tolist(), rows["trace_lo"].tolist(), strict=True)
        }

    def dump(self) -> dict[str, bytes]:
        """Sections of the state file."""
        sections = {_KNOWN: json.dumps([sorted(self._counted), list(self._closed)]).encode()}
        if self._open:
            sections[_OPEN] = pack(concatenate(self._open.values()))
        return sections

    def load(self, sections: Mapping[str, bytes]) -> None:
        """Take over what `dump` wrote.

        Raises:
            StateError: it is not what `dump` writes.
        """
        try:
            counted, closed = json.loads(sections.get(_KNOWN, b"[[], []]"))
            self._counted, self._closed = set(counted), dict.fromkeys(closed)
        except (TypeError, ValueError) as error:
            raise StateError(f"counted requests are not as the sidecar writes them: {error}") from error
        if _OPEN in sections:
            rows = unpack(sections[_OPEN])
            # An older sidecar wrote none.
            rows.setdefault("first_token", np.zeros(length(rows), np.int64))
            for worker in np.unique(rows["worker"]).tolist():
                self._open[worker] = take(rows, rows["worker"] == np.uint64(worker))


def _crossed(objective: Objective, waited: Ints, chunk: Ints, token: Ints) -> Mask:
    """`Objective.crossed` of many requests; -1 where a time is not known."""
    found = np.zeros(len(waited), bool)
    for limit in objective.limits:
        if limit.stage is not None or limit.sli is Sli.TIME_PER_OUTPUT_TOKEN:
            continue
        value = waited
        if limit.sli is not Sli.LATENCY:
            value = np.where(chunk >= 0, chunk, waited)
        if limit.sli is Sli.TIME_TO_FIRST_TOKEN:
            value = np.where(token >= 0, token, value)
        found |= value > limit.ns
    return found
