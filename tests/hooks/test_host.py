"""A real server is not hurt: not by what clients send, not by an intake or exporter that is away, not when it ends."""

import contextlib
import gzip
import http.client
import os
import signal
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.request import urlopen

import pytest
from free_ports import free_port
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from prometheus_client.parser import text_string_to_metric_families

from inferometer.catalog import requests, telemetry

UVICORN = ("-m", "uvicorn", "app_servers:app", "--port", "{port}", "--log-level", "critical")
GET, CLOSE = b"GET /api/v1/items/1 HTTP/1.1\r\nhost: x\r\n", b"connection: close\r\n\r\n"
BAD_HEADS = {
    "nothing": b"",
    "no HTTP": b"\x00\xff" * 100 + b"\r\n\r\n",
    "no method": b" / HTTP/1.1\r\n\r\n",
    "bytes in a header": GET + b"x-tenant: \xff\xfe\xfd\r\n" + CLOSE,
    "a huge tenant": GET + b"x-tenant: " + b"t" * 50_000 + b"\r\n" + CLOSE,
    "a thousand traceparents": GET + b"traceparent: 00-1-2-3\r\n" * 1000 + CLOSE,
    "two lengths": b"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab",
    "a body cut short": b"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{",
    "a body of bad chunks": b"POST /predict HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
    "times of a proxy": GET + b"x-request-start: t=99999999999\r\n" + CLOSE,
}


@pytest.fixture(scope="module", params=["h11", "httptools"])
def server(serve, request):
    return serve(*UVICORN, "--http", request.param, "--h11-max-incomplete-event-size", "200000")


@pytest.mark.parametrize("head", BAD_HEADS.values(), ids=BAD_HEADS)
def test_whatever_a_client_sends_the_next_request_is_recorded(server, head):
    with socket.create_connection(("127.0.0.1", server.port), timeout=5) as sock:
        sock.sendall(head)
        sock.shutdown(socket.SHUT_WR)
        with contextlib.suppress(ConnectionResetError):
            while sock.recv(65536):
                pass
    before = len(server.collector.records)
    server.ask("/mounted/things/7")
    server.collector.until(
        lambda: any(r.labels.route == "/mounted/things/{thing}" for r in server.collector.records[before:])
    )

    gauges = server.collector.frames[-1].gauges
    assert (gauges["hook_errors"], gauges["drops"]) == ({}, {})
    assert all(len(record.labels.tenant) <= 200 for record in server.collector.records)


def worst_answer(port, seconds, *, pause=0.0):
    """(answers, longest of them in s), one after another over one connection, with *pause* seconds between them."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    answers, longest, end = 0, 0.0, time.monotonic() + seconds
    while time.monotonic() < end:
        begun = time.monotonic()
        connection.request("GET", "/api/v1/items/1")
        answer = connection.getresponse()
        assert (answer.status, answer.read()) == (200, b'"1"')
        longest = max(longest, time.monotonic() - begun)
        answers += 1
        time.sleep(pause)
    connection.close()
    return answers, longest


def metrics(port):
    """Series -> sum of its samples."""
    found: dict[str, float] = {}
    with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as page:
        for family in text_string_to_metric_families(page.read().decode()):
            for sample in family.samples:
                found[sample.name] = found.get(sample.name, 0.0) + sample.value
    return found


class Exporter:
    """Where traces go: down at first (refuses, or takes connections and says nothing), then it accepts what comes."""

    def __init__(self, *, refuses: bool) -> None:
        self.traces: set[bytes] = set()
        self.stuck = socket.create_server(("127.0.0.1", 0))
        self.port = self.stuck.getsockname()[1]
        if refuses:
            self.stuck.close()

    def recover(self):
        seen = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                if self.headers["content-encoding"] == "gzip":
                    body = gzip.decompress(body)
                sent = ExportTraceServiceRequest.FromString(body)
                spans = [s for r in sent.resource_spans for part in r.scope_spans for s in part.spans]
                seen.traces |= {span.trace_id for span in spans if span.kind == Span.SPAN_KIND_SERVER}
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_):
                pass

        self.stuck.close()
        self.server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


def resident_bytes(pid):
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")


@pytest.mark.slow
@pytest.mark.timeout(240)
@pytest.mark.parametrize(("refuses", "seconds"), [(False, 4.0), (True, 60.0)], ids=["hangs", "is down for a minute"])
def test_an_exporter_that_is_away_costs_no_request_anything_and_nothing_is_lost_uncounted(
    serve, tmp_path, refuses, seconds
):
    exporter = Exporter(refuses=refuses)
    page = free_port()
    server = serve(
        *UVICORN, INFEROMETER_SIDECAR="", INFEROMETER_RUNTIME_DIR=str(tmp_path / "run"),
        INFEROMETER_METRICS=f"127.0.0.1:{page}", INFEROMETER_BASELINE_RATIO="1",
        OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{exporter.port}",
    )  # fmt: skip
    # Until what waits is as much as may wait.
    first, longest = worst_answer(server.port, 4.0)
    warm = resident_bytes(server.process.pid)
    then, later = worst_answer(server.port, seconds - 4.0, pause=0.002)
    answers, longest = first + then, max(longest, later)
    grown = resident_bytes(server.process.pid) - warm
    exporter.recover()

    def settled():
        shown = metrics(page)
        dropped = shown.get(telemetry.DROPS.name, 0)
        return (
            shown.get(requests.REQUESTS.name) == shown.get(telemetry.TRACES_KEPT.name) == answers
            and len(exporter.traces) + dropped == answers
        )

    deadline = time.monotonic() + 60
    while not settled():
        assert time.monotonic() < deadline, (answers, len(exporter.traces), metrics(page))
        time.sleep(0.2)
    exporter.close()

    # An export that blocked would take its whole timeout.
    assert longest < 1.0
    assert answers > 100
    # What waits is bounded: of many thousands of requests nothing else stays.
    assert grown < 8 << 20


@pytest.mark.slow
def test_an_intake_that_is_away_costs_no_request_anything(serve, tmp_path):
    server = serve(*UVICORN, INFEROMETER_SIDECAR=f"unix://{tmp_path}/nobody.sock")
    answers, longest = worst_answer(server.port, 3.0)
    begun = time.monotonic()
    os.kill(server.process.pid, signal.SIGTERM)
    server.process.wait(10)

    assert answers > 100
    assert longest < 1.0
    assert time.monotonic() - begun < 3.0


@pytest.mark.parametrize(
    ("stop", "options"),
    [(signal.SIGTERM, ()), (signal.SIGINT, ()), (signal.SIGTERM, ("--lifespan", "off"))],
    ids=["SIGTERM", "SIGINT", "without lifespan"],
)
def test_what_was_answered_is_delivered_when_a_server_ends_under_load(serve, stop, options):
    server = serve(*UVICORN, *options, INFEROMETER_FLUSH_SECONDS="5")
    answered = []

    def ask():
        while True:
            try:
                server.ask("/api/v1/items/1")
            except (OSError, http.client.HTTPException):
                return
            answered.append(1)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    while len(answered) < 200:
        time.sleep(0.01)
    begun = time.monotonic()
    os.kill(server.process.pid, stop)
    server.process.wait(10)
    seconds = time.monotonic() - begun
    for thread in threads:
        thread.join()

    # A client that was cut off may have been answered, which it does not know.
    assert len(answered) <= len(server.collector.records) <= len(answered) + 4
    assert seconds < 3.0
