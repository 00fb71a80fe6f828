"""Real servers in processes of their own, and a collector for what they send."""

import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
from free_ports import free_port
from hooks_out import take_out

from inferometer.record.model import RequestRecord
from inferometer.recorder.worker import Worker
from inferometer.settings import Settings
from inferometer.testing import Collector

HERE = Path(__file__).parent


@dataclass
class Served:
    """A server, and what it recorded."""

    port: int
    collector: Collector
    process: subprocess.Popen

    def ask(self, path, *, method="GET", body=None, headers=None, read=True):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        connection.request(method, path, body, {"content-type": "application/json", **(headers or {})})
        answer = connection.getresponse()
        if read:
            answer.read()
        connection.close()
        return answer

    def record(self, path, **more) -> RequestRecord:
        """The record of one request to *path*; nothing else may be asked meanwhile."""
        return self.recorded(lambda: self.ask(path, **more))[0]

    def recorded(self, act, count=1) -> list[RequestRecord]:
        before = len(self.collector.records)
        act()
        return self.collector.wait(before + count)[before:]


def listening(where: int | str) -> bool:
    """Whether somebody listens on a port, or on a Unix socket."""
    family, address = (socket.AF_UNIX, where) if isinstance(where, str) else (socket.AF_INET, ("127.0.0.1", where))
    with socket.socket(family) as sock:
        return sock.connect_ex(address) == 0


@pytest.fixture(scope="module")
def serve(tmp_path_factory):
    running = []

    def start(*command, unix="", **environment) -> Served:
        port = free_port()
        folder = tmp_path_factory.mktemp("serve")
        collector = Collector(folder / "i.sock")
        environ = {**os.environ, "INFEROMETER_SIDECAR": collector.address, "INFEROMETER_FLUSH_SECONDS": "0.05"}
        environ.pop("OTEL_SERVICE_NAME", None)
        log = (folder / "log").open("wb")
        process = subprocess.Popen(
            [sys.executable, *[part.format(port=port) for part in command]],
            env={**environ, **environment}, cwd=HERE, stdout=log, stderr=log,
        )  # fmt: skip
        log.close()
        running.append((process, collector))
        deadline = time.monotonic() + 30
        while not listening(unix or port):
            assert process.poll() is None, (folder / "log").read_text()
            assert time.monotonic() < deadline
            time.sleep(0.02)
        return Served(port, collector, process)

    yield start
    for process, collector in running:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        collector.close()


@pytest.fixture
def hooked():
    """A worker whose hooks are taken out after the test."""
    worker = Worker(Settings(service="hooked", host="host-1"))
    worker.started = True
    yield worker
    take_out(worker)
