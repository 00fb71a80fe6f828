"""Requests to series, a pass at a time: the same numbers as `inferometer.aggregate.requests`, from columns."""

from collections import defaultdict
from collections.abc import Callable
from typing import Final

import numpy as np

from inferometer.aggregate.aggregator import Aggregator
from inferometer.aggregate.cells import HistogramCell
from inferometer.aggregate.gaps import observe_gaps
from inferometer.aggregate.measures import of_model
from inferometer.aggregate.requests import RequestCells, RequestMeter
from inferometer.catalog import requests
from inferometer.catalog.labels import DIRECTION
from inferometer.catalog.model import Series
from inferometer.catalog.stages import Outcome, Stage
from inferometer.record.model import Flag, Labels
from inferometer_exporters.columns.bins import Bins
from inferometer_exporters.columns.distinct import distinct, occurring, ordered
from inferometer_exporters.columns.finder import Finder
from inferometer_exporters.columns.partition import Partitions
from inferometer_exporters.columns.tables import Column, Columns, Ints, Mask, length
from inferometer_exporters.columns.verdicts import ABSENT, ColumnTimes, verdicts

_INPUT, _OUTPUT = DIRECTION.values
_LAST_OUTCOME: Final = int(Outcome.SERVER_ERROR)
_OUTCOMES: Final = np.array([code if code in set(Outcome) else _LAST_OUTCOME for code in range(256)], np.int64)
"""Codes of another version count as server_error, as the record reads them."""
_USED: Final = frozenset(
    (
        "labels", "span_id", "flags", "outcome", "proxy_wait", "first_chunk", "first_token", "last_token", "bytes_in",
        "bytes_out", "tokens_in", "tokens_out",
    )
)  # fmt: skip
_BUCKET_BITS: Final = 16
_LAST_BUCKET: Final = (1 << _BUCKET_BITS) - 1
"""More than there are; what is beyond counts as the last one that there is."""


def outcomes(columns: Columns) -> Ints:
    """Outcome code of each request."""
    return _OUTCOMES[columns["outcome"]]


def first_chunks(columns: Columns, start: Ints) -> Ints:
    """Time to the first chunk of a streamed answer, ns; `ABSENT` where the answer was no stream."""
    streamed = (columns["first_chunk"] != 0) & ((columns["flags"] & int(Flag.STREAM)) != 0)
    return np.where(streamed, columns["first_chunk"] - start, ABSENT)


