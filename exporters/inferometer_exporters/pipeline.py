"""The sidecar's pipeline: what `inferometer.intake` drives, on columns."""

import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import numpy as np

from inferometer.aggregate import Aggregator, RequestMeter, Snapshot
from inferometer.catalog import telemetry
from inferometer.catalog.labels import COMPONENT, DROP_REASON
from inferometer.fleet.thresholds import Thresholds
from inferometer.intake import cold_starts
from inferometer.intake.pipeline import Arrival
from inferometer.intake.worker_series import WorkerSeries
from inferometer.otlp.writer import TraceWriter
from inferometer.wire.layout import CALLS, INTERVALS
from inferometer.wire.records import batches
from inferometer_exporters import model_loads, pipeline_state
from inferometer_exporters.books import Books
from inferometer_exporters.charges import Charges
from inferometer_exporters.columns.gather import Gathered, gather, worker_key
from inferometer_exporters.columns.meter import ColumnMeter
from inferometer_exporters.columns.partition import partition
from inferometer_exporters.columns.soundness import SLACK_NS
from inferometer_exporters.columns.tables import Columns, Ints, empty, length, take
from inferometer_exporters.device_minutes import DeviceMinutes
from inferometer_exporters.engines.scrape import Scraped
from inferometer_exporters.engines.usage import Usage
from inferometer_exporters.exports import Exports
from inferometer_exporters.foreign_requests import ForeignRequests
from inferometer_exporters.health import Health
from inferometer_exporters.keeping import Keeping
from inferometer_exporters.ledger.account import Device
from inferometer_exporters.ledger.ledger import Ledger
from inferometer_exporters.ledger.steps import Step
from inferometer_exporters.naming import Naming
from inferometer_exporters.opens import Opens
from inferometer_exporters.pipeline_state import Lasting
from inferometer_exporters.receivers.foreign import Foreign
from inferometer_exporters.recorder.store import Recorder
from inferometer_exporters.recorder.tables import call_rows, external_id_rows, ledger_rows
from inferometer_exporters.retries import Retries
from inferometer_exporters.settlement import Settlement
from inferometer_exporters.source import Sampler
from inferometer_exporters.tally import Tally
from inferometer_exporters.traces import Traces
from inferometer_exporters.unstored import Unstored

LEDGER_NS: Final = 10**9
"""Time between the ledger's entries in the recorder."""
_SIDECAR: Final = COMPONENT.values[-1]
_LATE, _UNDECODABLE, _HOLD_FULL = DROP_REASON.values[4:7]


