"""A real sidecar process with every port open, what others send to it, and a trace store behind it."""

import contextlib
import http.client
import json
import secrets
import socket
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import urlsplit

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from inferometer.intake.passes import boot_id
from inferometer.wire.frame import Frame, Names, encode
from inferometer.wire.layout import EXECUTES, REQUESTS, Section
from inferometer.wire.message import Hello, Reader, Type, acked, pack

PROGRAM = Path(__file__).with_name("sidecar_program.py")
START_SECONDS = 60.0
SECOND = 10**9


def wait(condition, seconds=20.0):
    """Poll a condition with a deadline."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, f"still {found!r} after {seconds} s"
        time.sleep(0.02)
    return found


class Running:
    """The process, its ports and its answers."""

    def __init__(self, folder, *arguments):
        self.folder = folder
        self._log = (folder / "log").open("wb")
        self.process = subprocess.Popen(
            [sys.executable, str(PROGRAM), str(folder), *map(str, arguments)],
            stdout=subprocess.PIPE, stderr=self._log, text=True,
        )  # fmt: skip
        self.ports = {}
        for line in iter(self.process.stdout.readline, ""):
            kind, address = line.split()
            if "://" in address:
                kind = "frames-tcp" if address.startswith(("tcp", "tls")) else kind
                self.ports[kind] = urlsplit(address).port
            elif kind.startswith("otlp"):
                self.ports[kind] = int(address.rpartition(":")[2])
            if kind == "api":
                break
        assert "api" in self.ports, (folder / "log").read_text()

    def get(self, port, path, headers=None):
        """Status and body of a GET."""
        connection = http.client.HTTPConnection("127.0.0.1", self.ports[port], timeout=10)
        with contextlib.closing(connection):
            connection.request("GET", path, headers=headers or {})
            answer = connection.getresponse()
            return answer.status, answer.read()

    def series(self):
        """Every sample of ``/metrics``: text of name and labels -> value."""
        status, page = self.get("metrics", "/metrics")
        assert status == 200
        pairs = (line.rpartition(" ") for line in page.decode().splitlines() if not line.startswith("#"))
        return {name: float(value) for name, _, value in pairs}

    def value(self, name, **labels):
        """Sum of the samples of a family with these labels."""
        wanted = [f'{label}="{value}"' for label, value in labels.items()]
        return sum(
            value
            for sample, value in self.series().items()
            if sample.partition("{")[0] == name and all(one in sample for one in wanted)
        )

    def trace(self, trace_id):
        """``/api/trace/…``; None while nothing is recorded."""
        status, body = self.get("api", f"/api/trace/{trace_id:032x}")
        return json.loads(body) if status == 200 else None

    def is_well(self):
        """Whether it lives, passes come, and all of its pages answer."""
        return self.process.poll() is None and self.get("api", "/healthz")[0] == 200 and bool(self.series())

    def log(self):
        """What it wrote to its log."""
        return (self.folder / "log").read_text()

    def end(self):
        """SIGTERM, and its status."""
        self.process.terminate()
        try:
            self.process.communicate(timeout=30)
        finally:
            self._log.close()
        return self.process.returncode


class TraceStore:
    """Takes OTLP over HTTP and keeps the bodies; answers what *statuses* say, then 200."""

    def __init__(self):
        self.bodies = []
        self.statuses = []
        store = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                status = store.statuses.pop(0) if store.statuses else 200
                if status == 200:
                    store.bodies.append(body)
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *args):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def spans(self):
        """Every span that came, with ids as numbers and attributes as a dict."""
        return [
            SimpleNamespace(
                name=span.name,
                trace_id=int.from_bytes(span.trace_id, "big"),
                span_id=int.from_bytes(span.span_id, "big"),
                attributes={pair.key: getattr(pair.value, pair.value.WhichOneof("value")) for pair in span.attributes},
                links=[(int.from_bytes(one.trace_id, "big"), int.from_bytes(one.span_id, "big")) for one in span.links],
            )
            for body in list(self.bodies)
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]

    def resources(self):
        """Attributes of every resource that came."""
        return [
            {pair.key: pair.value.string_value for pair in one.resource.attributes}
            for body in list(self.bodies)
            for one in ExportTraceServiceRequest.FromString(body).resource_spans
        ]

    def close(self):
        """Stop."""
        self._server.shutdown()
        self._server.server_close()


def request_of(spans, *, service="engine", scope="engine.tracer"):
    """An ``ExportTraceServiceRequest`` of these spans, each a dict of fields with ``attributes`` as a dict."""
    request = ExportTraceServiceRequest()
    resource = request.resource_spans.add()
    if service:
        pair = resource.resource.attributes.add()
        pair.key, pair.value.string_value = "service.name", service
    scope_spans = resource.scope_spans.add()
    scope_spans.scope.name = scope
    for fields in spans:
        made = scope_spans.spans.add()
        now = time.time_ns()
        made.trace_id = fields.get("trace_id", secrets.randbits(127) | 1).to_bytes(16, "big")
        made.span_id = fields.get("span_id", secrets.randbits(63) | 1).to_bytes(8, "big")
        if fields.get("parent_id"):
            made.parent_span_id = fields["parent_id"].to_bytes(8, "big")
        made.name = fields.get("name", "work")
        made.kind = fields.get("kind", 1)
        made.start_time_unix_nano = fields.get("start", now - SECOND)
        made.end_time_unix_nano = fields.get("end", now)
        if fields.get("failed"):
            made.status.code = 2
        for key, value in fields.get("attributes", {}).items():
            pair = made.attributes.add()
            pair.key = key
            field = {bool: "bool_value", int: "int_value", float: "double_value", str: "string_value"}[type(value)]
            setattr(pair.value, field, value)
        for name, at in fields.get("events", {}).items():
            event = made.events.add()
            event.name, event.time_unix_nano = name, at
    return request


def post(port, body, headers=None, path="/v1/traces", method="POST"):
    """Status, headers and body of an answer over HTTP."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=15)
    with contextlib.closing(connection):
        connection.request(method, path, body, {"content-type": "application/x-protobuf"} | (headers or {}))
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()


