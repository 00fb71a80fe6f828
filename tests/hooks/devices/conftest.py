"""A pretended CUDA runtime in pretended time: streams, events, graphs that are captured, and a clock of its own.

What it models, and nothing else: work of one stream runs in order, each as soon as the one before it is done; an event
is reached when all before it in its stream is done; the device's clock runs a little faster than the host's; elapsed
times are 32-bit floats of milliseconds; a launch takes some microseconds to arrive; asking the host's clock takes
100 ns. An event that is asked while any thread captures breaks that capture, as in CUDA's default mode.
`benchmarks/gpu_execute.py` asks the same questions of a real device.
"""

import struct
from dataclasses import dataclass, field

import pytest

from inferometer.hooks.compute import What
from inferometer.hooks.device_runs import Captures, DeviceRuns
from inferometer.recorder import executes, request
from inferometer.recorder.frames import FrameMaker
from inferometer.recorder.request import OpenRequest, current_request
from inferometer.recorder.worker import Worker
from inferometer.settings import Settings
from inferometer.wire.frame import decode
from inferometer.wire.records import executes as rows_of
from inferometer.wire.records import records

MS = 10**6
ARRIVES = 5_000
"""ns until what is launched is in the stream."""


@dataclass
class Stream:
    """Work in order."""

    free_at: int = 0


class Event:
    """Reached when all before it in its stream is done."""

    def __init__(self, cuda):
        self.cuda = cuda
        self.reached = None
        cuda.events += 1

    def record(self, stream):
        self.cuda.clock.pass_(1_000)
        self.reached = max(self.cuda.clock.time + ARRIVES, stream.free_at)
        self.recorded_while_capturing = self.cuda.capturing_here

    def query(self):
        self.cuda.clock.pass_(500)
        self.cuda.asked += 1
        if self.cuda.captures.running:
            self.cuda.broken += 1
        if self.cuda.silent:
            return False
        if self.cuda.failing:
            raise RuntimeError("CUDA error: an illegal memory access was encountered")
        return self.reached is not None and self.cuda.clock.time >= self.reached

    def elapsed_time(self, end):
        assert self.query(), "elapsed_time of an event that was not reached"
        assert end.query(), "elapsed_time of an event that was not reached"
        ms = (self.cuda.device_time(end.reached) - self.cuda.device_time(self.reached)) / 1e6
        return struct.unpack("f", struct.pack("f", ms))[0]


@dataclass
class Clock:
    """The host's clock, in ns; it moves when it is told to, and a little when it is asked."""

    time: int = 10**12

    def __call__(self):
        self.time += 100
        return self.time

    def pass_(self, ns):
        self.time += ns


@dataclass
class Cuda:
    """A `Runtime` of one device."""

    clock: Clock
    captures: Captures
    faster: float = 0.0
    """Parts per million by which the device's clock is faster."""
    current: Stream = field(default_factory=Stream)
    own: Stream = field(default_factory=Stream)
    capturing_here: bool = False
    silent: bool = False
    failing: bool = False
    events: int = 0
    asked: int = 0
    broken: int = 0

    def device_time(self, at):
        return at * (1 + self.faster / 1e6) + 987_654_321

    def event(self):
        assert not self.captures.running, "an event is made while a graph is captured"
        return Event(self)

    def stream(self, _device):
        return self.current

    def idle_stream(self, _device):
        return self.own

    def capturing(self, _device):
        return self.capturing_here

    def launch(self, ns, stream=None):
        """Work of *ns*; returns when it really starts and ends."""
        stream = stream or self.current
        self.clock.pass_(2_000)
        start = max(self.clock.time + ARRIVES, stream.free_at)
        stream.free_at = start + ns
        return start, stream.free_at


@dataclass
class Bench:
    """A worker, a device, and what is told."""

    worker: Worker
    clock: Clock
    cuda: Cuda
    captures: Captures
    runs: DeviceRuns
    maker: FrameMaker
    told: list = field(default_factory=list)
    finished: list = field(default_factory=list)

    def run(self, ns, stream=None, rows=4, device="cuda:0"):
        """One run of *ns*; returns when it really starts and ends."""
        self.cuda.current, before = stream or self.cuda.current, self.cuda.current
        begun = self.runs.launch(What(device, "net", rows))
        truth = self.cuda.launch(ns)
        if begun is not None:
            self.runs.launched(begun)
        self.cuda.current = before
        return truth

    def frame(self):
        """Make a frame; returns its rows of executes: (span, final, execute)."""
        frame = decode(self.maker.make()[1])
        rows = [(span, final, run) for span, _, final, run in rows_of(frame, self.worker.shapes.all())]
        self.told += [(span, run) for span, final, run in rows if final]
        self.finished += records(frame, self.worker.shapes.all())
        return rows

    def open(self):
        """A request opens; what runs is for it."""
        opened = OpenRequest(self.worker, [])
        current_request.set(opened)
        return opened

    def close(self, opened):
        opened.close()
        current_request.set(None)


def _build(patch):
    clock, captures = Clock(), Captures()
    for module in (executes, request):
        patch.setattr(module, "now", clock)
    worker = Worker(Settings(service="devices", host="host-1"))
    cuda = Cuda(clock, captures)

    def failed(error):
        worker.hooks.failed("torch", error)

    runs = DeviceRuns(worker.executes, cuda, captures, 0, failed=failed, now=clock)
    worker.executes.devices.append(runs.read)
    return Bench(worker, clock, cuda, captures, runs, FrameMaker(worker))


@pytest.fixture(scope="session")
def build():
    """Makes a bench; what it replaces, it replaces through the given patch."""
    return _build


@pytest.fixture
def bench(monkeypatch):
    yield _build(monkeypatch)
    current_request.set(None)
