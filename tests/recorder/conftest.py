"""A worker of its own per test, and an ASGI client that needs no server."""

import asyncio
from dataclasses import dataclass, field

import pytest

from inferometer.record.model import Batch, Execute, RequestRecord
from inferometer.recorder.asgi import recording
from inferometer.recorder.frames import FrameMaker
from inferometer.recorder.worker import Worker
from inferometer.settings import Settings
from inferometer.testing import Collector
from inferometer.wire.frame import Frame, Names, decode
from inferometer.wire.records import batches, executes, records


@dataclass
class Bench:
    """A worker whose frames are made by hand, without a thread."""

    worker: Worker
    names: Names = field(default_factory=Names)
    maker: FrameMaker | None = None

    def frame(self) -> Frame:
        self.maker = self.maker or FrameMaker(self.worker)
        frame = decode(self.maker.make()[1])
        self.names.update(frame.names)
        return frame

    def records(self) -> list[RequestRecord]:
        return list(records(self.frame(), self.names))

    def executes(self, frame: Frame) -> list[tuple[int, int, int, Execute]]:
        return list(executes(frame, self.names))

    def batches(self, frame: Frame) -> list[Batch]:
        return list(batches(frame, self.names))

    def wrap(self, app):
        recorded = recording(self.worker, lambda _, scope, receive, send: app(scope, receive, send))
        return lambda scope, receive, send: recorded(None, scope, receive, send)


@dataclass
class Client:
    """Sends one request to an ASGI application, and can leave before the answer."""

    headers: tuple[tuple[bytes, bytes], ...] = ()
    body: bytes = b"{}"
    method: str = "POST"
    path: str = "/predict"
    leaves: asyncio.Event | None = None
    sent: list[dict] = field(default_factory=list)
    send_seconds: float = 0.0

    async def __call__(self, app):
        scope = {
            "type": "http", "method": self.method, "path": self.path, "headers": list(self.headers),
            "root_path": "", "query_string": b"", "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1", "scheme": "http", "server": ("127.0.0.1", 80), "client": ("127.0.0.1", 9),
        }  # fmt: skip
        asked = 0

        async def receive():
            nonlocal asked
            asked += 1
            if asked == 1:
                return {"type": "http.request", "body": self.body, "more_body": False}
            await (self.leaves or asyncio.Event()).wait()
            return {"type": "http.disconnect"}

        async def send(message):
            if self.send_seconds:
                await asyncio.sleep(self.send_seconds)
            self.sent.append(message)

        await app(scope, receive, send)
        return self


@pytest.fixture
def bench():
    made = Bench(Worker(Settings(service="tested", host="host-1")))
    # A frame is made by hand; nothing is to be sent.
    made.worker.started = True
    return made


@pytest.fixture
def client():
    return Client


@pytest.fixture
def collector(tmp_path):
    with Collector(tmp_path / "intake.sock") as listening:
        yield listening


@pytest.fixture
def answer():
    """An application that reads the body and answers what it is told."""

    def make(status=200, headers=(), parts=(b"done",), before=None):
        async def app(scope, receive, send):
            await receive()
            if before is not None:
                await before()
            await send({"type": "http.response.start", "status": status, "headers": list(headers)})
            for part in parts[:-1]:
                await send({"type": "http.response.body", "body": part, "more_body": True})
            await send({"type": "http.response.body", "body": parts[-1]})

        return app

    return make
