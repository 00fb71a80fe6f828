"""Finished requests wait while their trace may yet be kept; those of a trace that is not are forgotten."""

import struct
from collections import OrderedDict
from collections.abc import Collection, Iterator, Sequence
from itertools import repeat
from operator import itemgetter, methodcaller
from typing import Final

from inferometer.catalog.labels import KEEP_REASON
from inferometer.errors import StateError
from inferometer.intake.held_frames import HeldFrames

HOLD_NS: Final = 2 * 10**9
"""After a trace's last open request here, its last hop may still be on the way."""
MAX_BYTES: Final = 16 << 20
"""Of frames whose requests wait; beyond it the oldest traces are forgotten early, and counted."""
MAX_TRACES: Final = 100_000
"""The same for traces."""
REMEMBERED: Final = 10_000
"""Kept traces whose late hops are kept too."""
_HOP: Final = struct.Struct("<QQ")
"""number of the frame, span id"""
_KEPT: Final = struct.Struct("<16sB")
"""trace id, index of the reason"""
_KEPT_HALVES: Final = struct.Struct(">QQB")
"""The same, of the halves of its id."""
_LOW: Final = (1 << 64) - 1
_CODES: Final = {reason: code for code, reason in enumerate(KEEP_REASON.values)}
_TRACE: Final = struct.Struct("<16sqI")
"""trace id, moment at which it is forgotten, bytes of its hops"""
_LINE: Final = struct.Struct(_TRACE.format + _HOP.format.lstrip("<"))
"""The same with its one hop."""
_identity: Final = methodcaller("to_bytes", 16, "big")


