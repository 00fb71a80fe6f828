"""Answers that nobody waited for: their caller had given the attempt up. They ended well for nothing.

An attempt is given up where no answer of it ever came: a timeout, a connection that broke, the slower of two hedges,
which its caller cancelled; and where it was answered, but tried again all the same.

A callee's request is settled before or after its caller tells of its attempts, so either waits for the other, bounded
in number. What waits is not part of the state: of retries around a restart some are not counted, none twice.
"""

from collections.abc import Callable
from typing import Final

import numpy as np

from inferometer.aggregate import Aggregator, of_model
from inferometer.catalog import requests
from inferometer.catalog.stages import ANSWERED, Outcome
from inferometer.fleet.thresholds import Thresholds
from inferometer.record.model import Labels
from inferometer_exporters.columns.tables import Columns, concatenate, length, take

MAX_ANSWERS: Final = 32_768
"""Settled requests of callers that may yet tell that they had given up."""
MAX_ATTEMPTS: Final = 10_000
"""Attempts that were given up, and whose callee has not told of them."""
_WELL: Final = np.array([outcome in ANSWERED for outcome in Outcome])
_ANSWERED: Final = int(Outcome.OK)
"""Of an attempt: somebody answered it, or nobody knows."""
_KEPT: Final = ("parent_id", "labels", "cost")


class Retries:
    """Counts the cost of answers to attempts that were given up.

    Args:
        aggregator: receives the series.
        thresholds: known tenants.
        labels: label set by its number.
    """

    def __init__(self, aggregator: Aggregator, thresholds: Thresholds, labels: Callable[[int], Labels]) -> None:
        self._aggregator = aggregator
        self._thresholds = thresholds
        self._labels = labels
        self._answers: Columns = {}
        self._given_up: dict[int, None] = {}

    def attempts(self, calls: Columns) -> None:
        """Take in outgoing attempts of finished requests: all of one request's together."""
        if not length(calls):
            return
        unanswered = calls["call_id"][calls["outcome"] != _ANSWERED]
        again = int(calls["attempt"].max()) > 1
        if not len(unanswered) and not again:
            return
        self._given_up |= dict.fromkeys(unanswered.tolist())
        if again:
            self._tried_again(calls)
        self._match()
        while len(self._given_up) > MAX_ATTEMPTS:
            del self._given_up[next(iter(self._given_up))]

    def _tried_again(self, calls: Columns) -> None:
        names = ("span_id", "target", "attempt", "start", "call_id")
        told = sorted(zip(*(calls[name].tolist() for name in names), strict=True), key=lambda call: call[3])
        earlier: dict[tuple[int, int, int], int] = {}
        for span, target, attempt, _, call_id in told:
            before = earlier.get((span, target, attempt - 1))
            if before is not None:
                self._given_up[before] = None
            earlier[span, target, attempt] = call_id

    def settled(self, rows: Columns) -> None:
        """Take in settled requests with what they owe."""
        answered = take({name: rows[name] for name in _KEPT}, _WELL[rows["outcome"]] & (rows["parent_id"] != 0))
        costly = take(answered, answered["cost"] > 0)
        if not length(costly):
            return
        self._answers = concatenate([self._answers, costly]) if self._answers else costly
        self._match()
        self._answers = {name: column[-MAX_ANSWERS:] for name, column in self._answers.items()}

    def _match(self) -> None:
        if not self._given_up or not length(self._answers):
            return
        wanted = np.fromiter(self._given_up, np.uint64, len(self._given_up))
        found = np.isin(self._answers["parent_id"], wanted)
        if not found.any():
            return
        lost = take(self._answers, found)
        self._answers = take(self._answers, ~found)
        for parent, number, cost in zip(*(lost[name].tolist() for name in _KEPT), strict=True):
            self._given_up.pop(parent, None)
            labels = self._labels(number)
            named = (*of_model(labels), self._thresholds.tenant(labels.tenant))
            self._aggregator.add(requests.RETRIED_COST, named, cost)
