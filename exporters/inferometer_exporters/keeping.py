"""Which traces are kept: requests are looked through as columns, and judged one by one where that may matter."""

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Final

import numpy as np

from inferometer.aggregate import Aggregator, RequestMeter, of_model
from inferometer.catalog import requests
from inferometer.catalog.stages import FAILED, Outcome
from inferometer.intake.hold import HOLD_NS
from inferometer.intake.keep import BASELINE_RATIO, Finished, KeepPolicy, quantile
from inferometer.record.model import Flag, Labels
from inferometer_exporters.columns.distinct import distinct, occurring
from inferometer_exporters.columns.finder import Finder
from inferometer_exporters.columns.tables import Column, Columns, Ids, Ints, Mask
from inferometer_exporters.columns.verdicts import ABSENT, ColumnTimes, late
from inferometer_exporters.kept import Due, KeptTraces
from inferometer_exporters.recorder.schema import STAGE_COLUMNS

MAX_JUDGED: Final = 1_000
"""Requests of one pass that are judged; of a storm of errors a part is kept, the recorder has all of it."""
_RENEW_NS: Final = 5 * 10**9
_TAIL: Final = 0.99
_EACH_FIRST: Final = 5
_OUTCOMES: Final = tuple(Outcome)
_HAS_FAILED: Final = np.array([outcome in FAILED for outcome in Outcome])
_HASH: Final = np.uint64(0x9E3779B97F4A7C15)
"""As in `inferometer.intake.keep`; a test holds the two equal."""
_BASELINE: Final = np.uint64(int(BASELINE_RATIO * (1 << 64)))
_JUDGED_BY: Final = ("labels", "outcome", "flags", "cost")
_NEVER: Final = np.iinfo(np.int64).max
_DEAR: Final = 10
_KNOWN: Final = 200