class Worker:
    """A worker that speaks the wire by hand."""

    def __init__(self, sock, *, boot=None, clock=time.monotonic_ns, token="", version=None, **hello):
        self.sock = sock
        self.sock.settimeout(15)
        self.clock = clock
        self.worker_id = secrets.token_bytes(16)
        self.sequence = 0
        self._reader = Reader()
        shapes = {1: ("embedder", "minilm", "v1", "", "acme", "", "POST", "/embed")}
        self.names = Names(shapes, {1: "box"})
        given = {
            "worker_id": self.worker_id, "pid": 7, "service": "embedder", "sdk_version": "0", "host": "box",
            "boot_id": boot or boot_id(), "start_ns": clock(), "names": self.names, "monotonic_ns": clock(),
            "token": token,
        }  # fmt: skip
        message = pack(Type.HELLO, Hello(**(given | hello)).to_bytes())
        sock.sendall(message if version is None else message[:6] + version.to_bytes(2, "little") + message[8:])

    def frame(self, *, requests=b"", executes=b""):
        """The next frame."""
        self.sequence += 1
        return Frame(
            worker_id=self.worker_id, sequence=self.sequence, monotonic_ns=self.clock(), wall_ns=time.time_ns(),
            names=self.names, tables={Section.REQUESTS: requests, Section.EXECUTES: executes},
        )  # fmt: skip

    def send(self, **tables):
        """Send a frame and wait until it is durable there."""
        self.sock.sendall(pack(Type.FRAME, encode(self.frame(**tables))))
        return self.answer()

    def answer(self):
        """The next acknowledged sequence, or the reason of a refusal."""
        while True:
            data = self.sock.recv(65_536)
            if not data:
                return None
            for kind, payload in self._reader.feed(data):
                if kind == Type.ACK and acked(payload) >= self.sequence:
                    return acked(payload)
                if kind == Type.REFUSE:
                    return json.loads(payload)["reason"]


def row(table, **values):
    """A packed row."""
    return table.row.pack(*(values.get(name, 0) for name in table.names))


def request_row(span, begin, end, *, trace=1, **more):
    """A finished request."""
    values = {
        "trace_hi": trace >> 64, "trace_lo": trace & (1 << 64) - 1, "span_id": span, "entry": begin, "endpoint": begin,
        "last": end, "done": end, "shape": 1, "status": 200, "flags": 1,
    }  # fmt: skip
    return row(REQUESTS, **(values | more))


def execute_row(span, begin, end):
    """Its run."""
    return row(EXECUTES, span_id=span, execute_id=span, start=begin, end=end, shape=1, device=1, batch_size=1, final=1)


def tcp(port):
    """A connection to a port of loopback."""
    return socket.create_connection(("127.0.0.1", port), 15)


def unix(path):
    """A connection to a socket's file."""
    sock = socket.socket(socket.AF_UNIX)
    sock.settimeout(15)
    sock.connect(str(path))
    return sock


class Make:
    """All of the above, for tests that cannot import this file."""

    SECOND = SECOND
    running, store, worker = Running, TraceStore, Worker
    wait = staticmethod(wait)
    request = staticmethod(request_of)
    post = staticmethod(post)
    request_row = staticmethod(request_row)
    execute_row = staticmethod(execute_row)
    tcp, unix = staticmethod(tcp), staticmethod(unix)


@pytest.fixture(scope="package")
def make():
    return Make


@pytest.fixture
def new_worker():
    """Makes workers from connections, and closes them."""
    made = []

    def build(sock, **more):
        made.append(sock)
        return Worker(sock, **more)

    yield build
    for sock in made:
        sock.close()


@pytest.fixture(scope="module")
def store():
    made = TraceStore()
    yield made
    made.close()


@pytest.fixture(scope="module")
def sidecar(tmp_path_factory, store):
    """One process for the tests of a module, with a trace store behind it."""
    made = Running(tmp_path_factory.mktemp("sidecar"), store.url)
    yield made
    assert made.end() == 0, made.log()
