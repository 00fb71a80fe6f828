"""Requests become series: cells of each set of labels, fed by rows here and by columns in the sidecar."""

import json
from typing import Final

from inferometer.aggregate.aggregator import Aggregator
from inferometer.aggregate.cells import CounterCell, HistogramCell
from inferometer.aggregate.gaps import observe_gaps
from inferometer.aggregate.measures import measured, of_model, times
from inferometer.catalog import requests
from inferometer.catalog.labels import DIRECTION, ENTRY, RESULT
from inferometer.catalog.model import Series
from inferometer.catalog.stages import Outcome, Stage
from inferometer.errors import StateError
from inferometer.fleet.objective import Objective, Times
from inferometer.fleet.thresholds import Thresholds
from inferometer.record.model import Batch, Flag, Labels, Moment, RequestRecord
from inferometer.record.partition import Partition

_CACHED: Final = 4_096
"""Label sets whose cells are held; beyond it they are looked up again."""
# Plain integers: an operation of enum.Flag makes an object, a hash of a member runs Python.
_STAGES: Final = tuple((int(stage), stage) for stage in Stage)
_WARMUP: Final = int(Flag.WARMUP)
_ENTRY: Final = int(Flag.ENTRY)
_INPUT, _OUTPUT = DIRECTION.values
_GOOD, _BAD = RESULT.values
_TRUE, _FALSE = ENTRY.values


class Slo:
    """One objective of a label set, with its two counters."""

    __slots__ = ("bad", "good", "objective")

    def __init__(self, objective: Objective, good: CounterCell, bad: CounterCell) -> None:
        self.objective = objective
        self.good = good
        self.bad = bad


class RequestCells:
    """The series of one set of labels, as handles; made once, observed often.

    Histograms appear when they have a first value; counters of outcomes and of objectives begin at 0 together.
    """

    __slots__ = ("_aggregator", "_histograms", "_outcomes", "_tenant", "limited", "model", "slos", "stages")

    def __init__(self, aggregator: Aggregator, thresholds: Thresholds, labels: Labels) -> None:
        self._aggregator = aggregator
        self.model = of_model(labels)
        tenant = thresholds.tenant(labels.tenant)
        self._tenant = (*self.model, tenant, labels.request_class)
        self._histograms: dict[str, HistogramCell] = {}
        self._outcomes: dict[bool, tuple[CounterCell, ...]] = {}
        self.stages: dict[int, HistogramCell] = {}
        """Stage code -> histogram; filled by `stage`."""
        self.limited = False
        """Some of these labels found no room: do not keep this object."""
        self.slos = tuple(
            Slo(objective, self._slo(objective, _GOOD), self._slo(objective, _BAD))
            for objective in thresholds.objectives_of(labels.service, self.model[1])
            if objective.covers(tenant=tenant, version=labels.version, request_class=labels.request_class)
        )

    def _slo(self, objective: Objective, result: str) -> CounterCell:
        labels = (*self.model, self._tenant[5], objective.slo, result)
        return self._noted(self._aggregator.counter(requests.SLO_EVENTS, labels))

    def _noted(self, cell: CounterCell) -> CounterCell:
        self.limited = self.limited or cell.limited
        return cell

    def outcomes(self, *, entry: bool) -> tuple[CounterCell, ...]:
        """Counters of requests by outcome code; all of them exist from the first request on."""
        cells = self._outcomes.get(entry)
        if cells is None:
            cells = self._outcomes[entry] = tuple(
                self._noted(
                    self._aggregator.counter(
                        requests.REQUESTS, (*self._tenant, outcome.label, _TRUE if entry else _FALSE)
                    )
                )
                for outcome in Outcome
            )
        return cells

    def histogram(self, entry: Series) -> HistogramCell:
        """Histogram of these labels."""
        cell = self._histograms.get(entry.name)
        if cell is None:
            cell = self._histograms[entry.name] = self._aggregator.histogram(entry, self.model)
            self.limited = self.limited or cell.limited
        return cell

    def stage(self, stage: Stage) -> HistogramCell:
        """Histogram of a stage of these labels."""
        code = int(stage)
        cell = self.stages.get(code)
        if cell is None:
            cell = self._aggregator.histogram(requests.STAGE_DURATION, (*self.model, stage.label))
            self.stages[code] = cell
            self.limited = self.limited or cell.limited
        return cell

    def tokens(self, direction: str, number: int) -> None:
        """Count tokens; the series appears with the first."""
        if number:
            self._aggregator.add(requests.TOKENS, (*self._tenant[:5], direction), number)

    def warmup(self, number: int = 1) -> None:
        """Count requests that are outside every other series."""
        self._aggregator.add(requests.WARMUP_REQUESTS, self.model, number)


