"""Requests that are open, by worker, as of its newest frame: counted when they turn slow, ended when it is gone."""

import json
from collections.abc import Container, Iterable, Iterator, Mapping
from typing import Final, NamedTuple

from inferometer.aggregate import RequestMeter
from inferometer.catalog.stages import Outcome
from inferometer.errors import StateError
from inferometer.intake.pipeline import Arrival
from inferometer.record.model import Flag, Labels, Moment, RequestRecord
from inferometer.wire.layout import OPEN
from inferometer.wire.records import LabelSets

MAX_CLOSED: Final = 10_000
"""Requests that were ended for a dead worker and may yet be reported by one that was only silent."""


class _Row(NamedTuple):
    """A row of ``wire.layout.OPEN``."""

    trace_hi: int
    trace_lo: int
    span_id: int
    parent_id: int
    arrival: int
    first_chunk: int
    shape: int
    flags: int
    first_token: int = 0


class OpenRequests:
    """The open requests of all workers; used by one thread.

    Args:
        meter: counts those that cross a threshold.
    """

    def __init__(self, meter: RequestMeter) -> None:
        self._meter = meter
        self._rows: dict[bytes, list[tuple[_Row, Labels]]] = {}
        self._closed: dict[int, None] = {}

    def replace(self, arrival: Arrival) -> bool:
        """Take the table of a worker's newest frame; True if a request turned slow."""
        labels = LabelSets(arrival.names)
        frame = arrival.frame
        # One that was ended already, for a worker that was only silent, is not opened again.
        rows = [
            (row, labels[row.shape]) for row in map(_Row._make, frame.rows(OPEN)) if row.span_id not in self._closed
        ]
        self._rows[frame.worker_id] = rows
        slow = False
        for row, of in rows:
            begun, chunk, token = row.arrival, row.first_chunk, row.first_token
            slow |= self._meter.still_open(
                of,
                row.span_id,
                row.flags,
                open_ns=frame.monotonic_ns - begun,
                first_chunk_ns=chunk - begun if chunk else None,
                first_token_ns=max(token - begun, 0) if token else None,
            )
        return slow

    def traces(self) -> set[int]:
        """Traces that have open requests here."""
        return {row.trace_hi << 64 | row.trace_lo for rows in self._rows.values() for row, _ in rows}

    @property
    def closed(self) -> Container[int]:
        """Requests that were ended before they were reported."""
        return self._closed

    def late(self, span_id: int) -> bool:
        """Whether a request was ended before it was reported."""
        return span_id in self._closed

    def end(self, worker_ids: Iterable[bytes], now_ns: int) -> Iterator[tuple[bytes, RequestRecord]]:
        """Records of what these workers left open, with the worker: failed, at *now_ns*."""
        for worker_id in worker_ids:
            for (hi, lo, span, parent, begun, chunk, _, flags, token), labels in self._rows.pop(worker_id, ()):
                self._close(span)
                stamps = [0] * len(Moment)
                stamps[Moment.ENTRY], stamps[Moment.FIRST_CHUNK], stamps[Moment.DONE] = begun or now_ns, chunk, now_ns
                stamps[Moment.FIRST_TOKEN] = token
                yield (
                    worker_id,
                    RequestRecord(
                        trace_id=hi << 64 | lo,
                        span_id=span,
                        parent_id=parent,
                        labels=labels,
                        stamps=stamps,
                        outcome=Outcome.SERVER_ERROR,
                        flags=Flag(flags) & ~Flag.OPEN,
                    ),
                )

    def _close(self, span_id: int) -> None:
        self._closed[span_id] = None
        if len(self._closed) > MAX_CLOSED:
            del self._closed[next(iter(self._closed))]

    def dump(self) -> bytes:
        """All of it."""
        rows = {
            worker.hex(): [[row, [getattr(labels, name) for name in Labels.__slots__]] for row, labels in rows]
            for worker, rows in self._rows.items()
            if rows
        }
        return json.dumps({"rows": rows, "closed": list(self._closed)}, separators=(",", ":")).encode()

    def load(self, data: bytes, *, same_boot: bool) -> None:
        """Take over what `dump` wrote; stamps of another boot say nothing any more.

        Raises:
            StateError: it is not what `dump` writes.
        """
        try:
            state: Mapping[str, dict[str, list[tuple[list[int], list[str]]]]] = json.loads(data)
            for worker, rows in state["rows"].items():
                self._rows[bytes.fromhex(worker)] = [
                    (_Row(*(row if same_boot else (*row[:4], 0, 0, *row[6:8]))), _labels(names)) for row, names in rows
                ]
            self._closed = dict.fromkeys(state["closed"])  # type: ignore[arg-type]  # span ids
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise StateError(f"open requests are not as inferometer writes them: {error}") from error


def _labels(names: list[str]) -> Labels:
    return Labels(**dict(zip(Labels.__slots__, names, strict=True)))