def per_token(columns: Columns, end: Ints) -> Ints:
    """Mean time per output token after the first, ns; `ABSENT` where it is not known."""
    token, output = columns["first_token"], columns["tokens_out"].astype(np.int64)
    spread = np.where(columns["last_token"] != 0, columns["last_token"], end) - token
    several = (token != 0) & (output > 1) & (spread > 0)
    return np.where(several, spread // np.maximum(output - 1, 1), ABSENT)


def times(columns: Columns, start: Ints, end: Ints, totals: Ints) -> ColumnTimes:
    """What objectives are judged by; *totals* are ns by stage code and request."""
    token = columns["first_token"]
    return ColumnTimes(
        duration=end - start,
        first_chunk=first_chunks(columns, start),
        first_token=np.where(token != 0, np.maximum(token - start, 0), ABSENT),
        per_token=per_token(columns, end),
        stages=totals,
    )


class ColumnMeter:
    """Feeds a meter with all finished requests of a pass.

    Args:
        aggregator: receives the series.
        meter: of single requests; it knows which open ones were counted already.
        labels: label set by its number.
    """

    def __init__(self, aggregator: Aggregator, meter: RequestMeter, labels: Callable[[int], Labels]) -> None:
        self._meter = meter
        self._labels = labels
        self._aggregator = aggregator
        self._bins: dict[str, Bins] = {}
        self._first: dict[tuple[str, ...], int] = {}
        self._model = np.zeros(0, np.int64)

    def _cells(self, number: int) -> RequestCells:
        return self._meter.cells(self._labels(number))

    def _models(self, labels: Ints) -> Ints:
        """One label set for all that share a model: histograms know no tenant."""
        known = len(self._model)
        highest = int(labels.max(initial=0))
        if highest >= known:
            fresh = [
                self._first.setdefault(of_model(self._labels(number)), number) for number in range(known, highest + 1)
            ]
            self._model = np.concatenate([self._model, np.array(fresh, np.int64)])
        return self._model[labels]

    def _observe(self, entry: Series, group: Ints, values: Ints, *more: str) -> None:
        """Count *values*, each for the model that its group stands for, under *more* label values."""
        if len(group):
            bins = self._bins.get(entry.name)
            if bins is None:
                bins = self._bins[entry.name] = Bins(self._aggregator, entry)

            def cell(number: int) -> HistogramCell:
                return self._aggregator.histogram(entry, (*of_model(self._labels(number)), *more))

            bins.observe(cell, group, values)

    def finished(
        self, columns: Columns, partitions: Partitions, crossed: Callable[[Column], Mask], gaps: Columns | None = None
    ) -> None:
        """Count requests that ended.

        Args:
            columns: of requests, with ``labels``.
            partitions: of the same requests.
            crossed: which of these span ids were counted while they were open, as a mask.
            gaps: times between tokens of these requests and of others; None where there are none.
        """
        labels = columns["labels"]
        warm = (columns["flags"] & int(Flag.WARMUP)) != 0
        counted = crossed(columns["span_id"])
        self._warmups(columns, labels, warm, counted)
        rows = np.flatnonzero(~warm)
        if not len(rows):
            return
        models = self._models(labels[rows])
        # One order for everything: the requests of a model side by side.
        order = ordered(models)
        rows, models = rows[order], models[order]
        mine = {name: column[rows] for name, column in columns.items() if name in _USED}
        start, end = partitions.start[rows], partitions.end[rows]
        self._count(mine, mine["labels"])
        self._measure(mine, models, start, end)
        if gaps is not None and length(gaps):
            self._gaps(mine, models, gaps)
        for stage in Stage:
            total = partitions.totals[stage][rows]
            occurred = np.flatnonzero(total)
            self._observe(requests.STAGE_DURATION, models[occurred], total[occurred], stage.label)
        self._judge(mine, times(mine, start, end, partitions.totals[:, rows]), counted[rows])

    def _warmups(self, columns: Columns, labels: Ints, warm: Mask, counted: Mask) -> None:
        for number, amount in _totals(labels[warm != 0]):
            self._cells(number).warmup(amount)
        for row in np.flatnonzero(warm & counted).tolist():
            # Nothing of a warm-up is judged.
            self._meter.forget(int(columns["span_id"][row]))

    def _count(self, columns: Columns, labels: Ints) -> None:
        entry = (columns["flags"] & int(Flag.ENTRY)).astype(np.int64)
        key = (labels * len(Outcome) + outcomes(columns)) * 2 + entry
        for value, amount in _totals(key):
            number, outcome = divmod(value >> 1, len(Outcome))
            self._cells(number).outcomes(entry=bool(value & 1))[outcome].add(amount)
        for direction, name in ((_INPUT, "tokens_in"), (_OUTPUT, "tokens_out")):
            having = np.flatnonzero(columns[name])
            for number, amount in _totals(labels[having], columns[name][having].astype(np.int64)):
                self._cells(number).tokens(direction, amount)

    def _measure(self, columns: Columns, models: Ints, start: Ints, end: Ints) -> None:
        self._observe(requests.REQUEST_DURATION, models, end - start)
        token = columns["first_token"]
        has_token = token != 0
        chunk = first_chunks(columns, start)
        each = per_token(columns, end)
        streamed = (columns["first_chunk"] != 0) & ((columns["flags"] & int(Flag.STREAM)) != 0) & ~has_token
        measured = (
            (requests.PROXY_WAIT, columns["proxy_wait"] != 0, columns["proxy_wait"]),
            (requests.TIME_TO_FIRST_TOKEN, has_token, np.maximum(token - start, 0)),
            (requests.TIME_PER_OUTPUT_TOKEN, each != ABSENT, each),
            (requests.TIME_TO_FIRST_CHUNK, streamed, np.maximum(chunk, 0)),
            (requests.REQUEST_BYTES, columns["bytes_in"] != 0, columns["bytes_in"]),
            (requests.RESPONSE_BYTES, columns["bytes_out"] != 0, columns["bytes_out"]),
        )
        for entry, where, values in measured:
            rows = np.flatnonzero(where)
            self._observe(entry, models[rows], values[rows])

    def _gaps(self, columns: Columns, models: Ints, gaps: Columns) -> None:
        """Count times between tokens: numbers by bucket of each model, and as their sum what each request spans."""
        row = Finder(columns["span_id"])(gaps["span_id"])
        known = row >= 0
        having = np.unique(row[known])
        spread = np.maximum(columns["last_token"][having] - columns["first_token"][having], 0)
        spreads = dict(_totals(models[having], spread))
        keys = models[row[known]] << _BUCKET_BITS | np.minimum(gaps["bucket"][known], _LAST_BUCKET)
        pairs: dict[int, list[tuple[int, int]]] = defaultdict(list)
        for key, number in _totals(keys, gaps["count"][known].astype(np.int64)):
            pairs[key >> _BUCKET_BITS].append((key & _LAST_BUCKET, number))
        for model, numbers in pairs.items():
            cell = self._aggregator.histogram(requests.INTER_TOKEN, of_model(self._labels(model)))
            observe_gaps(cell, numbers, spreads[model])

    def _judge(self, columns: Columns, taken: ColumnTimes, counted: Mask) -> None:
        labels, codes = columns["labels"], outcomes(columns)
        rows = np.flatnonzero(counted)
        for row, times_of in zip(rows.tolist(), taken.take(rows).each(), strict=True):
            cells = self._cells(int(labels[row]))
            self._meter.judge(cells, int(columns["span_id"][row]), Outcome(int(codes[row])), times_of)
        fresh = ~counted
        for number in occurring(labels):
            slos = self._cells(number).slos
            if slos:
                rows = np.flatnonzero(fresh & (labels == number))
                mine = taken.take(rows)
                for slo in slos:
                    good, bad = verdicts(slo.objective, codes[rows], mine)
                    slo.good.add(int(np.count_nonzero(good)))
                    slo.bad.add(int(np.count_nonzero(bad)))


def _totals(keys: Ints, weights: Ints | None = None) -> list[tuple[int, int]]:
    """(key, sum of weights or number of rows) of each key."""
    found = distinct(keys)
    numbers = found.numbers
    if weights is not None:
        numbers = np.zeros(len(found.values), np.int64)
        np.add.at(numbers, found.member, weights)
    return list(zip(found.values.tolist(), numbers.tolist(), strict=True))
