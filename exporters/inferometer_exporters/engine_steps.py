"""Steps of an engine's batch from what each of its requests told of it, when that request had ended.

A step begins when its batch was put together, or when the one before was done, whichever was later: engines put the
next batch together while one runs. It ends when the first of its members had its result; the others wait for a thread
that goes from one to the next.
"""

import heapq
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final

from inferometer_exporters.ledger.steps import Part, Step
from inferometer_exporters.receivers.passes import Took

MOST: Final = 200_000
"""Parts of batches that wait for more members; beyond it the oldest batches go on as they are."""


@dataclass(slots=True)
class _Batch:
    """What is known of a batch so far."""

    engine: str
    device: str
    size: int
    end: int
    """0 where nobody said it yet."""
    parts: list[Part] = field(default_factory=list)


class EngineSteps:
    """Puts steps together; used by one thread."""

    def __init__(self) -> None:
        self._batches: dict[tuple[str, int], _Batch] = {}
        self._order: list[tuple[int, str]] = []
        """Which of them begins next; a heap."""
        self._last: dict[str, int] = {}
        """Of each scheduler: when the batch before was done."""
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, tooks: Iterable[Took]) -> None:
        """Take in parts of batches."""
        for took in tooks:
            key = took.scheduler, took.scheduled
            batch = self._batches.get(key)
            if batch is None:
                batch = self._batches[key] = _Batch(took.engine, took.device, took.size, took.end)
                heapq.heappush(self._order, (took.scheduled, took.scheduler))
            batch.end = min(batch.end or took.end, took.end or batch.end)
            batch.parts.append(took.part)
            self._count += 1

    def due(self, edge: Callable[[str], int]) -> list[Step]:
        """Steps that wait no longer, in the order of their time.

        Args:
            edge: what began before it on a device goes on.
        """
        found: list[Step] = []
        while self._order:
            scheduled, scheduler = self._order[0]
            if self._count <= MOST and scheduled >= edge(self._batches[scheduler, scheduled].device):
                break
            heapq.heappop(self._order)
            batch = self._batches.pop((scheduler, scheduled))
            self._count -= len(batch.parts)
            begin = max(scheduled, self._last.get(scheduler, 0))
            self._last[scheduler] = max(begin, batch.end)
            if begin < batch.end:
                parts = (*batch.parts, *_missing(batch))
                found.append(Step(device=batch.device, engine=batch.engine, start=begin, end=batch.end, parts=parts))
        if not self._order:
            self._last.clear()
        return sorted(found, key=lambda step: step.start)


def _missing(batch: _Batch) -> tuple[Part, ...]:
    """Members that nobody told of: work of nobody, each as much as the mean of the others."""
    told = batch.parts
    missing = max(batch.size - len(told), 0)
    if not missing:
        return ()
    worker, prefill, context = told[0].worker, sum(one.prefill for one in told), sum(one.context for one in told)
    mean = Part(
        worker=worker, span_id=0, execute_id=0, prefill=-(-prefill // len(told)), context=context // len(told)
    )  # fmt: skip
    return (mean,) * missing
