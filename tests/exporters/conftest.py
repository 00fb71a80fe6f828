"""Builders for tests of the sidecar: a worker that makes arrivals, and a pipeline on a recorder of its own."""

import itertools
import secrets
import time
import urllib.request
from dataclasses import dataclass, field

import pytest

from inferometer.aggregate import Aggregator, exact_bounds
from inferometer.catalog.stages import Kind
from inferometer.fleet.objective import Objective, Sli
from inferometer.fleet.thresholds import Price, Thresholds
from inferometer.intake.pipeline import Arrival, WorkerInfo
from inferometer.wire.frame import Frame, Names
from inferometer.wire.layout import CALLS, EXECUTES, GAPS, INTERVALS, OPEN, REQUESTS, Section
from inferometer.wire.pod import Pod
from inferometer_exporters.ledger.account import Device
from inferometer_exporters.pipeline import SidecarPipeline
from inferometer_exporters.ports import Address
from inferometer_exporters.recorder.store import Recorder
from inferometer_exporters.sidecar_settings import SidecarSettings
from inferometer_exporters.source import Sampler

SECOND = 10**9
MS = 10**6
WALL = 1_790_000_000 * SECOND
HOST = Device(name="box", kind="cpu", model="a CPU")
PRICE = Price(
    kind="cpu", model="*", picodollars_per_hour=3_600_000_000_000, price_kind="owned", source="test", as_of="2026-10-01"
)  # 3.60 USD per hour: 0.001 USD per second, 1 picodollar per nanosecond
SHAPES = {
    1: ("gateway", "", "", "", "acme", "", "POST", "/search"),
    2: ("embedder", "minilm", "v1", "", "", "", "POST", "/embed"),
    3: ("gateway", "", "", "", "stranger", "", "POST", "/search"),
}
STRINGS = {1: "box", 2: "127.0.0.1:8101", 3: "POST", 4: "GPU-1"}


def row(table, **values):
    return table.row.pack(*(values.get(name, 0) for name in table.names))


@dataclass
class FakeWorker:
    """Makes arrivals as an Intake hands them to a pipeline."""

    pid: int = 7
    worker_id: bytes = field(default_factory=lambda: secrets.token_bytes(16))
    sequence: int = 0
    pod: Pod = field(default_factory=Pod)

    def arrival(
        self, now, *, requests=(), executes=(), calls=(), intervals=(), gaps=(), opened=(), external_ids=(), gauges=None
    ):
        self.sequence += 1
        tables = {
            Section.REQUESTS: b"".join(requests),
            Section.EXECUTES: b"".join(executes),
            Section.CALLS: b"".join(calls),
            Section.INTERVALS: b"".join(intervals),
            Section.GAPS: b"".join(gaps),
            Section.OPEN: b"".join(opened),
            Section.EXTERNAL_IDS: b"".join(external_ids),
        }
        names = Names(dict(SHAPES), dict(STRINGS))
        frame = Frame(
            worker_id=self.worker_id,
            sequence=self.sequence,
            monotonic_ns=now,
            wall_ns=WALL + now,
            names=names,
            gauges=gauges or {},
            tables=tables,
        )
        info = WorkerInfo(
            worker_id=self.worker_id,
            pid=self.pid,
            service="gateway",
            sdk_version="0",
            host="box",
            start_ns=0,
            pod=self.pod,
        )
        return Arrival(info, frame, names)


def request(span, begin, end, *, shape=2, trace=1, flags=1, outcome=0, **more):
    values = {
        "trace_hi": 0xABC, "trace_lo": trace, "span_id": span, "entry": begin, "endpoint": begin, "last": end,
        "done": end, "shape": shape, "status": 503 if outcome == 3 else 200, "outcome": outcome, "flags": flags,
    } | more  # fmt: skip
    return row(REQUESTS, **values)


def execute(span, begin, end, *, final=1, size=1, **more):
    values = {"span_id": span, "execute_id": span, "start": begin, "end": end, "device": 1, "batch_size": size}
    return row(EXECUTES, **(values | {"final": final} | more))


def call(span, call_id, begin, end, **more):
    values = {"span_id": span, "call_id": call_id, "start": begin, "sent": begin, "headers": end, "end": end}
    values |= {"target": 2, "method": 3, "status": 200, "kind": Kind.INFERENCE, "attempt": 1}
    return row(CALLS, **(values | more))


def interval(span, begin, end, stage, kind=0):
    return row(INTERVALS, span_id=span, start=begin, end=end, stage=stage, kind=kind)


def gap(span, bucket, count):
    return row(GAPS, span_id=span, bucket=bucket, count=count)


def opened(span, begin, *, shape=2, trace=1, flags=17):
    return row(OPEN, trace_hi=0xABC, trace_lo=trace, span_id=span, arrival=begin, shape=shape, flags=flags)


