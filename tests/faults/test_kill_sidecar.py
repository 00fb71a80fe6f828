"""The sidecar is killed under load, again and again: nothing is lost, nothing is counted twice, nothing goes back."""

import contextlib
import http.client
import random
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections import defaultdict, deque
from pathlib import Path

import pytest

from inferometer.catalog import requests, telemetry
from inferometer.fleet.thresholds import Objective, Price, Sli, Thresholds, dumps
from inferometer.intake.passes import boot_id
from inferometer.wire.frame import Frame, Names, encode
from inferometer.wire.layout import EXECUTES, REQUESTS, Section, Table
from inferometer.wire.message import Hello, Reader, Type, acked, pack
from inferometer_exporters.recorder import queries

KILLS = 20
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

    def __init__(self, path: Path) -> None:
        self._path = path
        self._id = secrets.token_bytes(16)
        self._sequence = 0
        self._last = time.monotonic_ns()
        self._waiting: deque[tuple[int, bytes]] = deque()
        self._socket: socket.socket | None = None
        self._reader = Reader()
        self._stop = threading.Event()
        self.spans: list[int] = []
        self.thread = threading.Thread(target=self._run, daemon=True)

    def _frame(self, *, requests: bool) -> None:
        now = time.monotonic_ns()
        finished, executes = [], []
        for index in range(PER_FRAME if requests else 0):
            span = secrets.randbits(64)
            begin = self._last + index * 10_000
            end = min(begin + secrets.randbelow(10_000_000), now)
            begin = min(begin, end)
            self.spans.append(span)
            finished.append(
                row(
                    REQUESTS, trace_hi=1, trace_lo=span, span_id=span, entry=begin, endpoint=begin, last=end, done=end,
                    shape=1 + index % 2, status=200, flags=1, bytes_in=10,
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
            wall_ns=time.time_ns(),
            gauges={"in_flight": 1},
            tables={Section.REQUESTS: b"".join(finished), Section.EXECUTES: b"".join(executes)},
        )
        message = pack(Type.FRAME, encode(frame))
        self._waiting.append((self._sequence, message))
        self._send(message)

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
            names=NAMES,
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
            time.sleep(PERIOD)
        # An idle frame tells that nothing ran since.
        self._frame(requests=False)
        self._lose()

    def finish(self) -> None:
        self._stop.set()
        self.thread.join(30)
        assert not self.thread.is_alive(), f"{len(self._waiting)} frames were never acknowledged"


class Sidecar:
    """The process that is killed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.metrics = ""
        self.process: subprocess.Popen[str] | None = None

    def start(self, *, die_after: int = 0) -> None:
        program = Path(__file__).with_name("sidecar_process.py")
        command = [sys.executable, str(program), str(self._folder), "--die-after", str(die_after)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        for line in self.process.stdout:
            name, _, value = line.strip().partition(" ")
            if name == "metrics":
                self.metrics = value
            if name == "api":
                return
        # It died on the first steps, before it said where it listens: that is a kill like another.

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.reap()

    def reap(self) -> int:
        assert self.process is not None
        status = self.process.wait(60)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return status


class Scraper:
    """Fetches the page all the time and complains about every counter that falls."""

    def __init__(self, sidecar: Sidecar) -> None:
        self._sidecar = sidecar
        self._stop = threading.Event()
        self.values: dict[str, float] = {}
        self.fallen: list[str] = []
        self.scrapes = 0
        self.thread = threading.Thread(target=self._run, daemon=True)

    def scrape(self) -> None:
        try:
            with urllib.request.urlopen(self._sidecar.metrics, timeout=2) as answer:
                text = answer.read().decode()
        except (OSError, ValueError, http.client.HTTPException):
            # It is down, or died in the middle of its answer.
            return
        kinds: dict[str, str] = {}
        now: dict[str, float] = {}
        for line in text.splitlines():
            if line.startswith("# TYPE "):
                _, _, name, kind = line.split(" ")
                kinds[name] = kind
            elif not line.startswith("#"):
                key, value = line.split(" # ")[0].rsplit(" ", 1)
                name = key.partition("{")[0]
                if kinds.get(name) == "counter" or name.endswith(("_bucket", "_count", "_sum", "_total")):
                    now[key] = float(value)
        for key, value in now.items():
            if value < self.values.get(key, 0.0) - 1e-12:
                self.fallen.append(f"{key} fell from {self.values[key]} to {value}")
        self.values.update(now)
        self.scrapes += 1

    def _run(self) -> None:
        while not self._stop.wait(0.1):
            self.scrape()

    def finish(self) -> None:
        self._stop.set()
        self.thread.join(10)

    def total(self, name: str, **labels: str) -> float:
        wanted = [f'{label}="{value}"' for label, value in labels.items()]
        return sum(
            value
            for key, value in self.values.items()
            if key.partition("{")[0] == name and all(part in key for part in wanted)
        )


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_a_sidecar_that_is_killed_twenty_times_loses_nothing_and_counts_nothing_twice(tmp_path):
    chance = random.Random(secrets.randbits(32))
    (tmp_path / "thresholds.json").write_text(dumps(THRESHOLDS))
    sidecar = Sidecar(tmp_path)
    workers = [Worker(tmp_path / "sidecar.sock") for _ in range(2)]
    scraper = Scraper(sidecar)
    sidecar.start()
    for each in (*workers, scraper):
        each.thread.start()

    kills = defaultdict(int)
    for number in range(KILLS):
        # Odd ones die by themselves between two steps of a pass, even ones wherever the signal finds them.
        if number % 2:
            assert sidecar.reap() == -signal.SIGKILL
            kills["step"] += 1
        else:
            time.sleep(chance.uniform(0.0, 0.8))
            sidecar.kill()
            kills["moment"] += 1
        last = number == KILLS - 1
        sidecar.start(die_after=0 if number % 2 or last else chance.randrange(1, 30))
    for worker in workers:
        worker.finish()
    sent = [span for worker in workers for span in worker.spans]
    deadline = time.monotonic() + 20
    # A series is born at 0 and shows it until one scrape has fetched that.
    while scraper.total(requests.REQUESTS.name) < len(sent) and time.monotonic() < deadline:
        time.sleep(0.1)
    scraper.finish()
    assert sidecar.process is not None
    sidecar.process.send_signal(signal.SIGTERM)
    assert sidecar.reap() == 0

    assert kills == {"step": KILLS // 2, "moment": KILLS // 2}
    assert scraper.fallen == []
    assert scraper.scrapes > KILLS
    assert scraper.total(requests.REQUESTS.name, outcome="ok") == len(sent)
    assert scraper.total(telemetry.RECORDS.name) == len(sent)
    assert scraper.total(f"{requests.REQUEST_DURATION.name}_count") == len(sent)
    assert scraper.total(requests.SLO_EVENTS.name) == len(sent)
    assert scraper.total(telemetry.DROPS.name) == 0
    with contextlib.closing(queries.opened(tmp_path / "state" / "recorder.duckdb")) as cursor:
        stored = [span for (span,) in queries.rows(cursor, "select span_id from requests")]
        device = queries.devices(cursor)[0]
        charged = queries.rows(cursor, "select sum(device_ns) from requests")[0][0]
    assert sorted(stored) == sorted(sent)
    assert device["residual_ratio"] == 0
    assert charged <= device["ledger_seconds"]["attributed"] * 1e9 + 1e9
    assert device["ledger_seconds"]["unobserved"] > 0
