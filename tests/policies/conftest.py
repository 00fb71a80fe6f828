"""Real servers whose telemetry all goes to one trace store."""

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
from policies_receiver import Receiver, Trace

APPS = Path(__file__).parent / "apps"
CALLER = "00f067aa0ba902b7"


@dataclass
class Wired:
    """A server and the store of its traces."""

    port: int
    receiver: Receiver
    process: subprocess.Popen
    log: Path
    asked: int = 0

    def ask(
        self, path: str, *, caller: bool = True, flags: str = "01", headers=None, number: int = 0
    ) -> tuple[str, bytes]:
        """(trace id, body) of a request; the id is empty where the request names none."""
        self.asked += 1
        trace = f"{number or self.asked:032x}" if caller else ""
        sent = dict(headers or {})
        if caller:
            sent["traceparent"] = f"00-{trace}-{CALLER}-{flags}"
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        connection.request("GET", path, headers=sent)
        body = connection.getresponse().read()
        connection.close()
        return trace, body

    def stop(self) -> str:
        """End the server by SIGTERM, which flushes all that it has; its log."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        return self.log.read_text()

    def trace(self, trace_id: str) -> Trace:
        return self.receiver.traces[trace_id]


@pytest.fixture
def wired(tmp_path):
    running = []

    def start(wiring: str, policy: str = "", *, app: str = "wired:app", command=(), sidecar="", **environment) -> Wired:
        port = free_port()
        folder = tmp_path / f"{len(running)}"
        folder.mkdir()
        receiver = Receiver()
        environ = {key: value for key, value in os.environ.items() if not key.startswith(("OTEL_", "INFEROMETER_"))}
        environ |= {
            "WIRING": wiring,
            "INFEROMETER_FLUSH_SECONDS": "0.05",
            "INFEROMETER_RUNTIME_DIR": str(folder / "run"),
            "INFEROMETER_METRICS": "127.0.0.1:0",
            "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.endpoint,
            "OTEL_METRICS_EXPORTER": "none",
            "OTEL_LOGS_EXPORTER": "none",
            "OTEL_SERVICE_NAME": "wired",
        }
        if policy:
            environ["INFEROMETER_TRACES"] = policy
        if sidecar:
            environ["INFEROMETER_SIDECAR"] = sidecar
        log = folder / "log"
        with log.open("wb") as out:
            process = subprocess.Popen(
                [*(command or (sys.executable, "-m", "uvicorn")), app, "--port", str(port), "--log-level", "warning"],
                env={**environ, **environment}, cwd=APPS, stdout=out, stderr=out,
            )  # fmt: skip
        served = Wired(port, receiver, process, log)
        running.append(served)
        deadline = time.monotonic() + 40
        while True:
            with socket.socket() as sock:
                if sock.connect_ex(("127.0.0.1", port)) == 0:
                    return served
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline
            time.sleep(0.02)

    yield start
    for served in running:
        served.stop()
        served.receiver.close()
