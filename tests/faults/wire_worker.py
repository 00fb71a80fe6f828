"""A worker of the wire protocol, for trials: it knows what it sent, and sends again what was not acknowledged."""

import secrets
import socket
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path

from inferometer.fleet.objective import Objective, Sli
from inferometer.fleet.thresholds import Price, Thresholds
from inferometer.intake.passes import boot_id
from inferometer.wire.frame import Frame, Names, encode
from inferometer.wire.layout import EXECUTES, REQUESTS, Section, Table
from inferometer.wire.message import Hello, Reader, Type, acked, pack

PERIOD = 0.02
PER_FRAME = 20
NAMES = Names(
    {1: ("svc", "m", "1", "", "acme", "", "POST", "/m"), 2: ("svc", "m", "1", "", "x", "", "POST", "/m")}, {1: "box"}
)
THRESHOLDS = Thresholds(
    objectives=(
        Objective(slo="fast", service="svc", model="m", name="fast", sli=Sli.LATENCY, threshold_ns=8_000_000,
                  target="99", window_ns=1),
    ),
    known_tenants=("acme",),
    prices=(Price(kind="cpu", model="*", picodollars_per_hour=200_000_000_000, price_kind="owned", source="test",
                  as_of="2026-10-01"),),
)  # fmt: skip


def row(table: Table, **values: int) -> bytes:
    return table.row.pack(*(values.get(name, 0) for name in table.names))


class Worker:
    """A worker of the wire protocol: numbers its frames, keeps them until they are acknowledged, sends them again."""

    def __init__(
        self,
        path: Path,
        *,
        names: Names = NAMES,
        per_frame: int = PER_FRAME,
        period: float = PERIOD,
        wall_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self._path = path
        self._names = names
        self._shapes = sorted(names.shapes)
        self._per_frame = per_frame
        self.period = period
        self._wall_ns = wall_ns
        self._id = secrets.token_bytes(16)
        self._sequence = 0
        self._last = time.monotonic_ns()
        self._waiting: deque[tuple[int, bytes]] = deque()
        self._socket: socket.socket | None = None
        self._reader = Reader()
        self._stop = threading.Event()
        self.spans: list[int] = []
        self.in_order = False
        """Label sets are used one after the other, not by chance."""
        self.thread = threading.Thread(target=self._run, daemon=True)

    def _frame(self, *, requests: bool) -> None:
        now = time.monotonic_ns()
        finished, executes = [], []
        for index in range(self._per_frame if requests else 0):
            span = secrets.randbits(64)
            begin = self._last + index * 10_000
            end = min(begin + secrets.randbelow(10_000_000), now)
            begin = min(begin, end)
            self.spans.append(span)
            finished.append(
                row(
                    REQUESTS, trace_hi=1, trace_lo=span, span_id=span, entry=begin, endpoint=begin, last=end, done=end,
                    shape=self._shape(span), status=200, flags=1, bytes_in=10,
                )
            )  # fmt: skip
            executes.append(
                row(EXECUTES, span_id=span, execute_id=span, start=begin, end=end, device=1, batch_size=1, final=1)
            )
        self._last = now
        self._sequence += 1
        frame = Frame(
            worker_id=self._id,
            sequence=self._sequence,
            monotonic_ns=now,
            wall_ns=self._wall_ns(),
            gauges={"in_flight": 1},
            tables={Section.REQUESTS: b"".join(finished), Section.EXECUTES: b"".join(executes)},
        )
        message = pack(Type.FRAME, encode(frame))
        self._waiting.append((self._sequence, message))
        self._send(message)

    def _shape(self, span: int) -> int:
        return self._shapes[(len(self.spans) - 1 if self.in_order else span) % len(self._shapes)]

    def _send(self, message: bytes) -> None:
        if self._socket is not None:
            try:
                self._socket.sendall(message)
            except OSError:
                self._lose()

    def _lose(self) -> None:
        if self._socket is not None:
            self._socket.close()
        self._socket = None

    def _connect(self) -> None:
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(2.0)
        try:
            connection.connect(str(self._path))
        except OSError:
            connection.close()
            return
        self._socket, self._reader = connection, Reader()
        hello = Hello(
            worker_id=self._id, pid=1, service="svc", sdk_version="0", boot_id=boot_id(), host="box", start_ns=0,
            names=self._names,
        )  # fmt: skip
        self._send(pack(Type.HELLO, hello.to_bytes()))
        for _, message in list(self._waiting):
            self._send(message)

    def _receive(self) -> None:
        if self._socket is None:
            return
        self._socket.settimeout(0.0)
        try:
            data = self._socket.recv(65_536)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        finally:
            if self._socket is not None:
                self._socket.settimeout(2.0)
        if not data:
            self._lose()
            return
        for kind, payload in self._reader.feed(data):
            assert kind == Type.ACK, payload
            while self._waiting and self._waiting[0][0] <= acked(payload):
                self._waiting.popleft()

    def _run(self) -> None:
        while not self._stop.is_set() or self._waiting:
            if self._socket is None:
                self._connect()
            self._receive()
            if not self._stop.is_set():
                self._frame(requests=True)
            time.sleep(self.period)
        # An idle frame tells that nothing ran since.
        self._frame(requests=False)
        self._lose()

    def finish(self) -> None:
        self._stop.set()
        self.thread.join(60)
        assert not self.thread.is_alive(), f"{len(self._waiting)} frames were never acknowledged"

    @property
    def waiting(self) -> int:
        """Frames that are not acknowledged."""
        return len(self._waiting)
