"""The sidecar's pipeline: what `inferometer.intake` drives, on columns."""

import json
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from itertools import chain, repeat
from typing import Final

import numpy as np

from inferometer.aggregate import Aggregator, RequestMeter, Snapshot
from inferometer.catalog import telemetry
from inferometer.catalog.labels import COMPONENT, DROP_REASON
from inferometer.catalog.requests import MODEL_LOAD
from inferometer.errors import StateError, WireError
from inferometer.fleet.thresholds import Thresholds
from inferometer.intake import cold_starts
from inferometer.intake.pipeline import Arrival
from inferometer.intake.worker_series import WorkerSeries
from inferometer.otlp.writer import TraceWriter
from inferometer.wire.frame import Frame
from inferometer.wire.gauges import Gauges
from inferometer.wire.layout import CALLS, INTERVALS
from inferometer.wire.records import batches
from inferometer_exporters import charges
from inferometer_exporters.charges import Charges
from inferometer_exporters.columns.gather import Gathered, gather, worker_key
from inferometer_exporters.columns.meter import ColumnMeter
from inferometer_exporters.columns.partition import partition
from inferometer_exporters.columns.soundness import SLACK_NS
from inferometer_exporters.columns.tables import Columns, Ints, empty, length, take
from inferometer_exporters.device_history import DeviceHistory
from inferometer_exporters.device_minutes import DeviceMinutes
from inferometer_exporters.engine_work import source_of
from inferometer_exporters.engines.scrape import Scraped
from inferometer_exporters.engines.usage import Usage
from inferometer_exporters.exports import Exports
from inferometer_exporters.health import Health
from inferometer_exporters.hold import RAN_FROM, RAN_UNTIL
from inferometer_exporters.keeping import Keeping
from inferometer_exporters.ledger.account import Device
from inferometer_exporters.ledger.ledger import Ledger
from inferometer_exporters.ledger.steps import Step
from inferometer_exporters.naming import Naming
from inferometer_exporters.opens import Opens
from inferometer_exporters.price_series import PriceSeries
from inferometer_exporters.receivers.foreign import Foreign
from inferometer_exporters.recorder.parts import part_rows, share_rows
from inferometer_exporters.recorder.store import Recorder
from inferometer_exporters.recorder.tables import call_rows, external_id_rows, ledger_rows
from inferometer_exporters.retries import Retries
from inferometer_exporters.settlement import Settlement
from inferometer_exporters.source import Sampler
from inferometer_exporters.tally import Tally
from inferometer_exporters.traces import Traces
from inferometer_exporters.unstored import Unstored

