"""A trace store: takes OTLP over HTTP and keeps every span."""

import gzip
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span


@dataclass(frozen=True)
class Kept:
    """A span and where it came from."""

    span: Span
    scope: str

    @property
    def name(self) -> str:
        return self.span.name

    @property
    def id(self) -> str:
        return self.span.span_id.hex()

    @property
    def parent(self) -> str:
        return self.span.parent_span_id.hex()

    @property
    def is_server(self) -> bool:
        return self.span.kind == Span.SPAN_KIND_SERVER

    @property
    def attributes(self) -> dict[str, object]:
        found = {}
        for pair in self.span.attributes:
            kind = pair.value.WhichOneof("value")
            found[pair.key] = getattr(pair.value, kind)
        return found


@dataclass
class Trace:
    """Spans of one trace."""

    spans: list[Kept] = field(default_factory=list)

    def named(self, name: str) -> list[Kept]:
        return [kept for kept in self.spans if kept.name == name]

    @property
    def servers(self) -> list[Kept]:
        return [kept for kept in self.spans if kept.is_server]

    @property
    def stages(self) -> list[Kept]:
        return [kept for kept in self.spans if kept.name.startswith("inference.")]

    def orphans(self, *callers: str) -> list[str]:
        known = {kept.id for kept in self.spans} | {"", *callers}
        return [f"{kept.name} of {kept.scope}" for kept in self.spans if kept.parent not in known]

    def __str__(self) -> str:
        lines = [f"{k.scope or '-'}: {k.name} kind={k.span.kind} {k.id} <- {k.parent}" for k in self.spans]
        return "\n".join(lines)


class Receiver:
    """Listens on loopback until it is closed."""

    def __init__(self) -> None:
        self.traces: dict[str, Trace] = defaultdict(Trace)
        self._changed = threading.Condition()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.headers.get("Content-Encoding") == "gzip":
                    body = gzip.decompress(body)
                if self.path == "/v1/traces":
                    receiver.take(ExportTraceServiceRequest.FromString(body))
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.endpoint = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def take(self, request: ExportTraceServiceRequest) -> None:
        with self._changed:
            for resource in request.resource_spans:
                for scope in resource.scope_spans:
                    for span in scope.spans:
                        self.traces[span.trace_id.hex()].spans.append(Kept(span, scope.scope.name))
            self._changed.notify_all()

    def until(self, condition: Callable[[], bool], seconds: float = 15.0) -> None:
        deadline = time.monotonic() + seconds
        with self._changed:
            while not condition():
                assert self._changed.wait(deadline - time.monotonic()), {k: str(v) for k, v in self.traces.items()}

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
