"""Spans of others in a pass: rows of the recorder, and requests where they say so."""

from collections.abc import Callable, Iterable

import numpy as np

from inferometer.aggregate import Aggregator
from inferometer.catalog.requests import MODEL_LOAD
from inferometer.intake import cold_starts
from inferometer.otlp.writer import TraceWriter
from inferometer_exporters.columns.gather import Gathered, gather
from inferometer_exporters.columns.tables import length
from inferometer_exporters.engine_work import source_of
from inferometer_exporters.naming import Naming
from inferometer_exporters.receivers.foreign import Foreign
from inferometer_exporters.settlement import Settlement
from inferometer_exporters.unstored import Unstored


class ForeignRequests:
    """Takes from what others send what is released.

    Args:
        foreign: holds their spans.
        aggregator: counts what they tell.
        settlement: knows where an engine runs.
        naming: of labels.
        unstored: takes the rows.
        writer: exports the starts of engines; None: nobody does.
        paged: services whose requests their pages count, whoever reads these.
        finished: takes requests; ``counted`` False: their page counts them.
    """

    def __init__(
        self,
        foreign: Foreign,
        aggregator: Aggregator,
        *,
        settlement: Settlement,
        naming: Naming,
        unstored: Unstored,
        writer: TraceWriter | None,
        paged: Iterable[str],
        finished: Callable[[Gathered, bool], None],
    ) -> None:
        self._foreign = foreign
        self._aggregator = aggregator
        self._settlement = settlement
        self._naming = naming
        self._unstored = unstored
        self._writer = writer
        self._paged = np.array([source_of(service) for service in paged], np.uint64)
        self._finished = finished
        self.forget = foreign.forget
        """Forget what a rollback took back."""

    def take(self, now_ns: int, *, everything: bool) -> bool:
        """Take what is ready at *now_ns*; whether a series changed that requests do not change.

        Args:
            now_ns: CLOCK_MONOTONIC.
            everything: no other pass follows.
        """
        released = self._foreign.release(
            now_ns,
            self._settlement.ledger.until,
            place=lambda service, host, oldest: self._settlement.place(service, host, oldest, now_ns),
            everything=everything,
        )
        self._unstored.put("spans", released.rows)
        if length(released.requests):
            # What a page counts is in its own series: the same requests by their spans would be in them twice.
            by_page = np.isin(released.requests["worker"], self._paged)
            for these, counted in ((~by_page, True), (by_page, False)):
                if these.any():
                    self._finished(released.of(these, gather((), self._naming.numbers)), counted)
        self._settlement.took(released.took)
        for engine in released.starts:
            cold_starts.count(*engine, self._aggregator, self._writer)
            # Workers tell of the loads of models beside their start, engines' spans in it.
            for model, ns in engine.loads():
                self._aggregator.observe(MODEL_LOAD, (engine.resource.service, model, engine.resource.region), ns)
        for entry, labels, number in released.counts:
            self._aggregator.add(entry, labels, number)
        return bool(released.counts or released.starts)
