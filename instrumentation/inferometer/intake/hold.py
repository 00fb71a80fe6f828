"""Finished requests wait while their trace may yet be kept; those of a trace that is not are forgotten."""

import json
import struct
from collections import OrderedDict
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Final

from inferometer.errors import StateError

HOLD_NS: Final = 2 * 10**9
"""After a trace's last open request here, its last hop may still be on the way."""
MAX_BYTES: Final = 16 << 20
"""Of hops that wait; beyond it the oldest traces are forgotten early, and counted."""
REMEMBERED: Final = 10_000
"""Kept traces whose late hops are kept too."""
_LENGTH: Final = struct.Struct("<16sqI")
"""trace id, moment at which it is forgotten, bytes of the hop"""


@dataclass(slots=True)
class _Waiting:
    due_ns: int
    hops: list[bytes] = field(default_factory=list)


class TraceHold:
    """Hops by trace, as bytes: nothing here costs the host's garbage collector anything. Used by one thread."""

    def __init__(self, *, max_bytes: int = MAX_BYTES) -> None:
        self._max_bytes = max_bytes
        self._waiting: OrderedDict[int, _Waiting] = OrderedDict()
        self._kept: OrderedDict[int, str] = OrderedDict()
        self._bytes = 0
        self._forgotten = 0

    def kept(self, trace_id: int) -> str | None:
        """The first reason for which a trace was kept; None for one that was not, so far."""
        return self._kept.get(trace_id)

    def hold(self, trace_id: int, hop: bytes, now_ns: int) -> None:
        """Hold a hop of a trace that is not kept so far."""
        waiting = self._waiting.get(trace_id)
        if waiting is None:
            waiting = self._waiting[trace_id] = _Waiting(0)
        else:
            self._waiting.move_to_end(trace_id)
        waiting.due_ns = now_ns + HOLD_NS
        waiting.hops.append(hop)
        self._bytes += len(hop)
        while self._bytes > self._max_bytes:
            self._forgotten += len(self._forget(next(iter(self._waiting))))

    def keep(self, trace_id: int, reason: str) -> list[bytes]:
        """Keep a trace from now on; returns its hops that waited."""
        self._kept[trace_id] = reason
        if len(self._kept) > REMEMBERED:
            self._kept.popitem(last=False)
        return self._forget(trace_id)

    def pass_by(self, now_ns: int, open_traces: Collection[int]) -> None:
        """Forget traces that ended without a reason to keep them.

        Args:
            now_ns: CLOCK_MONOTONIC.
            open_traces: traces that have open requests here; they wait on.
        """
        while self._waiting:
            trace_id, waiting = next(iter(self._waiting.items()))
            if waiting.due_ns > now_ns:
                return
            if trace_id in open_traces:
                waiting.due_ns = now_ns + HOLD_NS
                self._waiting.move_to_end(trace_id)
            else:
                self._forget(trace_id)

    def take_forgotten(self) -> int:
        """Hops that found no room since the last call."""
        number, self._forgotten = self._forgotten, 0
        return number

    def _forget(self, trace_id: int) -> list[bytes]:
        waiting = self._waiting.pop(trace_id, None)
        if waiting is None:
            return []
        self._bytes -= sum(map(len, waiting.hops))
        return waiting.hops

    def dump(self) -> bytes:
        """All hops that wait, and which traces are kept."""
        kept = json.dumps({f"{trace_id:x}": reason for trace_id, reason in self._kept.items()}).encode()
        parts = [_LENGTH.pack(b"", 0, len(kept)), kept]
        for trace_id, waiting in self._waiting.items():
            identity = trace_id.to_bytes(16, "big")
            for hop in waiting.hops:
                parts += (_LENGTH.pack(identity, waiting.due_ns, len(hop)), hop)
        return b"".join(parts)

    def load(self, data: bytes) -> None:
        """Take over what `dump` wrote.

        Raises:
            StateError: it is not what `dump` writes.
        """
        try:
            (_, _, size), begin = _LENGTH.unpack_from(data), _LENGTH.size
            for trace_id, reason in json.loads(data[begin : begin + size]).items():
                self._kept[int(trace_id, 16)] = str(reason)
            begin += size
            while begin < len(data):
                identity, due_ns, size = _LENGTH.unpack_from(data, begin)
                begin += _LENGTH.size + size
                self.hold(int.from_bytes(identity, "big"), data[begin - size : begin], due_ns - HOLD_NS)
        except (AttributeError, struct.error, ValueError) as error:
            raise StateError(f"held requests are not as inferometer writes them: {error}") from error
