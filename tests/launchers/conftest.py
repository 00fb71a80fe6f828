"""Servers, started by every launcher as people start them."""

import http.client
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from free_ports import free_port

from inferometer.testing import Collector

HERE = Path(__file__).parent
SECONDS = 30.0


def eventually(what: str, ask: Callable[[], object]) -> None:
    deadline = time.monotonic() + SECONDS
    while not ask():
        assert time.monotonic() < deadline, f"{what}: not within {SECONDS} s"
        time.sleep(0.02)


@dataclass
class Launched:
    """A server under its launcher, and what its workers recorded."""

    port: int
    collector: Collector
    process: subprocess.Popen
    log: Path
    answered: int = 0

    def ask(self, number: int = 21) -> int | None:
        """The pid of the worker that answered; None where nobody did."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request("GET", f"/double/{number}")
            answer = connection.getresponse()
            found = json.loads(answer.read())
        except (OSError, http.client.HTTPException):
            assert self.process.poll() is None, self.log.read_text()
            return None
        finally:
            connection.close()
        assert (answer.status, found["double"]) == (200, 2 * number), self.log.read_text()
        self.answered += 1
        return int(found["pid"])

    def ask_all(self, workers: int, *, at_least: int = 20) -> set[int]:
        """Ask until each of so many workers has answered."""
        pids: set[int] = set()

        def asked() -> bool:
            pid = self.ask()
            if pid is not None:
                pids.add(pid)
            return len(pids) >= workers and self.answered >= at_least

        eventually(f"{workers} workers", asked)
        return pids

    def end(self) -> float:
        """Terminate it as a supervisor does; seconds until it was gone."""
        begun = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(10)
        return time.monotonic() - begun


@pytest.fixture
def launch(tmp_path) -> Iterator[Callable[..., Launched]]:
    running: list[Launched] = []

    def start(*command: str, folder: Path = HERE, **environment: str) -> Launched:
        port = free_port()
        collector = Collector(tmp_path / f"{len(running)}.sock")
        # So long that what is there at the end came because the server ended.
        environ = {**os.environ, "INFEROMETER_SIDECAR": collector.address, "INFEROMETER_FLUSH_SECONDS": "5"}
        environ.pop("OTEL_SERVICE_NAME", None)
        path = tmp_path / f"{len(running)}.log"
        with path.open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, *[part.format(port=port) for part in command]], env={**environ, **environment},
                cwd=folder, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        here = Launched(port, collector, process, path)
        running.append(here)
        eventually("an answer", here.ask)
        return here

    yield start
    for here in running:
        here.process.terminate()
        try:
            here.process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(here.process.pid, signal.SIGKILL)
            here.process.wait()
        here.collector.close()
