"""Interpreters and servers that are started as users start them."""

import http.client
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from free_ports import free_port

from inferometer.testing import Collector

HERE = Path(__file__).parent


def clean(**environment: str) -> dict[str, str]:
    """Our environment without what would switch something on."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("INFEROMETER_", "OTEL_", "COVERAGE_", "COV_"))}
    return {**kept, **environment}


@dataclass
class Server:
    """A server that is starting, or up."""

    process: subprocess.Popen
    port: int
    log: Path

    def ask(self, path: str) -> dict[str, object]:
        """The JSON that it answers."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request("GET", path)
            return dict(json.loads(connection.getresponse().read()))
        finally:
            connection.close()

    def first_answer(self, path: str) -> dict[str, object]:
        """The first JSON that it answers: it is up."""
        deadline = time.monotonic() + 30
        while True:
            try:
                return self.ask(path)
            except (OSError, http.client.HTTPException):
                assert self.process.poll() is None, self.log.read_text()
                assert time.monotonic() < deadline, self.log.read_text()
                time.sleep(0.05)


@pytest.fixture
def python() -> Callable[..., subprocess.CompletedProcess]:
    """Runs an interpreter to its end."""

    def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess:
        return subprocess.run(
            [sys.executable, *arguments], env=clean(**environment), check=True, capture_output=True, text=True
        )

    return run


@pytest.fixture
def collector(tmp_path):
    with Collector(tmp_path / "collector.sock") as made:
        yield made


@pytest.fixture
def start(tmp_path, collector):
    """Starts a server, by an interpreter's arguments; ``{port}`` is a free one. It ends before the collector does."""
    running: list[Server] = []

    def started(*command: str, **environment: str) -> Server:
        port = free_port()
        log = tmp_path / f"server-{len(running)}.log"
        arguments = [sys.executable, *[part.format(port=port) for part in command]]
        with log.open("wb") as out:
            process = subprocess.Popen(arguments, cwd=HERE, env=clean(**environment), stdout=out, stderr=out)
        running.append(Server(process, port, log))
        return running[-1]

    yield started
    for server in running:
        server.process.send_signal(signal.SIGTERM)
    for server in running:
        try:
            server.process.wait(10)
        except subprocess.TimeoutExpired:
            server.process.kill()
            server.process.wait()