THRESHOLDS = Thresholds(
    objectives=(
        Objective(slo="available", service="embedder", model="minilm", name="available", sli=Sli.AVAILABILITY,
                  threshold_ns=None, target="99.9", window_ns=1),
        Objective(slo="fast", service="embedder", model="minilm", name="fast", sli=Sli.LATENCY,
                  threshold_ns=100 * MS, target="99", window_ns=1),
    ),
    known_tenants=("acme",),
    prices=(PRICE,),
)  # fmt: skip


class Clock:
    """Time that a test moves."""

    def __init__(self):
        self.now = 1_000 * SECOND

    def monotonic(self):
        return self.now

    def wall(self):
        return WALL + self.now


class Bench:
    """A pipeline whose passes a test drives."""

    def __init__(self, folder, *, writer=None, clock=None, sampler=None, thresholds=THRESHOLDS, pages=(), foreign=None):
        self.clock = clock or Clock()
        self.recorder = Recorder(folder / "recorder.duckdb", objectives=THRESHOLDS.objectives)
        self.aggregator = Aggregator(extra_bounds=exact_bounds(thresholds), monotonic_ns=self.clock.monotonic)
        self.pipeline = SidecarPipeline(
            self.recorder,
            thresholds,
            HOST,
            self.aggregator,
            sampler=sampler or Sampler([]),
            writer=writer,
            pages=pages,
            foreign=None if foreign is None else lambda naming: foreign(self, naming),
            monotonic_ns=self.clock.monotonic,
            wall_ns=self.clock.wall,
        )
        self.number = 0

    def do_pass(self, *arrivals, seconds=0.25, gone=()):
        """One pass, as the Intake drives it; the sections of its state."""
        self.clock.now += int(seconds * SECOND)
        if arrivals:
            self.pipeline.absorb(arrivals)
        if gone:
            self.pipeline.departed(gone)
        self.pipeline.tick(self.clock.now)
        self.number += 1
        self.pipeline.commit(self.number, previous_ns=None)
        sections = self.pipeline.dump()
        self.pipeline.publish()
        return sections

    def value(self, entry, *labels):
        """A counter's or gauge's value, or a histogram's (count, total); None where the series is not there."""
        for family in self.pipeline.snapshot.families:
            if family.entry is entry:
                for sample in family.samples:
                    if sample.labels == labels:
                        return sample.value if family.layout is None else (sample.count, sample.total)
        return None

    def rows(self, sql):
        cursor = self.recorder.cursor()
        try:
            return cursor.execute(sql).fetchall()
        finally:
            cursor.close()


class Make:
    """The builders, for tests that cannot import this file."""

    SECOND, MS, WALL, THRESHOLDS = SECOND, MS, WALL, THRESHOLDS
    strings = STRINGS
    worker = FakeWorker
    request = staticmethod(request)
    execute = staticmethod(execute)
    call = staticmethod(call)
    interval = staticmethod(interval)
    gap = staticmethod(gap)
    row = staticmethod(row)
    opened = staticmethod(opened)
    ids = staticmethod(lambda: itertools.count(1))


@pytest.fixture(scope="session")
def make():
    return Make


@pytest.fixture(scope="module")
def lasting_bench(tmp_path_factory):
    """A pipeline for tests that only look at what it has done."""
    made = Bench(tmp_path_factory.mktemp("lasting"))
    yield made
    made.recorder.close()


@pytest.fixture
def bench(tmp_path):
    made = Bench(tmp_path)
    yield made
    made.recorder.close()


@pytest.fixture
def new_bench(tmp_path):
    """Makes pipelines; each opens the same recorder file after the one before was closed."""
    made = []

    def build(**more):
        if made:
            made[-1].recorder.close()
        made.append(Bench(tmp_path, **more))
        return made[-1]

    yield build
    made[-1].recorder.close()


@pytest.fixture
def until():
    """Waits for a condition, with a deadline."""

    def wait(condition, seconds=10.0):
        deadline = time.monotonic() + seconds
        while not (found := condition()):
            assert time.monotonic() < deadline, f"still {found!r} after {seconds} s"
            time.sleep(0.01)
        return found

    return wait


@pytest.fixture
def settings():
    """Makes the settings of a sidecar that has everything in a folder and listens on free ports."""

    def made(folder, **more):
        given = {
            "socket": folder / "s.sock", "state": folder / "state", "metrics": Address("127.0.0.1", 0),
            "api": Address("127.0.0.1", 0), "host": "box",
        }  # fmt: skip
        return SidecarSettings(**(given | more))

    return made


@pytest.fixture
def get():
    """Asks for a page and gives its text."""

    def text(url):
        with urllib.request.urlopen(url, timeout=5) as answer:
            return answer.read().decode()

    return text
