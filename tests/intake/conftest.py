"""A worker that speaks the real protocol: numbered frames, resent until they are acknowledged."""

import os
import select
import socket
import time
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from inferometer.catalog.stages import Outcome
from inferometer.intake import local
from inferometer.intake.passes import boot_id
from inferometer.intake.pipeline import Arrival, WorkerInfo
from inferometer.record.model import Flag, Moment
from inferometer.wire.frame import Frame, Names, encode
from inferometer.wire.gauges import Gauges
from inferometer.wire.layout import BATCHES, EXECUTES, EXTERNAL_IDS, OPEN, REQUESTS, Section, Table
from inferometer.wire.message import Hello, Reader, Type, acked, pack

SHAPE = ("svc", "m", "", "", "", "", "POST", "/predict")


class FakeWorker:
    """Sends requests of 1 ms each."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.worker_id = os.urandom(16)
        self.sequence = 0
        self.sent = 0
        self.waiting: deque[tuple[int, bytes]] = deque()
        self._sock: socket.socket | None = None
        self._reader = Reader()

    def request(self, count: int = 1) -> None:
        """Make a frame of *count* finished requests and try to send it."""
        now = time.monotonic_ns()
        stamps = [0] * len(Moment)
        stamps[Moment.ENTRY], stamps[Moment.RESPOND] = now - 1_000_000, now - 1_000
        stamps[Moment.LAST] = stamps[Moment.DONE] = now
        rows = b"".join(
            REQUESTS.row.pack(
                1, int.from_bytes(os.urandom(8)), int.from_bytes(os.urandom(8)), 0, *stamps,
                0, 10, 10, 1, 1, 0, 0, 200, Outcome.OK, Flag.ENTRY, 0,
            )
            for _ in range(count)
        )  # fmt: skip
        self.sequence += 1
        self.sent += count
        frame = Frame(
            worker_id=self.worker_id, sequence=self.sequence, monotonic_ns=now, wall_ns=time.time_ns(),
            gauges=Gauges(drops={"buffer_full": self.sequence}).to_json(), tables={Section.REQUESTS: rows},
        )  # fmt: skip
        self.waiting.append((self.sequence, pack(Type.FRAME, encode(frame))))
        self._send(self.waiting[-1][1])

    def settle(self, seconds: float) -> bool:
        """Resend and read until everything is acknowledged; False where that took longer."""
        deadline = time.monotonic() + seconds
        while self.waiting and time.monotonic() < deadline:
            if self._sock is None:
                self._connect()
                time.sleep(0.01)
            else:
                self._read(0.05)
        return not self.waiting

    def close(self) -> None:
        if self._sock is not None:
            self._sock.close()
            self._sock = None

    def _connect(self) -> None:
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            sock.connect(str(self.path))
        except OSError:
            sock.close()
            return
        self._sock, self._reader = sock, Reader()
        hello = Hello(
            worker_id=self.worker_id, pid=os.getpid(), service="svc", sdk_version="0", boot_id=boot_id(), host="h",
            start_ns=1, names=Names({1: SHAPE}, {}),
        )  # fmt: skip
        self._send(pack(Type.HELLO, hello.to_bytes()))
        for _, message in list(self.waiting):
            self._send(message)

    def _send(self, message: bytes) -> None:
        if self._sock is None:
            return
        try:
            self._sock.sendall(message)
        except OSError:
            self.close()

    def _read(self, seconds: float) -> None:
        if self._sock is None or not select.select([self._sock], [], [], seconds)[0]:
            return
        try:
            data = self._sock.recv(65536)
        except OSError:
            data = b""
        if not data:
            self.close()
            return
        for kind, payload in self._reader.feed(data):
            assert kind == Type.ACK, payload
            durable = acked(payload)
            while self.waiting and self.waiting[0][0] <= durable:
                self.waiting.popleft()


INFO = WorkerInfo(worker_id=b"w" * 16, pid=42, service="svc", sdk_version="0", host="h", start_ns=1)
MS = 1_000_000
BEGIN = 5_000 * MS


class Rows:
    """Builds the tables of a frame, request by request."""

    def __init__(self, info: WorkerInfo = INFO, names: Names | None = None) -> None:
        self.info = info
        self.names = names or Names({1: SHAPE}, {1: "cpu"})
        self.sequence = 0
        self._tables: dict[Section, bytes] = {}

    def request(
        self,
        span: int,
        *,
        trace: int = 1,
        duration: int = MS,
        outcome: Outcome = Outcome.OK,
        flags: int = Flag.ENTRY,
        shape: int = 1,
    ) -> "Rows":
        stamps = [0] * len(Moment)
        stamps[Moment.ENTRY], stamps[Moment.LAST] = BEGIN, BEGIN + duration
        row = REQUESTS.row.pack(
            trace >> 64, trace & (2**64 - 1), span, 0, *stamps, 0, 0, 0, shape, 1, 0, 0, 200, outcome, flags, 0
        )
        return self._add(REQUESTS, row)

    def execute(self, span: int, *, batch: int = 0) -> "Rows":
        return self._add(
            EXECUTES, EXECUTES.row.pack(span, span + 1, batch, 0, BEGIN, BEGIN + MS // 2, 1, 1, 1, 1, 0, 1, 0, 0)
        )

    def called(self, span: int, text: bytes) -> "Rows":
        return self._add(EXTERNAL_IDS, EXTERNAL_IDS.row.pack(span, text))

    def open(
        self, span: int, *, trace: int = 1, begun: int = BEGIN, chunk: int = 0, flags: int = 0, token: int = 0
    ) -> "Rows":
        return self._add(
            OPEN, OPEN.row.pack(trace >> 64, trace & (2**64 - 1), span, 0, begun, chunk, 1, flags | Flag.OPEN, token)
        )

    def batch(self, number: int, reason: int = 1) -> "Rows":
        return self._add(BATCHES, BATCHES.row.pack(number, BEGIN, BEGIN, BEGIN + MS, 1, 4, 8, 0, reason, 0, 0, 0))

    def _add(self, table: Table, row: bytes) -> "Rows":
        self._tables[table.section] = self._tables.get(table.section, b"") + row
        return self

    def arrival(self, *, now: int = BEGIN + 10 * MS, gauges: dict[str, object] | None = None) -> Arrival:
        """What was built since the last one, as the worker's next frame."""
        self.sequence += 1
        tables, self._tables = self._tables, {}
        frame = Frame(
            worker_id=self.info.worker_id,
            sequence=self.sequence,
            monotonic_ns=now,
            wall_ns=now + 10**18,
            gauges=gauges or {},
            tables=tables,
        )
        return Arrival(self.info, frame, self.names)


@pytest.fixture(scope="session")
def rows() -> type[Rows]:
    return Rows


@pytest.fixture
def connect(tmp_path) -> Iterator[Callable[[], FakeWorker]]:
    """Makes workers that send to the Intake of the test's folder."""
    made: list[FakeWorker] = []

    def make() -> FakeWorker:
        made.append(FakeWorker(tmp_path / local.SOCKET_NAME))
        return made[-1]

    yield make
    for worker in made:
        worker.close()
