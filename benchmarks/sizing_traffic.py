"""What sizing.py sends: records as workers do, and what a sidecar exported once more, as other traces."""

import gzip
import os
import secrets
import socket
import threading
import time
import urllib.error
import urllib.request
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from sidecar import SHAPES, rows

from inferometer.intake.passes import boot_id
from inferometer.wire.frame import Frame, Names, encode
from inferometer.wire.layout import Section
from inferometer.wire.message import Hello, Reader, Type, acked, pack

WORKERS = 4
FLUSHES_PER_SECOND = 4
COPIES = 4
"""How often what was exported is sent to Jaeger and to the Collectors: with ids of its own each time."""


class Sink:
    """Takes OTLP over HTTP, and keeps it."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.wire = 0
        sink = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                sink.wire += len(body)
                sink.bodies.append(gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body)
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"


def send(path: Path, rate: int, seconds: float) -> tuple[int, int]:
    """Send records as workers do, in real time; requests and bytes on the socket."""
    random = np.random.default_rng()
    shapes = {i: ("svc", f"m{i % 6}", "v1", "", f"t{i % 4}", "", "POST", f"/m{i % 6}") for i in range(SHAPES)}
    per_frame = max(1, rate // WORKERS // FLUSHES_PER_SECOND)
    connections, readers, ids = (
        [],
        [Reader() for _ in range(WORKERS)],
        [secrets.token_bytes(16) for _ in range(WORKERS)],
    )
    sent = 0
    for worker_id in ids:
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(str(path))
        hello = Hello(
            worker_id=worker_id, pid=os.getpid(), service="svc", sdk_version="0", boot_id=boot_id(), host="host",
            start_ns=time.monotonic_ns(), names=Names(shapes, {1: "host"}),
        )  # fmt: skip
        connection.sendall(pack(Type.HELLO, hello.to_bytes()))
        connections.append(connection)
    turns = int(seconds * FLUSHES_PER_SECOND)
    begin = time.monotonic()
    for turn in range(1, turns + 1):
        time.sleep(max(0.0, begin + turn / FLUSHES_PER_SECOND - time.monotonic()))
        for worker_id, connection in zip(ids, connections, strict=True):
            now = time.monotonic_ns()
            requests, executes = rows(random, per_frame, now - per_frame * 10_000 - 1_000_000)
            tables = {Section.REQUESTS: requests.tobytes(), Section.EXECUTES: executes.tobytes()}
            frame = Frame(
                worker_id=worker_id, sequence=turn, monotonic_ns=now, wall_ns=time.time_ns(), gauges={"in_flight": 3},
                tables=tables,
            )  # fmt: skip
            message = pack(Type.FRAME, encode(frame))
            sent += len(message)
            connection.sendall(message)
    for connection, reader in zip(connections, readers, strict=True):
        last = 0
        while last < turns:
            for kind, payload in reader.feed(connection.recv(65_536)):
                last = acked(payload) if kind == Type.ACK else last
        connection.close()
    return turns * per_frame * WORKERS, sent


def spans_of(request: ExportTraceServiceRequest):
    return [span for resource in request.resource_spans for scope in resource.scope_spans for span in scope.spans]


def copies(bodies: list[bytes]):
    """The same exports as other traces."""
    for number in range(COPIES):
        for body in bodies:
            request = ExportTraceServiceRequest.FromString(body)
            for span in spans_of(request):
                span.trace_id = (int.from_bytes(span.trace_id, "big") ^ number << 100).to_bytes(16, "big")
            yield request.SerializeToString()


def post(address: str, body: bytes) -> None:
    """As the sidecar does: who says that it is busy is asked again."""
    headers = {"content-type": "application/x-protobuf", "content-encoding": "gzip"}
    request = urllib.request.Request(f"http://{address}/v1/traces", data=gzip.compress(body, 1), headers=headers)
    while True:
        try:
            urllib.request.urlopen(request, timeout=60).close()
        except urllib.error.HTTPError as error:
            if error.code != HTTPStatus.SERVICE_UNAVAILABLE:
                raise
            time.sleep(0.2)
        else:
            return