class TraceHold:
    """Hops by trace; used by one thread.

    A hop is a place in a frame, a trace is bytes: nothing here costs the host's garbage collector anything.

    Args:
        frames: hold the frames that hops are places in.
    """

    def __init__(self, frames: HeldFrames, *, max_bytes: int = MAX_BYTES, max_traces: int = MAX_TRACES) -> None:
        self._frames = frames
        self._max_bytes = max_bytes
        self._max_traces = max_traces
        self._hops: dict[int, bytes] = {}
        self._due: OrderedDict[int, int] = OrderedDict()
        self._kept: OrderedDict[int, int] = OrderedDict()
        """Trace -> index of the reason."""
        self._lines = bytearray()
        """The same as it is in the state: thousands of them are written four times a second."""
        self._forgotten = 0

    def kept(self, trace_id: int) -> str | None:
        """The first reason for which a trace was kept; None for one that was not, so far."""
        code = self._kept.get(trace_id)
        return None if code is None else KEEP_REASON.values[code]

    def hold(self, trace_id: int, frame: int, span_id: int, now_ns: int) -> None:
        """Hold a hop of a trace that is not kept so far: request *span_id* of held frame number *frame*."""
        hops, due = self._hops.get(trace_id), now_ns + HOLD_NS
        self._hops[trace_id] = _HOP.pack(frame, span_id) if hops is None else hops + _HOP.pack(frame, span_id)
        self._due[trace_id] = due
        if hops is not None:
            self._due.move_to_end(trace_id)
        self._frames.retain(frame, lines=_LINE.pack(_identity(trace_id), due, _HOP.size, frame, span_id))
        self._make_room()

    def hold_all(self, trace_ids: Sequence[int], frame: int, span_ids: Sequence[int], now_ns: int) -> None:
        """The same for a hop of each of many traces of which nothing is known."""
        due, frames = repeat(now_ns + HOLD_NS), repeat(frame)
        self._hops.update(zip(trace_ids, map(_HOP.pack, frames, span_ids), strict=False))
        self._due.update(zip(trace_ids, due, strict=False))
        lines = map(_LINE.pack, map(_identity, trace_ids), due, repeat(_HOP.size), frames, span_ids)
        self._frames.retain(frame, len(trace_ids), lines=b"".join(lines))
        self._make_room()

    def _make_room(self) -> None:
        while self._frames.size > self._max_bytes or len(self._hops) > self._max_traces:
            self._forgotten += self._forget(next(iter(self._due)))

    def known(self, trace_ids: Collection[int]) -> set[int]:
        """Those of which hops wait for a decision, or that are kept."""
        return self._hops.keys() & trace_ids | self._kept.keys() & trace_ids

    def keep(self, trace_id: int, reason: str) -> Iterator[tuple[int, int]]:
        """Keep a trace from now on; its hops that waited, as (frame, span id), while their frames are still held."""
        self.remember(trace_id, reason)
        yield from _HOP.iter_unpack(self._hops.get(trace_id, b""))
        self._forget(trace_id)

    def remember(self, trace_id: int, reason: str) -> None:
        """Keep a trace from now on, of which no hop waits."""
        self.remember_all([trace_id], [trace_id >> 64], [trace_id & _LOW], reason)

    def remember_all(
        self, trace_ids: Collection[int], highs: Collection[int], lows: Collection[int], reason: str
    ) -> None:
        """The same for many, whose halves are there, too."""
        before, code = len(self._kept), _CODES[reason]
        self._kept.update(zip(trace_ids, repeat(code), strict=False))
        if len(self._kept) == before + len(trace_ids):
            self._lines += b"".join(map(_KEPT_HALVES.pack, highs, lows, repeat(code)))
        else:
            # One of them was kept already: it has its line, with another reason maybe.
            self._lines = bytearray().join(_KEPT.pack(_identity(trace), known) for trace, known in self._kept.items())
        surplus = max(len(self._kept) - REMEMBERED, 0)
        for _ in range(surplus):
            self._kept.popitem(last=False)
        del self._lines[: surplus * _KEPT.size]

    def pass_by(self, now_ns: int, open_traces: Collection[int]) -> None:
        """Forget traces that ended without a reason to keep them.

        Args:
            now_ns: CLOCK_MONOTONIC.
            open_traces: traces that have open requests here; they wait on.
        """
        while self._due:
            trace_id, due_ns = next(iter(self._due.items()))
            if due_ns > now_ns:
                return
            if trace_id in open_traces:
                self._due[trace_id] = now_ns + HOLD_NS
                self._due.move_to_end(trace_id)
            else:
                self._forget(trace_id)

    def take_forgotten(self) -> int:
        """Hops that found no room since the last call."""
        number, self._forgotten = self._forgotten, 0
        return number

    def _forget(self, trace_id: int) -> int:
        hops = self._hops.pop(trace_id, b"")
        self._due.pop(trace_id, None)
        for frame, _ in _HOP.iter_unpack(hops):
            self._frames.release(frame)
        return len(hops) // _HOP.size

    def dump(self, frames: Collection[int]) -> bytes:
        """All hops that wait in these frames, and which traces are kept.

        A frame's hops are lines that were made when they came: written anew with every state they took 40 % of what an
        Intake did that keeps 2 % of its traces. So those of traces that were kept since are among them, which `load`
        knows from the others.
        """
        return b"".join((_TRACE.pack(b"", 0, len(self._lines)), self._lines, self._frames.lines(frames)))

    def load(self, data: bytes) -> None:
        """Take over what `dump` wrote, after the frames were loaded.

        Raises:
            StateError: it is not what `dump` writes.
        """
        try:
            (_, _, size), begin = _TRACE.unpack_from(data), _TRACE.size
            for identity, code in _KEPT.iter_unpack(data[begin : begin + size]):
                self.remember(int.from_bytes(identity, "big"), KEEP_REASON.values[code])
            begin += size
            waiting: list[tuple[int, int, bytes]] = []
            while begin < len(data):
                identity, due_ns, size = _TRACE.unpack_from(data, begin)
                begin += _TRACE.size + size
                waiting.append((due_ns, int.from_bytes(identity, "big"), data[begin - size : begin]))
            # In the order in which they will be forgotten, as `pass_by` wants them.
            for due_ns, trace_id, hops in sorted(waiting, key=itemgetter(0)):
                for frame, span_id in _HOP.iter_unpack(hops) if trace_id not in self._kept else ():
                    self.hold(trace_id, frame, span_id, due_ns - HOLD_NS)
        except (IndexError, KeyError, struct.error, ValueError) as error:
            raise StateError(f"held requests are not as inferometer writes them: {error!r}") from error
