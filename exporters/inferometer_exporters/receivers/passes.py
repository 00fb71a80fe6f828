"""The parts that requests had in batches of their engine: kept as spans tell of them, until the requests are made.

A span of a token comes when it is over, the root of its request when the answer is: of a stream of a minute the first
ones come a minute before anybody knows of a request.
"""

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

import numpy as np

from inferometer.catalog.stages import Kind
from inferometer_exporters.columns.tables import Columns
from inferometer_exporters.ledger.steps import Part
from inferometer_exporters.naming import Naming
from inferometer_exporters.receivers import messages
from inferometer_exporters.receivers.batch_spans import ABOVE, STAGES, Kept, parts
from inferometer_exporters.receivers.engine_spans.sglang import IN_BATCHES, OF_THREADS
from inferometer_exporters.receivers.incoming import Incoming
from inferometer_exporters.receivers.records import Told

MOST: Final = 2_000_000
"""Numbers that are kept, five for each token; beyond it the oldest spans are forgotten."""
LONGEST_NS: Final = 600 * 10**9
"""How long they are kept."""
_PIPELINE, _ALONE, _RANKS = "[PP ", "[PP 0]", "[DP "
_Key = tuple[int, int, int]
"""Of a trace, in two halves, and of a span in it."""


class Took(NamedTuple):
    """One request's part in one batch; times are CLOCK_MONOTONIC ns."""

    scheduler: str
    """Who put batches together, one after the other."""
    engine: str
    """What is fitted together."""
    device: str
    """As executes name it."""
    scheduled: int
    """When the batch was put together: with `scheduler`, which one it is."""
    end: int
    """When its result was there; 0 where this request does not say it."""
    size: int
    """Members that it had."""
    part: Part


class Passes:
    """Keeps what spans tell of batches; used by one thread.

    Args:
        naming: has the names of devices.
    """

    def __init__(self, naming: Naming) -> None:
        self._naming = naming
        self._kept: dict[_Key, Kept] = {}
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def keep(self, came: Incoming) -> None:
        """Keep what spans tell of batches that requests were in."""
        if came.marks is not None and came.marks.isdisjoint(IN_BATCHES):
            return
        spans = came.columns
        rows = np.flatnonzero((spans["kind"] <= messages.INTERNAL) & (spans["parent_id"] != 0))
        columns = (spans[name][rows].tolist() for name in ("trace_hi", "trace_lo", "span_id", "parent_id"))
        for row, high, low, own, parent in zip(rows.tolist(), *columns, strict=True):
            span = came.spans[row]
            name = span.name
            if name in STAGES:
                kept = self._under((high, low, parent), came.came_ns)
                if name in ABOVE:
                    self._put(kept, own, name)
                self._count += kept.add(span, name)
            elif OF_THREADS in name:
                self._put(self._under((high, low, parent), came.came_ns), own, name)
                self._count += self._under((high, low, own), came.came_ns).add(span, name)
        self._forget(came.came_ns)

    def _under(self, key: _Key, now_ns: int) -> Kept:
        kept = self._kept.pop(key, None)
        if kept is None:
            kept = Kept()
        kept.came = now_ns
        # What came last is forgotten last.
        self._kept[key] = kept
        return kept

    def _put(self, kept: Kept, own: int, name: str) -> None:
        self._count += own not in kept.below
        kept.below[own] = name

    def took(self, spans: Columns, told: Iterable[Told], executes: Columns, offset_ns: int) -> list[Took]:
        """The parts of requests in batches; only of requests whose runs are among *executes*.

        Args:
            spans: columns of all spans.
            told: those of them that became requests.
            executes: runs of these requests whose device is known.
            offset_ns: wall time minus CLOCK_MONOTONIC, here and now.
        """
        found: list[Took] = []
        for one in told if self._kept else ():
            trace = int(spans["trace_hi"][one.row]), int(spans["trace_lo"][one.row])
            own = int(spans["span_id"][one.row])
            scheduler, kept = self._scheduler(trace, own)
            if kept is None or not executes:
                continue
            rows = np.flatnonzero(executes["span_id"] == np.uint64(own)).tolist()
            if not rows:
                continue
            engine = f"{one.sender.service} {scheduler.partition(OF_THREADS)[0]}"
            who = f"{one.sender.host} {one.sender.service} {scheduler}"
            device = self._naming.text(int(executes["device"][rows[0]]))
            for kind, (scheduled, size, end), tokens in parts(kept, one.facts):
                at = _run(executes, rows, kind, (end or scheduled) - offset_ns)
                if at is not None:
                    part = Part(
                        worker=int(executes["worker"][at]),
                        span_id=own,
                        execute_id=int(executes["execute_id"][at]),
                        **{"prefill" if kind is Kind.PREFILL else "context": tokens},
                    )
                    done = end - offset_ns if end else 0
                    found.append(Took(who, engine, device, scheduled - offset_ns, done, size, part))
        return found

    def _scheduler(self, trace: tuple[int, int], root: int) -> tuple[str, Kept | None]:
        """The name of the thread that put a request into batches, and what it told; of several ranks the first."""
        found: list[tuple[str, Kept]] = []
        for thread, name in self._taken(trace, root).below.items():
            whole, waiting = Kept(), [thread]
            while waiting:
                kept = self._taken(trace, waiting.pop())
                whole.take(kept)
                waiting += kept.below
            if len(whole.scheduled):
                found.append((name, whole))
        # Stages of a pipeline work on several batches at a time; where ranks of data wait for each other batches of
        # tokens may be told as such of prompts; after a retraction events and spans do not match.
        if not found or any(_RANKS in name or (_PIPELINE in name and _ALONE not in name) for name, _ in found):
            return "", None
        name, whole = min(found, key=lambda one: one[0])
        return name, None if whole.retracted else whole

    def _taken(self, trace: tuple[int, int], span: int) -> Kept:
        kept = self._kept.pop((*trace, span), None)
        if kept is None:
            return Kept()
        self._count -= len(kept)
        return kept

    def _forget(self, now_ns: int) -> None:
        while self._kept:
            oldest = next(iter(self._kept))
            if self._kept[oldest].came >= now_ns - LONGEST_NS and self._count <= MOST:
                break
            self._count -= len(self._kept.pop(oldest))


def _run(executes: Columns, rows: Sequence[int], kind: Kind, end: int) -> int | None:
    """The run of a request in which a batch ended: the last of its kind that had begun."""
    begun = [row for row in rows if executes["kind"][row] == int(kind) and executes["start"][row] < end]
    return max(begun, key=lambda row: int(executes["start"][row]), default=None)
