"""Kept traces on their way out: encoded once, in the state until the endpoint accepted them, then their exemplars."""

import json
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from inferometer.errors import StateError
from inferometer.otlp.encode import encode_trace
from inferometer.otlp.kept import Kept
from inferometer.otlp.sender import Sender, Unit

_HEAD: Final = struct.Struct("<QIII")
"""number, spans, traces, bytes of the notes; then bytes of the data follow as u32"""
_LENGTH: Final = struct.Struct("<I")


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """An observation of the trace that becomes an exemplar once the trace is accepted."""

    series: str
    labels: tuple[str, ...]
    value: int
    trace_id: int
    wall_ns: int


@dataclass(frozen=True, slots=True)
class Outcomes:
    """What became of traces since the last look."""

    notes: Sequence[Note] = ()
    """Of accepted traces."""
    spans_accepted: int = 0
    dropped: int = 0
    """Traces that found no room in the queue."""
    rejected: int = 0
    """Traces that the endpoint refused, and spans of accepted ones that it left out."""
    failures: int = 0

    def __bool__(self) -> bool:
        """Whether anything happened."""
        return bool(self.spans_accepted or self.dropped or self.rejected or self.failures)


@dataclass(slots=True)
class _Waiting:
    unit: Unit
    notes: tuple[Note, ...]
    encoded: bytes = field(default=b"")


class TraceWriter:
    """Encodes kept traces and follows them until they are accepted or given up; used by one thread.

    Args:
        sender: sends what is encoded.
    """

    def __init__(self, sender: Sender) -> None:
        self._sender = sender
        self._waiting: dict[int, _Waiting] = {}
        self._number = 0
        self._dropped = 0

    def write(self, kept: Kept, notes: Sequence[Note] = ()) -> None:
        """Encode a trace and queue it; *notes* come back once it is accepted."""
        data, spans = encode_trace(kept)
        self._put(Unit(self._number + 1, data, spans), tuple(notes))

    def write_encoded(self, data: bytes, spans: int, traces: int) -> None:
        """Queue traces that are encoded already: a whole ``ExportTraceServiceRequest``."""
        self._put(Unit(self._number + 1, data, spans, traces), ())

    def _put(self, unit: Unit, notes: tuple[Note, ...]) -> None:
        self._number = max(self._number, unit.number)
        # First known here, then to the sender: its answer may come before `put` returns.
        self._waiting[unit.number] = _Waiting(unit, notes)
        if not self._sender.put(unit):
            del self._waiting[unit.number]
            self._dropped += unit.traces

    def settle(self) -> Outcomes:
        """What became of traces since the last call."""
        settled = self._sender.settled()
        notes: list[Note] = []
        for unit in settled.accepted:
            waiting = self._waiting.pop(unit.number, None)
            notes += waiting.notes if waiting is not None else ()
        for unit in settled.rejected:
            self._waiting.pop(unit.number, None)
        dropped, self._dropped = self._dropped, 0
        spans = max(sum(unit.spans for unit in settled.accepted) - settled.rejected_spans, 0)
        rejected = sum(unit.traces for unit in settled.rejected) + settled.rejected_spans
        return Outcomes(notes, spans, dropped, rejected, settled.failures)

    def dump(self) -> bytes:
        """All traces that wait, with their notes."""
        return b"".join(_encoded(waiting) for waiting in self._waiting.values())

    def load(self, data: bytes) -> None:
        """Queue what `dump` wrote.

        Raises:
            StateError: it is not what `dump` writes.
        """
        view = memoryview(data)
        try:
            while view:
                number, spans, traces, length = _HEAD.unpack_from(view)
                notes = tuple(_note(fields) for fields in json.loads(bytes(view[_HEAD.size : _HEAD.size + length])))
                view = view[_HEAD.size + length :]
                (size,) = _LENGTH.unpack_from(view)
                body = bytes(view[_LENGTH.size : _LENGTH.size + size])
                if len(body) != size:
                    raise ValueError(f"a trace of {size} bytes ends after {len(body)}")  # noqa: TRY301 - see below
                self._put(Unit(number, body, spans, traces), notes)
                view = view[_LENGTH.size + size :]
        except (struct.error, TypeError, ValueError) as error:
            raise StateError(f"waiting traces are not as inferometer writes them: {error}") from error


def _encoded(waiting: _Waiting) -> bytes:
    if not waiting.encoded:
        unit = waiting.unit
        rows = [[n.series, n.labels, n.value, f"{n.trace_id:x}", n.wall_ns] for n in waiting.notes]
        notes = json.dumps(rows, separators=(",", ":")).encode()
        head = _HEAD.pack(unit.number, unit.spans, unit.traces, len(notes))
        waiting.encoded = head + notes + _LENGTH.pack(len(unit.data)) + unit.data
    return waiting.encoded


def _note(fields: list[object]) -> Note:
    series, labels, value, trace_id, wall_ns = fields
    if not (isinstance(labels, list) and isinstance(value, int) and isinstance(wall_ns, int)):
        raise TypeError(f"a note is {fields!r}")
    return Note(
        series=str(series),
        labels=tuple(str(label) for label in labels),
        value=value,
        trace_id=int(str(trace_id), 16),
        wall_ns=wall_ns,
    )
