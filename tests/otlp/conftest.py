"""Kept records, and an endpoint that speaks OTLP over HTTP."""

import gzip
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from inferometer.catalog.stages import Kind, Outcome, Stage
from inferometer.otlp import Kept, Resource
from inferometer.record.model import Call, Execute, Flag, Interval, Labels, Moment, RequestRecord
from inferometer.record.partition import partition

MS = 1_000_000
BEGIN = 5_000 * MS
OFFSET = 1_700_000_000 * 10**9
LABELS = Labels(
    service="svc", model="minilm", version="3", region="eu", tenant="acme", request_class="interactive",
    method="POST", route="/predict",
)  # fmt: skip


def make_record(**changes: object) -> RequestRecord:
    """A request of 20 ms: a call of 4 ms, a batched execute of 6 ms, marked preprocess of 2 ms."""
    stamps = [0] * len(Moment)
    stamps[Moment.ENTRY], stamps[Moment.BODY_START] = BEGIN, BEGIN + 10_000
    stamps[Moment.BODY_END], stamps[Moment.VALIDATE] = BEGIN + MS, BEGIN + MS
    stamps[Moment.ENDPOINT], stamps[Moment.ENCODE] = BEGIN + 2 * MS, BEGIN + 18 * MS
    stamps[Moment.RESPOND], stamps[Moment.LAST], stamps[Moment.DONE] = BEGIN + 19 * MS, BEGIN + 20 * MS, BEGIN + 20 * MS
    given: dict[str, object] = {
        "trace_id": 0x1234 << 64 | 0x5678,
        "span_id": 0xABCD,
        "parent_id": 0x99,
        "labels": LABELS,
        "stamps": tuple(stamps),
        "outcome": Outcome.OK,
        "status": 200,
        "flags": Flag.ENTRY,
        "bytes_in": 100,
        "bytes_out": 300,
        "executes": (
            Execute(
                execute_id=7, start=BEGIN + 10 * MS, end=BEGIN + 16 * MS, device="cpu", batch_id=55, batch_size=4,
                kind=Kind.BATCH,
            ),
        ),
        "calls": (
            Call(
                call_id=0xCA11, start=BEGIN + 5 * MS, sent=BEGIN + 6 * MS, headers=BEGIN + 8 * MS, end=BEGIN + 9 * MS,
                server_ns=MS, target="embedder:8001", method="POST", status=200,
            ),
        ),
        "intervals": (Interval(start=BEGIN + 3 * MS, end=BEGIN + 5 * MS, stage=Stage.PREPROCESS),),
        **changes,
    }  # fmt: skip
    return RequestRecord(**given)


@pytest.fixture
def record() -> Callable[..., RequestRecord]:
    return make_record


@pytest.fixture
def kept() -> Callable[..., Kept]:
    def make(record: RequestRecord | None = None, **changes: object) -> Kept:
        record = record or make_record()
        given: dict[str, object] = {
            "record": record,
            "partition": partition(record),
            "resource": Resource(service="svc", host="box", pid=42, region="eu"),
            "wall_offset_ns": OFFSET,
            "reason": "slow",
            **changes,
        }
        return Kept(**given)

    return make


class Endpoint:
    """Keeps what it is sent; answers with the statuses given, then with 200."""

    def __init__(self) -> None:
        self.statuses: list[int] = []
        self.headers: dict[str, str] = {}
        self.retry_after: str | None = None
        self.requests: list[ExportTraceServiceRequest] = []
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = gzip.decompress(self.rfile.read(int(self.headers["Content-Length"])))
                endpoint.requests.append(ExportTraceServiceRequest.FromString(body))
                endpoint.headers = dict(self.headers)
                self.send_response(endpoint.statuses.pop(0) if endpoint.statuses else 200)
                if endpoint.retry_after is not None:
                    self.send_header("Retry-After", endpoint.retry_after)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/v1/traces"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._thread.start()

    @property
    def names(self) -> list[str]:
        return [
            span.name
            for request in self.requests
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    made = Endpoint()
    yield made
    made.close()
