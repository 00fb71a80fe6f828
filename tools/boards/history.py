"""An hour of the real sidecar's life in virtual time: real records in, real pages out, one each 15 seconds."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from boards.devices import Devices
from boards.engine_pages import PAGES, Growing
from boards.traffic import STEP_SECONDS, Traffic
from boards.workers import HOST, SECOND
from inferometer.aggregate import Aggregator, Exposition, exact_bounds
from inferometer.aggregate.exposition import PROTOBUF
from inferometer.aggregate.sample import joined
from inferometer.catalog import telemetry
from inferometer.catalog.labels import COMPONENT, PORT, REFUSAL
from inferometer.fleet.model import Fleet
from inferometer.fleet.summary import thresholds
from inferometer.fleet.thresholds import EnginePages
from inferometer.otlp.sender import Settled, Unit
from inferometer.otlp.writer import TraceWriter
from inferometer_exporters.engines.fleet import of_fleet
from inferometer_exporters.engines.scrape import Scraper
from inferometer_exporters.ledger.account import Device
from inferometer_exporters.pages.fetch import PageUrl
from inferometer_exporters.pipeline import SidecarPipeline
from inferometer_exporters.recorder.store import Recorder
from inferometer_exporters.tally import Tally

STEPS: Final = 246
"""An hour, and the scrapes that its first rates reach back to."""
ENGINE_STEPS: Final = 2
"""Engines are asked at every second scrape: they change no faster, and each answer is written to a disk."""
_BEGIN: Final = 1_000 * SECOND


@dataclass
class Accepting:
    """A trace store that accepts everything at once, so that exemplars appear."""

    waiting: list[Unit] = field(default_factory=list)

    def put(self, unit: Unit) -> bool:
        """Take in spans."""
        self.waiting.append(unit)
        return True

    def settled(self) -> Settled:
        """All of them are stored."""
        accepted, self.waiting = self.waiting, []
        return Settled(accepted=accepted)


@dataclass
class Clock:
    """Time of the history; CLOCK_MONOTONIC begins somewhere, wall time where it is told."""

    wall_begin: int
    now: int = _BEGIN

    def monotonic(self) -> int:
        """Ns."""
        return self.now

    def seconds(self) -> float:
        """The same in seconds."""
        return self.now / SECOND

    def wall(self) -> int:
        """Ns since the epoch."""
        return self.wall_begin + self.now - _BEGIN


def pages(fleet: Fleet, folder: Path, end_ns: int, steps: int = STEPS) -> Iterator[tuple[int, bytes]]:
    """(milliseconds since the epoch, protobuf page) of each scrape; the last one is at *end_ns*.

    Args:
        fleet: what is promised, and who is known.
        folder: where the recorder and the totals of engines' pages lie.
        end_ns: since the epoch.
        steps: number of scrapes.
    """
    clock = Clock(wall_begin=end_ns - steps * STEP_SECONDS * SECOND)
    known, devices, tally, traffic = thresholds(fleet), Devices(_BEGIN), Tally(), Traffic()
    recorder = Recorder(folder / "recorder.duckdb", objectives=known.objectives)
    aggregator = Aggregator(extra_bounds=exact_bounds(known), monotonic_ns=clock.monotonic)
    aggregator.set(telemetry.BUILD_INFO, ("0.1.0", COMPONENT.values[-1]), 1)
    pipeline = SidecarPipeline(
        recorder,
        known,
        Device(name=HOST, kind="cpu", model="a CPU"),
        aggregator,
        sampler=devices,
        writer=TraceWriter(Accepting()),
        tally=tally,
        monotonic_ns=clock.monotonic,
        wall_ns=clock.wall,
    )
    engines = _Engines(known.engines, folder / "engines", clock.seconds)
    shown = Exposition(lambda: joined(pipeline.snapshot, engines.families()))
    try:
        for number in range(steps):
            clock.now += STEP_SECONDS * SECOND
            devices.now = clock.now
            _own(tally)
            arrivals = [
                worker.arrival(clock.now, clock.wall(), tables.packed())
                for worker, tables in traffic.step(number, clock.now)
            ]
            if traffic.gone:
                pipeline.departed(traffic.gone)
            pipeline.absorb(arrivals)
            pipeline.tick(clock.now)
            pipeline.commit(number + 1, previous_ns=7_000_000)
            pipeline.publish()
            if number % ENGINE_STEPS == 0:
                engines.scrape(number)
            page = shown.respond(PROTOBUF)
            page.fetched()
            yield clock.wall() // 10**6, page.body
    finally:
        recorder.close()


def _own(tally: Tally) -> None:
    """What only ports and other threads of a whole sidecar count."""
    grpc = PORT.values[2]
    tally.add(telemetry.SPANS_RECEIVED, (grpc,), 30)
    tally.add(telemetry.SPANS_STORED, (), 20)
    tally.add(telemetry.SPANS_FORWARDED, (), 20)
    tally.add(telemetry.SPANS_LATE, (), 2)
    tally.add(telemetry.SPANS_LET_GO, (), 2)
    tally.add(telemetry.REFUSALS, (grpc, REFUSAL.values[0]), 1)
    tally.add(telemetry.EXPORT_FAILURES, (), 1)
    tally.add(telemetry.SOURCE_CALL_ERRORS, ("nvml", "nvmlDeviceGetFieldValues", "gpu_is_lost"), 1)
    tally.add(telemetry.SERIES_LIMITED, (), 1)


class _Engines:
    """The fleet's foreign engines, whose pages are those of tests/data."""

    def __init__(self, told: tuple[EnginePages, ...], folder: Path, seconds: Callable[[], float]) -> None:
        folder.mkdir()
        scraped = of_fleet(told)
        self._pages = {one.url: Growing(_captured(one.url)) for one in scraped}
        self._number = 0
        self._scrapers = [
            Scraper(one, region="eu-1", folder=folder, period=STEP_SECONDS, get=self._get, monotonic=seconds)
            for one in scraped
        ]

    def _get(self, url: PageUrl, **_: object) -> bytes:
        return self._pages[url].page(self._number)

    def scrape(self, number: int) -> None:
        self._number = number
        for scraper in self._scrapers:
            scraper.scrape()

    def families(self):  # noqa: ANN202 - as Engines.families
        return [family for scraper in self._scrapers for family in scraper.families()]


def _captured(url: PageUrl) -> Path:
    """The capture that a page of the proof's fleet stands for: its host is the name of the file."""
    (found,) = PAGES.glob(f"*/{url.host}.prom")
    return found
