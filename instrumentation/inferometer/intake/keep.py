"""Which requests make their trace worth keeping: slow, failed, dear, rare, or of the baseline."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from inferometer.aggregate import RequestMeter
from inferometer.aggregate.cells import HistogramCell
from inferometer.aggregate.requests import RequestCells
from inferometer.catalog import requests
from inferometer.catalog.labels import KEEP_REASON
from inferometer.catalog.stages import FAILED, Outcome
from inferometer.fleet.objective import Times
from inferometer.record.model import Flag, Labels

SLOW, FAILED_, DEAR, RARE, BASELINE = KEEP_REASON.values
BASELINE_RATIO: Final = 0.02
"""Share of traces that are kept whatever they are; a hash of the trace id, so that every hop and host agrees."""
_HASH: Final = 0x9E3779B97F4A7C15
"""2**64 / golden ratio, odd (Knuth, TAOCP 6.4): spreads ids whose upper bits are no random ones."""
_MASK: Final = (1 << 64) - 1
_KNOWN: Final = 200
"""Requests of a model from which on its p99 says something."""
_RENEW_NS: Final = 5 * 10**9
_TAIL: Final = 0.99
_DEAR: Final = 10
"""Times the mean cost of the model's requests."""
_RARE_FIRST: Final = 5
"""First requests of each model and outcome that are kept."""
_NEVER: Final = 1 << 62
_RARE_NS: Final = 60 * 10**9
"""A model of which nothing was kept for so long."""
_MAX_SEEN: Final = 10_000
# Plain integers: an operation of enum.Flag makes an object, a hash of a member runs Python.
_HAS_FAILED: Final = tuple(outcome in FAILED for outcome in Outcome)
_WARMUP: Final = int(Flag.WARMUP)
_SAMPLED: Final = int(Flag.SAMPLED)


def in_baseline(trace_id: int, ratio: float = BASELINE_RATIO) -> bool:
    """Whether a trace is of the baseline, by its lower 64 bits."""
    return (trace_id * _HASH & _MASK) < int(ratio * (1 << 64))


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """What the policy looks at."""

    labels: Labels
    trace_id: int
    outcome: Outcome
    flags: int
    times: Times
    cost_picodollars: int | None = None


class KeepPolicy:
    """Judges finished requests, one by one; used by one thread.

    Args:
        meter: knows the objectives and the durations seen so far.
        baseline_ratio: share of all traces, 0-1.
        monotonic_ns: CLOCK_MONOTONIC.
    """

    def __init__(
        self,
        meter: RequestMeter,
        *,
        baseline_ratio: float = BASELINE_RATIO,
        monotonic_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self._meter = meter
        self._bound = int(baseline_ratio * (1 << 64))
        self._now = monotonic_ns
        self._limits: dict[tuple[str, ...], tuple[int, int | None]] = {}
        self._seen: dict[tuple[tuple[str, ...], int], int] = {}
        self._kept_at: dict[tuple[str, ...], int] = {}

    def reason(self, request: Finished) -> str | None:
        """Why the trace of this request is kept; None: this request is no reason to."""
        cells = self._meter.cells(request.labels)
        reason = self._reason(cells, request)
        if reason is not None:
            self.kept(cells)
        return reason

    def unremarkable_ns(self, cells: RequestCells, outcome: Outcome) -> int | None:
        """Longest duration of an answered request of these labels that is no reason by itself to keep a trace.

        None: such requests are rare so far, or were for too long, or an objective asks for more than their duration;
        each of them has to be looked at.
        """
        seen = self._seen.get((cells.model, int(outcome)), 0)
        if seen < _RARE_FIRST or self._now() - self._kept_at.get(cells.model, 0) > _RARE_NS:
            return None
        limit, good = self._limit(cells), good_ns(cells)
        return good if limit is None or good is None else min(limit, good)

    def in_baseline(self, trace_lo: int) -> bool:
        """Whether a trace is of the baseline, by its lower 64 bits."""
        return (trace_lo * _HASH & _MASK) < self._bound

    def kept(self, cells: RequestCells) -> None:
        """A trace of these labels was kept."""
        self._kept_at[cells.model] = self._now()
        if len(self._kept_at) > _MAX_SEEN:
            self._kept_at.clear()

    def _reason(self, cells: RequestCells, request: Finished) -> str | None:
        if _HAS_FAILED[request.outcome]:
            return FAILED_
        rare = self._rare(cells.model, request.outcome)
        if not int(request.flags) & _WARMUP and self._slow(cells, request.times):
            return SLOW
        if request.cost_picodollars is not None and self._dear(
            cells.histogram(requests.REQUEST_COST), request.cost_picodollars
        ):
            return DEAR
        if rare:
            return RARE
        # Who called us keeps its part of the trace: ours belongs to it.
        return BASELINE if int(request.flags) & _SAMPLED or self.in_baseline(request.trace_id) else None

    def _slow(self, cells: RequestCells, times: Times) -> bool:
        if any(slo.objective.late(times) for slo in cells.slos):
            return True
        limit = self._limit(cells)
        return limit is not None and times.duration > limit

    def _limit(self, cells: RequestCells) -> int | None:
        """The model's p99 so far, renewed now and then; None while too few requests are known."""
        until, limit = self._limits.get(cells.model, (0, None))
        now = self._now()
        if now >= until:
            limit = quantile(cells.histogram(requests.REQUEST_DURATION), _TAIL)
            if len(self._limits) >= _MAX_SEEN:
                self._limits.clear()
            self._limits[cells.model] = now + _RENEW_NS, limit
        return limit

    def _rare(self, model: tuple[str, ...], outcome: Outcome) -> bool:
        code = int(outcome)
        seen = self._seen.get((model, code), 0)
        if seen < _RARE_FIRST and len(self._seen) < _MAX_SEEN:
            self._seen[model, code] = seen + 1
            return True
        return self._now() - self._kept_at.get(model, 0) > _RARE_NS

    @staticmethod
    def _dear(costs: HistogramCell, cost: int) -> bool:
        return costs.count >= _KNOWN and cost * costs.count > _DEAR * costs.total


def good_ns(cells: RequestCells) -> int | None:
    """Longest duration of an answered request of these labels that is good for all of its objectives.

    None: one of them asks for more than the duration.
    """
    if any(slo.objective.needs_tokens for slo in cells.slos):
        return None
    return min([_NEVER, *(shortest for slo in cells.slos if (shortest := slo.objective.shortest_ns) is not None)])


def quantile(cell: HistogramCell, q: float) -> int | None:
    """Upper bound of the *q* quantile, in stored units; None where fewer than 200 values are known."""
    if cell.count < _KNOWN:
        return None
    left = int(cell.count * (1 - q))
    for index in sorted(cell.sketch, reverse=True):
        left -= cell.sketch[index]
        if left < 0:
            return cell.layout.bounds[index]
    return 0
