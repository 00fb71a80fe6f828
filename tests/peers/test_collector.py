"""Traces through the real OpenTelemetry Collector: over either protocol, with TLS, past a sampler that keeps ours."""

import json
import shutil
import socket
import subprocess
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from free_ports import free_port
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from inferometer.catalog import spans
from inferometer.catalog.stages import Outcome
from inferometer.otlp import Kept, Resource, Sender, TraceWriter
from inferometer.otlp.endpoint import Endpoint
from inferometer.record.model import Labels, Moment, RequestRecord
from inferometer.record.partition import partition

pytestmark = pytest.mark.peers
COLLECTOR = Path(__file__).parents[2] / ".tools/bin/otelcol"
MS = 1_000_000


class Store:
    """What the collector exports to."""

    def __init__(self) -> None:
        self.names: list[str] = []
        store = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                request = ExportTraceServiceRequest.FromString(self.rfile.read(int(self.headers["Content-Length"])))
                for resource in request.resource_spans:
                    for scope in resource.scope_spans:
                        store.names += [span.name for span in scope.spans]
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture(scope="module")
def collector(tmp_path_factory):
    """(certificate, port of HTTP, port of gRPC, store)."""
    assert COLLECTOR.exists(), "run `make tools`"
    openssl = shutil.which("openssl")
    assert openssl, "openssl is needed to make a certificate"
    folder = tmp_path_factory.mktemp("collector")
    certificate, key = folder / "server.pem", folder / "server.key"
    subprocess.run(
        [openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
         "-keyout", key, "-out", certificate, "-subj", "/CN=localhost", "-addext",
         "subjectAltName=DNS:localhost,IP:127.0.0.1"],
        check=True, capture_output=True, timeout=60,
    )  # fmt: skip
    store = Store()
    http, grpc = free_port(), free_port()
    tls = {"cert_file": str(certificate), "key_file": str(key)}
    keep = {"name": "keep", "type": "boolean_attribute", "boolean_attribute": {"key": spans.KEEP.name, "value": True}}
    configuration = {
        "receivers": {
            "otlp": {
                "protocols": {
                    "http": {"endpoint": f"127.0.0.1:{http}", "tls": tls},
                    "grpc": {"endpoint": f"127.0.0.1:{grpc}", "tls": tls},
                }
            }
        },
        "processors": {"tail_sampling": {"decision_wait": "200ms", "policies": [keep]}},
        "exporters": {
            "otlp_http": {
                "endpoint": f"http://127.0.0.1:{store.port}",
                "compression": "none",
                "sending_queue": {"enabled": False},
            }
        },
        "service": {
            "telemetry": {"metrics": {"level": "none"}},
            "pipelines": {
                "traces": {"receivers": ["otlp"], "processors": ["tail_sampling"], "exporters": ["otlp_http"]}
            },
        },
    }  # fmt: skip
    path = folder / "collector.yaml"
    path.write_text(json.dumps(configuration))
    log = folder / "log"
    with log.open("wb") as out:
        process = subprocess.Popen([COLLECTOR, "--config", path], stdout=out, stderr=out)
    deadline = time.monotonic() + 60
    for port in (http, grpc):
        while True:
            with socket.socket() as sock:
                if sock.connect_ex(("127.0.0.1", port)) == 0:
                    break
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)
    yield certificate, http, grpc, store
    process.terminate()
    process.wait(20)
    store.close()


def kept(route: str) -> Kept:
    stamps = [0] * len(Moment)
    stamps[Moment.ENTRY], stamps[Moment.RESPOND], stamps[Moment.LAST], stamps[Moment.DONE] = MS, 5 * MS, 6 * MS, 6 * MS
    record = RequestRecord(
        trace_id=hash(route) & (1 << 128) - 1 or 1, span_id=7, stamps=tuple(stamps), outcome=Outcome.OK, status=200,
        labels=Labels(service="svc", model="m", method="POST", route=route),
    )  # fmt: skip
    resource = Resource(service="svc", host="box", pid=1)
    offset = time.time_ns() - 10 * MS
    return Kept(record=record, partition=partition(record), resource=resource, wall_offset_ns=offset, reason="slow")


@pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
@pytest.mark.parametrize("compression", ["gzip", "none"])
def test_kept_traces_pass_through_a_collector_that_samples(collector, protocol, compression):
    certificate, http, grpc, store = collector
    endpoint = Endpoint.from_env(
        {
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"https://localhost:{grpc if protocol == 'grpc' else http}",
            "OTEL_EXPORTER_OTLP_PROTOCOL": protocol,
            "OTEL_EXPORTER_OTLP_COMPRESSION": compression,
            "OTEL_EXPORTER_OTLP_CERTIFICATE": str(certificate),
            "OTEL_EXPORTER_OTLP_HEADERS": "x-scope=team%20blue",
        }
    )
    assert endpoint is not None
    route = f"/{protocol}/{compression}"
    sender = Sender(endpoint)
    sender.start()
    writer = TraceWriter(sender)
    writer.write(kept(route))
    deadline = time.monotonic() + 30
    accepted = 0
    while f"POST {route}" not in store.names or not accepted:
        accepted += writer.settle().spans_accepted
        assert time.monotonic() < deadline, store.names
        time.sleep(0.05)
    sender.close()

    assert accepted >= 2
