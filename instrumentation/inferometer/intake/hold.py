"""Finished requests wait until their trace is decided: all hops of a kept trace leave, the others are forgotten."""

from collections import OrderedDict
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar

HOLD_NS: Final = 2 * 10**9
"""After a trace's last open request here, its last hop may still be on the way."""
MAX_HOPS: Final = 20_000
"""Requests that wait; beyond it the oldest traces are decided early."""
REMEMBERED: Final = 10_000
"""Kept traces whose late hops are kept too."""

_Hop = TypeVar("_Hop")


@dataclass(slots=True)
class _Waiting(Generic[_Hop]):
    due_ns: int
    reason: str | None = None
    hops: list[_Hop] = field(default_factory=list)


class TraceHold(Generic[_Hop]):
    """Hops by trace, with the first reason to keep it; used by one thread."""

    def __init__(self, *, max_hops: int = MAX_HOPS) -> None:
        self._max_hops = max_hops
        self._waiting: OrderedDict[int, _Waiting[_Hop]] = OrderedDict()
        self._kept: OrderedDict[int, str] = OrderedDict()
        self._hops = 0

    def __len__(self) -> int:
        return self._hops

    def offer(self, trace_id: int, hop: _Hop, reason: str | None, now_ns: int) -> None:
        """A request of the trace ended, and is (or is not) a reason to keep it."""
        waiting = self._waiting.get(trace_id)
        if waiting is None:
            waiting = self._waiting[trace_id] = _Waiting(now_ns + HOLD_NS, self._kept.get(trace_id))
        waiting.due_ns = now_ns + HOLD_NS
        waiting.reason = waiting.reason or reason
        waiting.hops.append(hop)
        self._hops += 1

    def due(self, now_ns: int, open_traces: Collection[int]) -> Iterator[tuple[str, list[_Hop]]]:
        """Kept traces that are decided now: the reason and all hops that were seen.

        Args:
            now_ns: CLOCK_MONOTONIC.
            open_traces: traces that have open requests here.
        """
        for trace_id in list(self._waiting):
            waiting = self._waiting[trace_id]
            full = self._hops > self._max_hops
            if not full and (waiting.due_ns > now_ns or trace_id in open_traces):
                continue
            del self._waiting[trace_id]
            self._hops -= len(waiting.hops)
            if waiting.reason is not None:
                self._remember(trace_id, waiting.reason)
                yield waiting.reason, waiting.hops

    def _remember(self, trace_id: int, reason: str) -> None:
        self._kept[trace_id] = reason
        if len(self._kept) > REMEMBERED:
            self._kept.popitem(last=False)