class Keeping:
    """Judges settled requests, and remembers the traces that are kept.

    Args:
        aggregator: has the distributions by which a request is slow or dear.
        meter: of the same series; it knows the objectives.
        labels: label set by its number.
        monotonic_ns: CLOCK_MONOTONIC.
    """

    def __init__(
        self,
        aggregator: Aggregator,
        meter: RequestMeter,
        labels: Callable[[int], Labels],
        *,
        monotonic_ns: Callable[[], int],
    ) -> None:
        self._aggregator = aggregator
        self._meter = meter
        self._labels = labels
        self._now = monotonic_ns
        self._policy = KeepPolicy(meter, monotonic_ns=monotonic_ns)
        self._kept = KeptTraces()
        self._limits: dict[int, int] = {}
        self._judged: dict[int, int] = {}
        self._renew_ns = 0

    def judge(self, rows: Columns) -> list[tuple[int, str]]:
        """Look at settled requests with their cost.

        Returns:
            (trace id, reason) of traces that are kept from now on.
        """
        self._renew()
        times = _times(rows)
        candidates = np.flatnonzero(self._candidates(rows, times))[:MAX_JUDGED]
        fresh = []
        due = self._now() + HOLD_NS
        columns = (rows[name][candidates].tolist() for name in ("trace_hi", "trace_lo", "wall_ns", *_JUDGED_BY))
        for hi, lo, wall, number, outcome, flags, cost, taken in zip(
            *columns, times.take(candidates).each(), strict=True
        ):
            reason = self._policy.reason(
                Finished(
                    labels=self._labels(number),
                    trace_id=lo,
                    outcome=_OUTCOMES[outcome],
                    flags=flags,
                    times=taken,
                    cost_picodollars=cost if cost > 0 else None,
                )
            )
            trace_id = hi << 64 | lo
            if trace_id in self._kept:
                self._kept.again(trace_id, due_ns=due, since_ns=wall)
            elif reason is not None:
                self._kept.add(trace_id, reason, due_ns=due, since_ns=wall)
                fresh.append((trace_id, reason))
        return fresh

    def _candidates(self, rows: Columns, times: ColumnTimes) -> Mask:
        """Requests that may be a reason to keep their trace, or belong to one that is kept."""
        found: Mask = _HAS_FAILED[rows["outcome"]] | ((rows["flags"] & int(Flag.SAMPLED)) != 0)
        found |= baseline(rows["trace_lo"])
        found |= Finder(self._kept.low())(rows["trace_lo"]) >= 0
        found[self._first(rows)] = True
        measured = np.flatnonzero((rows["flags"] & int(Flag.WARMUP)) == 0)
        labels = rows["labels"][measured]
        found[measured] |= _above(labels, rows["duration_ns"][measured], self._slow)
        paid = measured[rows["cost"][measured] > 0]
        found[paid] |= _above(rows["labels"][paid], rows["cost"][paid], self._dear)
        for number in occurring(labels):
            slos = self._meter.cells(self._labels(number)).slos
            if slos:
                mine = measured[labels == number]
                taken = times.take(mine)
                for slo in slos:
                    found[mine] |= late(slo.objective, taken)
        return found

    def _first(self, rows: Columns) -> list[int]:
        """The first few rows of each label set and outcome since the last time that they were asked for."""
        groups = distinct(rows["labels"].astype(np.int64) * len(Outcome) + rows["outcome"])
        found: list[int] = []
        for place, key in enumerate(groups.values.tolist()):
            left = _EACH_FIRST - self._judged.get(key, 0)
            if left > 0:
                first = np.flatnonzero(groups.member == place)[:left].tolist()
                self._judged[key] = _EACH_FIRST - left + len(first)
                found += first
        return found

    def _renew(self) -> None:
        if self._now() >= self._renew_ns:
            self._renew_ns = self._now() + _RENEW_NS
            self._limits.clear()
            # Once in a while some of each are judged again: what is rare is known by the policy alone.
            self._judged.clear()

    def _slow(self, number: int) -> int:
        """Duration above which a request of a label set is one of the slowest, ns."""
        limit = self._limits.get(number)
        if limit is None:
            labels = self._labels(number)
            tail = quantile(self._aggregator.histogram(requests.REQUEST_DURATION, of_model(labels)), _TAIL)
            limit = self._limits[number] = _NEVER if tail is None else tail
        return limit

    def _dear(self, number: int) -> int:
        """Cost above which a request of a label set may be dear, picodollars."""
        costs = self._aggregator.histogram(requests.REQUEST_COST, of_model(self._labels(number)))
        return _DEAR * costs.total // costs.count if costs.count >= _KNOWN else _NEVER

    def due(self, now_ns: int, open_traces: Callable[[], Collection[int]], stored: int) -> Iterator[Due]:
        """Kept traces whose hops have come, as far as one can tell.

        Args:
            now_ns: CLOCK_MONOTONIC.
            open_traces: traces that have open requests here.
            stored: the newest pass whose rows the recorder has.
        """
        ready = list(self._kept.due(now_ns))
        still = open_traces() if ready else ()
        for slot, due in ready:
            if due.trace_id not in still:
                self._kept.sent(slot, stored)
                yield due

    def dump(self) -> dict[str, bytes]:
        """Section of the state file."""
        return self._kept.dump(self._now())

    def load(self, sections: Mapping[str, bytes]) -> None:
        """Take over what `dump` wrote.

        Raises:
            StateError: it is not what `dump` writes.
        """
        self._kept.load(sections)


def _above(labels: Column, values: Ints, limit: Callable[[int], int]) -> Mask:
    """Which *values* are above the limit of their label set."""
    sets = distinct(labels)
    limits = np.array([limit(number) for number in sets.values.tolist()], np.int64)
    above: Mask = values > limits[sets.member]
    return above


def _times(rows: Columns) -> ColumnTimes:
    """What objectives are judged by, of rows as the recorder takes them; -1 stands there for what is not known."""
    duration, token = rows["duration_ns"], _known(rows["first_token_ns"])
    last = np.where(rows["last_token_ns"] >= 0, rows["last_token_ns"], duration)
    output = rows["tokens_out"].astype(np.int64)
    several = (token != ABSENT) & (output > 1) & (last > token)
    return ColumnTimes(
        duration=duration,
        first_chunk=_known(rows["first_chunk_ns"]),
        first_token=token,
        per_token=np.where(several, (last - token) // np.maximum(output - 1, 1), ABSENT),
        stages=np.stack([np.zeros_like(duration), *(rows[name] for name in STAGE_COLUMNS)]),
    )


def _known(column: Ints) -> Ints:
    return np.where(column >= 0, column, ABSENT)


def baseline(trace_lo: Column) -> Mask:
    """`in_baseline` of many traces, by their lower 64 bits."""
    hashed: Ids = trace_lo * _HASH
    found: Mask = hashed < _BASELINE
    return found
