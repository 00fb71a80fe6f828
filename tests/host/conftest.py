"""A worker whose frames are made by hand, and requests without a server."""

import pytest

from inferometer.recorder.frames import FrameMaker
from inferometer.recorder.worker import Worker
from inferometer.settings import Settings
from inferometer.wire.frame import Names, decode
from inferometer.wire.records import records


class Bench:
    """One worker, and what it would send."""

    def __init__(self) -> None:
        self.worker = Worker(Settings(service="tested", host="host-1", class_header="x-class"))
        self.worker.started = True
        self._maker = FrameMaker(self.worker)
        self._names = Names()

    def frame(self):
        frame = decode(self._maker.make()[1])
        self._names.update(frame.names)
        return frame

    def records(self):
        return list(records(self.frame(), self._names))


@pytest.fixture
def bench():
    return Bench()


@pytest.fixture(scope="session")
def make_bench():
    return Bench