class RequestMeter:
    """Feeds an aggregator with requests, finished and open, and with batches.

    Args:
        aggregator: receives the series.
        thresholds: objectives and known tenants of fleet.yaml.
    """

    def __init__(self, aggregator: Aggregator, thresholds: Thresholds) -> None:
        self._aggregator = aggregator
        self._thresholds = thresholds
        self._cells: dict[Labels, RequestCells] = {}
        self._counted: dict[int, set[str]] = {}
        """Open requests that crossed a threshold: span id -> objectives that counted them."""

    def cells(self, labels: Labels) -> RequestCells:
        """The series of these labels."""
        cells = self._cells.get(labels)
        if cells is None:
            cells = RequestCells(self._aggregator, self._thresholds, labels)
            if len(self._cells) >= _CACHED:
                self._cells.clear()
            self._cells[labels] = cells
        elif cells.limited:
            # Looked up again each time, so that what finds no room is counted each time.
            del self._cells[labels]
            cells = RequestCells(self._aggregator, self._thresholds, labels)
        return cells

    def finished(self, record: RequestRecord, partition: Partition) -> None:
        """Count a request that ended."""
        cells = self.cells(record.labels)
        flags = int(record.flags)
        if flags & _WARMUP:
            cells.warmup()
            self.forget(record.span_id)
            return
        cells.outcomes(entry=bool(flags & _ENTRY))[record.outcome].add()
        for entry, value in measured(record):
            cells.histogram(entry).observe(value)
        totals, stages = partition.totals, cells.stages
        for code, stage in _STAGES:
            if totals[code]:
                (stages.get(code) or cells.stage(stage)).observe(totals[code])
        if record.gaps:
            spread = max(record.last_token - record.stamps[Moment.FIRST_TOKEN], 0)
            observe_gaps(cells.histogram(requests.INTER_TOKEN), record.gaps, spread)
        cells.tokens(_INPUT, record.tokens_in)
        cells.tokens(_OUTPUT, record.tokens_out)
        if cells.slos:
            self.judge(cells, record.span_id, record.outcome, times(record, partition))

    def judge(self, cells: RequestCells, span_id: int, outcome: Outcome, taken: Times) -> None:
        """Count a finished request for its objectives, less those that counted it while it was open."""
        already = self._counted.pop(span_id, ())
        for slo in cells.slos:
            verdict = slo.objective.judge(outcome, taken)
            if verdict is not None and slo.objective.slo not in already:
                (slo.good if verdict else slo.bad).add()

    def still_open(
        self,
        labels: Labels,
        span_id: int,
        flags: int,
        *,
        open_ns: int,
        first_chunk_ns: int | None,
        first_token_ns: int | None = None,
    ) -> bool:
        """Count an open request as slow, once per objective, when it crosses its threshold.

        Args:
            labels: of the request.
            span_id: the request's identity.
            flags: `Flag` of the request.
            open_ns: time since it arrived.
            first_chunk_ns: from its arrival to its first chunk, where that has come.
            first_token_ns: the same of its first token.

        Returns:
            Whether it was counted now.
        """
        if int(flags) & _WARMUP:
            return False
        counted = False
        for slo in self.cells(labels).slos:
            if slo.objective.crossed(open_ns, first_chunk_ns, first_token_ns):
                already = self._counted.setdefault(span_id, set())
                if slo.objective.slo not in already:
                    already.add(slo.objective.slo)
                    slo.bad.add()
                    counted = True
        return counted

    def forget(self, span_id: int) -> None:
        """A request that was open has ended, and is judged by nothing."""
        self._counted.pop(span_id, None)

    def counted(self, span_id: int) -> frozenset[str]:
        """Objectives that counted this request while it was open."""
        return frozenset(self._counted.get(span_id, ()))

    def batch(self, batch: Batch) -> None:
        """Count an executed batch."""
        labels = of_model(batch.labels)
        self._aggregator.observe(requests.BATCH_SIZE, labels, batch.size)
        self._aggregator.add(requests.BATCHES, (*labels, batch.reason))

    def dump(self) -> bytes:
        """Which open requests were counted already."""
        return json.dumps({str(span): sorted(slos) for span, slos in self._counted.items()}).encode()

    def load(self, data: bytes) -> None:
        """Take over what `dump` wrote.

        Raises:
            StateError: it is not what `dump` writes.
        """
        try:
            self._counted = {int(span): set(slos) for span, slos in json.loads(data).items()}
        except (AttributeError, TypeError, ValueError) as error:
            raise StateError(f"counted requests are not as inferometer writes them: {error}") from error
        self._cells.clear()