FORMAT: Final = 1
"""Of the sidecar's sections of the state file; their columns are part of it."""
LEDGER_NS: Final = 10**9
"""Time between the ledger's entries in the recorder."""
_SIDECAR: Final = COMPONENT.values[-1]
_LATE, _UNDECODABLE, _HOLD_FULL = DROP_REASON.values[4:7]
_SERIES: Final = "sidecar.series"
_METER: Final = "sidecar.meter"
_WORKERS: Final = "sidecar.workers"
_CLOCK: Final = "sidecar.clock"


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
        self._recorder = recorder
        self._aggregator = aggregator
        self._writer = writer
        self._health = Health(aggregator, sampler)
        self._sampler = sampler
        self._history = DeviceHistory()
        self._host = host.name
        self._now = monotonic_ns
        self._wall = wall_ns
        self._naming = Naming(recorder, thresholds)
        self._meter = RequestMeter(aggregator, thresholds)
        self._columns = ColumnMeter(aggregator, self._meter, self._naming.labels)
        self._opens = Opens(self._meter, self._naming.labels)
        self._charges = Charges(aggregator, thresholds, self._naming.labels)
        self._prices = PriceSeries(aggregator)
        self._minutes = DeviceMinutes(self._naming.name)
        self._retries = Retries(aggregator, thresholds, self._naming.labels)
        self._workers = WorkerSeries(aggregator)
        keeping = Keeping(aggregator, self._meter, self._naming.labels, monotonic_ns=monotonic_ns)
        exports = Exports(recorder, self._naming, aggregator, writer, host=host.name)
        self._traces = Traces(keeping, exports, aggregator, writer)
        self._settlement = Settlement(host, thresholds, monotonic_ns(), pages)
        self._paged = np.array([source_of(page.service) for page in pages], np.uint64)
        self.usages: deque[Usage] = deque()
        """What engines did from one scrape to the next; any thread may add to it."""
        self._unstored = Unstored(recorder, aggregator)
        self._foreign = None if foreign is None else foreign(self._naming)
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
        arrivals = told
        changed = undecodable > 0
        for arrival in arrivals:
            changed |= self._frame(arrival)
        self._finished(gathered)
        changed |= self._open(arrivals, gathered.open)
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
        for duration_ns, device in loads(frame):
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
        self._history.watch(samples)
        self._minutes.watch(samples)
        self._settlement.observe(samples)
        changed = self._take_foreign(now_ns)
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

    def _take_foreign(self, now_ns: int) -> bool:
        """Spans of others: rows of the recorder, and requests where they say so."""
        if self._foreign is None:
            return False
        released = self._foreign.release(
            now_ns,
            self.ledger.until,
            place=lambda service, host, oldest: self._settlement.place(service, host, oldest, now_ns),
            everything=self.closing,
        )
        self._unstored.put("spans", released.rows)
        if length(released.requests):
            # What a page counts is in its own series: the same requests by their spans would be in them twice.
            by_page = np.isin(released.requests["worker"], self._paged)
            for these, counted in ((~by_page, True), (by_page, False)):
                if these.any():
                    self._finished(released.of(these, gather((), self._naming.numbers)), counted=counted)
        for engine in released.starts:
            cold_starts.count(*engine, self._aggregator, self._writer)
            # Workers tell of the loads of models beside their start, engines' spans in it.
            for model, ns in engine.loads():
                self._aggregator.observe(MODEL_LOAD, (engine.resource.service, model, engine.resource.region), ns)
        for entry, labels, number in released.counts:
            self._aggregator.add(entry, labels, number)
        return bool(released.counts or released.starts)

    def _settle(self, now_ns: int) -> bool:
        settled = self._settlement.settle(now_ns, closing=self.closing)
        self._given_up()
        if settled is None:
            return False
        if length(settled.requests):
            settled.requests.update(self._device_state(settled.requests))
            self._charges.settled(settled.requests, settled.runs, settled.row, self.ledger.accounts)
            self._retries.settled(settled.requests)
            self._unstored.put("kept", self._traces.judge(settled.requests, self._wall()))
            self._unstored.put("requests", settled.requests)
            self._minutes.ended(settled.requests["device"], self._naming.text)
            self._unstored.put("executes", settled.executes)
            names = np.array([self._naming.name(account.device.name) for account in self.ledger.accounts], np.int64)
            self._unstored.put("execute_parts", part_rows(settled.runs, settled.row, names))
        self._shared(settled.shares)
        charges.show(self._aggregator, self.ledger.accounts)
        self._prices.show(self.ledger.accounts)
        return True

    def _shared(self, shares: Columns) -> None:
        """What models of engines owe that are only scraped."""
        if length(shares):
            accounts = self.ledger.accounts
            self._charges.shared(shares, accounts)
            names = np.array([self._naming.name(account.device.name) for account in accounts], np.int64)
            self._unstored.put("engine_shares", share_rows(shares, names, self._wall()))

    def _given_up(self) -> None:
        if self.ledger.given_up:
            self._aggregator.add(telemetry.DROPS, (_SIDECAR, _HOLD_FULL), self.ledger.given_up)
            self.ledger.given_up = 0

    def _device_state(self, rows: Columns) -> Columns:
        def name(number: int) -> str:
            return self._naming.text(number) or self._host

        return self._history.during(rows["device"], name, rows[RAN_FROM], rows[RAN_UNTIL])

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
        clock = {
            "format": FORMAT,
            "wall_ns": self._wall(),
            "frames": list(self._settlement.frames.items()),
            "recorder": self._recorder.identity,
        }
        return {
            _SERIES: self._aggregator.dump(),
            _METER: self._meter.dump(),
            _CLOCK: json.dumps(clock).encode(),
            _WORKERS: self._workers.dump(),
            **self._unstored.dump(),
            **self._traces.dump(),
            **self._opens.dump(),
            **self._settlement.dump(),
        }

    def load(self, sections: Mapping[str, bytes], *, same_boot: bool) -> None:
        """Go on where a state ended.

        Raises:
            StateError: a section is not as `dump` writes it.
        """
        try:
            clock = json.loads(sections[_CLOCK])
            if clock["format"] != FORMAT:
                raise StateError(f"a state of format {clock['format']}, {FORMAT} is right")
            self._aggregator.load(sections[_SERIES])
            self._meter.load(sections[_METER])
            self._workers.load(sections[_WORKERS])
            wall, frames, identity = int(clock["wall_ns"]), dict(clock["frames"]), clock["recorder"]
        except (KeyError, TypeError, ValueError) as error:
            raise StateError(f"the sidecar's state is not as it writes it: {error}") from error
        same_names = identity == self._recorder.identity
        gap = None if same_boot else max(self._wall() - wall, 0)
        self._unstored.load(sections, same_names=same_names)
        self._settlement.load(sections, self._now(), gap=gap, same_names=same_names)
        if same_names:
            self._opens.load(sections)
        if same_boot:
            self._settlement.frames = frames
        self._traces.load(sections, same_boot=same_boot)

    def publish(self) -> None:
        """Swap what ``/metrics`` shows."""
        frames = self._settlement.frames.values()
        lag = self._now() - min(frames) if frames else None
        if lag is not None:
            self._aggregator.set(telemetry.FRAME_LAG, (), lag)
        else:
            self._aggregator.remove(telemetry.FRAME_LAG, ())
        self.snapshot = self._aggregator.snapshot()


def loads(frame: Frame) -> list[tuple[int, str]]:
    """(ns, device) of models' loads since the worker's last frame; none where its gauges are not readable."""
    try:
        gauges = Gauges.from_json(frame.gauges)
        # Workers of before 2026-11-23 do not say the device.
        places = chain(gauges.load_devices, repeat(""))
        return [(load[1], place) for load, place in zip(gauges.model_loads, places, strict=False)]
    except WireError:
        # Counted where the gauges become series.
        return []