class SidecarPipeline:
    """Columns, series, ledger, recorder and kept traces of all workers.

    Args:
        recorder: stores every request.
        thresholds: objectives, tenants and prices of fleet.yaml.
        host: this host as a billed device.
        aggregator: holds all series.
        sampler: readings of hosts and GPUs.
        writer: exports kept traces; None: the recorder is the only trace store.
        pages: of engines that are scraped; what they did comes to `usages`.
        foreign: makes what takes the spans of others, given our names; None: nobody sends any.
        tally: what ports counted.
        monotonic_ns: CLOCK_MONOTONIC.
        wall_ns: time since the epoch.
    """

    def __init__(
        self,
        recorder: Recorder,
        thresholds: Thresholds,
        host: Device,
        aggregator: Aggregator,
        *,
        sampler: Sampler,
        writer: TraceWriter | None = None,
        pages: Sequence[Scraped] = (),
        foreign: Callable[[Naming], Foreign] | None = None,
        tally: Tally | None = None,
        monotonic_ns: Callable[[], int] = time.monotonic_ns,
        wall_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self._aggregator = aggregator
        self._writer = writer
        self._health = Health(aggregator, sampler)
        self._sampler = sampler
        self._now = monotonic_ns
        self._wall = wall_ns
        self._naming = Naming(recorder, thresholds)
        self._meter = RequestMeter(aggregator, thresholds)
        self._columns = ColumnMeter(aggregator, self._meter, self._naming.labels)
        self._opens = Opens(self._meter, self._naming.labels)
        self._charges = Charges(aggregator, thresholds, self._naming.labels)
        self._minutes = DeviceMinutes(self._naming.name)
        self._retries = Retries(aggregator, thresholds, self._naming.labels)
        self._workers = WorkerSeries(aggregator)
        keeping = Keeping(aggregator, self._meter, self._naming.labels, monotonic_ns=monotonic_ns)
        exports = Exports(recorder, self._naming, aggregator, writer, host=host.name)
        self._traces = Traces(keeping, exports, aggregator, writer)
        self._settlement = Settlement(host, thresholds, monotonic_ns(), pages)
        self.usages: deque[Usage] = deque()
        """What engines did from one scrape to the next; any thread may add to it."""
        self._unstored = Unstored(recorder, aggregator)
        self._books = Books(
            aggregator,
            self._naming,
            charges=self._charges,
            retries=self._retries,
            traces=self._traces,
            minutes=self._minutes,
            unstored=self._unstored,
            host=host.name,
        )
        self._lasting = Lasting(
            recorder=recorder,
            aggregator=aggregator,
            meter=self._meter,
            workers=self._workers,
            unstored=self._unstored,
            traces=self._traces,
            opens=self._opens,
            settlement=self._settlement,
        )
        self._foreign: ForeignRequests | None = None
        if foreign is not None:
            self._foreign = ForeignRequests(
                foreign(self._naming),
                aggregator,
                settlement=self._settlement,
                naming=self._naming,
                unstored=self._unstored,
                writer=writer,
                paged={*(page.service for page in pages), *thresholds.read_elsewhere},
                finished=lambda gathered, counted: self._finished(gathered, counted=counted),
            )
        self._tally = tally or Tally()
        self._entered = 0
        self.closing = False
        """This pass is the last: whatever is finished is settled, as far as anybody told."""
        self.snapshot = Snapshot()
        """What ``/metrics`` shows."""

    @property
    def ledger(self) -> Ledger:
        """What every billed device did."""
        return self._settlement.ledger

    def absorb(self, arrivals: Sequence[Arrival]) -> bool:
        """Take in new frames."""
        now = self._now()
        told = [arrival for arrival in arrivals if arrival.frame.monotonic_ns <= now + SLACK_NS]
        gathered = gather(told, self._naming.numbers, now_ns=now)
        undecodable = len(arrivals) - len(told) + gathered.unsound
        changed = undecodable > 0
        for arrival in told:
            changed |= self._frame(arrival)
        self._finished(gathered)
        changed |= self._open(told, gathered.open)
        undecodable += self._workers.undecodable
        self._workers.undecodable = 0
        if undecodable:
            self._aggregator.add(telemetry.DROPS, (_SIDECAR, _UNDECODABLE), undecodable)
        return changed or bool(length(gathered.requests) or length(gathered.executes))

    def _frame(self, arrival: Arrival) -> bool:
        frame = arrival.frame
        worker = worker_key(frame.worker_id)
        self._settlement.frames[worker] = min(frame.monotonic_ns, self._now())
        self._settlement.worker(worker, arrival.worker.service)
        changed = self._workers.frame(arrival)
        changed |= cold_starts.absorb(arrival, self._aggregator, self._writer)
        for batch in batches(frame, arrival.names):
            if not 0 < batch.opened <= batch.start <= batch.end <= self._now() + SLACK_NS:
                continue
            self._meter.batch(batch)
            self._traces.batch(batch)
            changed = True
        for duration_ns, device in model_loads.of(frame):
            self._settlement.loaded(worker, device, frame.monotonic_ns - duration_ns, frame.monotonic_ns)
        return changed

    def steps(self, steps: Sequence[Step]) -> None:
        """Take in steps that an engine told of, by their time, before the requests end that they are of."""
        self._settlement.steps(steps)

    def _finished(self, gathered: Gathered, *, counted: bool = True) -> None:
        requests, runs = gathered.requests, gathered.executes
        fresh = self._opens.fresh(requests["span_id"])
        if not fresh.all():
            self._aggregator.add(telemetry.DROPS, (_SIDECAR, _LATE), int(np.count_nonzero(~fresh)))
            requests = take(requests, fresh)
        final = take(runs, (runs["final"] != 0) & (runs["span_id"] != 0))
        partitions = partition(requests, final, gathered.calls, gathered.intervals)
        if length(requests) and counted:
            self._columns.finished(requests, partitions, self._opens.crossed, gathered.gaps)
        self._settlement.take(requests, partitions, runs, self._runs)
        self._retries.attempts(gathered.calls)
        self._unstored.put("calls", call_rows(gathered.calls))
        self._unstored.put("external_ids", external_id_rows(gathered.external_ids))

    def _runs(self, executes: Columns, release: Ints) -> Columns:
        return self._naming.runs(executes, release, self._settlement.devices)

    def _open(self, arrivals: Sequence[Arrival], rows: Columns) -> bool:
        newest = {worker_key(arrival.worker.worker_id): arrival.frame.monotonic_ns for arrival in arrivals}
        changed = False
        for worker, frame_ns in newest.items():
            mine = (rows["worker"] == np.uint64(worker)) & (rows["frame_ns"] == frame_ns)
            still_open = take(rows, mine)
            self._opens.replace(worker, still_open)
            self.ledger.forget(worker, frame_ns, still_open["span_id"])
            changed |= self._opens.count_slow(worker)
        return changed

    def departed(self, worker_ids: Sequence[bytes]) -> bool:
        """End what these workers left open."""
        workers = [worker_key(worker_id) for worker_id in worker_ids]
        now = self._now()
        requests = self._opens.end(workers, now)
        self._workers.departed(worker_ids)
        runs = self._settlement.leave(workers, now)
        if not requests:
            return bool(length(runs))
        partitions = partition(requests, self._naming.executes(runs), empty(CALLS), empty(INTERVALS))
        self._columns.finished(requests, partitions, self._opens.crossed)
        self._settlement.ended(requests, partitions, runs)
        return True

    def tick(self, now_ns: int) -> bool:
        """Settle what is past, and show how things are."""
        samples = self._sampler.samples()
        self._books.watch(samples)
        self._minutes.watch(samples)
        self._settlement.observe(samples)
        changed = self._foreign is not None and self._foreign.take(now_ns, everything=self.closing)
        usages = [self.usages.popleft() for _ in range(len(self.usages))]
        self._settlement.used(usages, self._naming.numbers.labels, now_ns)
        changed |= self._settle(now_ns)
        changed |= self._traces.send(now_ns, self._opens.traces, self._unstored.stored, at_once=self.closing)
        self._workers.show()
        changed |= self._health.show()
        if now_ns - self._entered >= LEDGER_NS or self.closing:
            self._entered = now_ns
            self._unstored.put("ledger", ledger_rows(self.ledger.accounts, self._naming.name, self._wall()))
            changed = True
        for table, rows in self._minutes.rows(self.ledger.accounts, self._wall(), closing=self.closing).items():
            self._unstored.put(table, rows)
        changed |= self._tally.settle(self._aggregator)
        return self._aggregator.settle() or changed

    def _settle(self, now_ns: int) -> bool:
        settled = self._settlement.settle(now_ns, closing=self.closing)
        if given_up := self.ledger.given_up:
            self._aggregator.add(telemetry.DROPS, (_SIDECAR, _HOLD_FULL), given_up)
            self.ledger.given_up = 0
        if settled is None:
            return False
        self._books.enter(settled, self.ledger.accounts, self._wall())
        return True

    def commit(self, number: int, *, previous_ns: int | None) -> None:
        """Store the rows of pass *number*, and those that waited for the recorder."""
        self._unstored.store(number, last=self.closing)
        self._unstored.upkeep(self._now(), self._wall())
        if previous_ns is not None:
            self._aggregator.observe(telemetry.PASS_DURATION, (), previous_ns)

    def rollback(self, number: int | None) -> int:
        """Delete rows of passes after *number*."""
        newest = self._unstored.rollback(number)
        self._naming.forget()
        if self._foreign is not None:
            self._foreign.forget()
        return newest

    def dump(self) -> Mapping[str, bytes]:
        """Everything that must survive."""
        return pipeline_state.dump(self._lasting, self._wall())

    def load(self, sections: Mapping[str, bytes], *, same_boot: bool) -> None:
        """Go on where a state ended.

        Raises:
            StateError: a section is not as `dump` writes it.
        """
        pipeline_state.load(self._lasting, sections, self._now(), self._wall(), same_boot=same_boot)

    def publish(self) -> None:
        """Swap what ``/metrics`` shows."""
        if frames := self._settlement.frames.values():
            self._aggregator.set(telemetry.FRAME_LAG, (), self._now() - min(frames))
        else:
            self._aggregator.remove(telemetry.FRAME_LAG, ())
        self.snapshot = self._aggregator.snapshot()
