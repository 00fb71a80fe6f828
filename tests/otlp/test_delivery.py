"""Ways to a receiver, each against a real one: HTTP and gRPC, with and without TLS."""

import gzip
import http.server
import shutil
import socket
import ssl
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from email.utils import formatdate

import grpc
import pytest
from opentelemetry.instrumentation.grpc import GrpcInstrumentorClient
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTracePartialSuccess,
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from inferometer.errors import RefusedError
from inferometer.otlp import Sender, TraceWriter, encode_trace
from inferometer.otlp.delivery import Verdict, accepted
from inferometer.otlp.endpoint import Endpoint, Protocol
from inferometer.otlp.grpc_export import GrpcExport
from inferometer.otlp.http_post import HttpPost

PARTIAL = ExportTraceServiceResponse(partial_success=ExportTracePartialSuccess(rejected_spans=3, error_message="full"))


def openssl(*arguments, cwd):
    program = shutil.which("openssl")
    assert program, "openssl is needed to make certificates"
    subprocess.run([program, *arguments], cwd=cwd, check=True, capture_output=True, timeout=60)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    """A folder with an authority and, signed by it, a server's and a client's certificate."""
    folder = tmp_path_factory.mktemp("certificates")
    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    openssl("req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.pem", "-days", "2", "-subj", "/CN=authority",
            cwd=folder)  # fmt: skip
    for name in ("server", "client"):
        openssl("req", *key, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", "/CN=localhost", cwd=folder)
        (folder / "names").write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\n")
        openssl("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial",
                "-days", "2", "-out", f"{name}.pem", "-extfile", "names", cwd=folder)  # fmt: skip
    return folder


class HttpReceiver:
    """Answers as it is told, and keeps what it was sent."""

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        self.status, self.answer, self.more = 200, b"", {}
        self.bodies: list[bytes] = []
        self.headers: dict[str, str] = {}
        self.closing = False
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                receiver.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
                receiver.headers = dict(self.headers)
                self.send_response(receiver.status)
                for name, value in receiver.more.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(receiver.answer)))
                self.end_headers()
                self.wfile.write(receiver.answer)
                # Without a word: the client believes that the connection is kept.
                self.close_connection = receiver.closing

            def log_message(self, *args: object) -> None:
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def get_request(self):
                sock, address = super().get_request()
                return (context.wrap_socket(sock, server_side=True) if context else sock), address

            def handle_error(self, *args: object) -> None:
                pass

        self._server = Server(("127.0.0.1", 0), Handler)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def http_receiver():
    made = []

    def make(context=None):
        made.append(HttpReceiver(context))
        return made[-1]

    yield make
    for one in made:
        one.close()


def tls(folder, *, wants_client=False):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem", folder / "server.key")
    if wants_client:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(folder / "ca.pem")
    return context


def post(receiver, scheme="http", **more):
    return HttpPost(Endpoint(url=f"{scheme}://localhost:{receiver.port}/v1/traces", **more))


def test_bodies_are_compressed_only_where_that_was_asked_for(http_receiver):
    receiver = http_receiver()
    for compressed in (True, False):
        delivery = post(receiver, compressed=compressed)
        assert delivery.send(b"spans").verdict is Verdict.ACCEPTED
        delivery.close()

    assert [gzip.decompress(receiver.bodies[0]), receiver.bodies[1]] == [b"spans", b"spans"]


def test_over_tls_the_authority_of_the_setting_is_trusted(http_receiver, certificates):
    receiver = http_receiver(tls(certificates))
    delivery = post(receiver, "https", certificate=certificates / "ca.pem")
    answer = delivery.send(b"spans")
    delivery.close()

    assert answer.verdict is Verdict.ACCEPTED
    assert gzip.decompress(receiver.bodies[0]) == b"spans"


def test_over_tls_nobody_else_is_trusted(http_receiver, certificates):
    receiver = http_receiver(tls(certificates))
    delivery = post(receiver, "https")
    answer = delivery.send(b"spans")
    delivery.close()

    assert answer.verdict is Verdict.AGAIN
    assert "CERTIFICATE_VERIFY_FAILED" in answer.said
    assert receiver.bodies == []


def test_over_tls_we_show_who_we_are(http_receiver, certificates):
    receiver = http_receiver(tls(certificates, wants_client=True))
    known = {
        "certificate": certificates / "ca.pem",
        "client_certificate": certificates / "client.pem",
        "client_key": certificates / "client.key",
    }
    verdicts = []
    for more in (known, {"certificate": certificates / "ca.pem"}):
        delivery = post(receiver, "https", **more)
        verdicts.append(delivery.send(b"spans").verdict)
        delivery.close()

    assert verdicts == [Verdict.ACCEPTED, Verdict.AGAIN]


@pytest.mark.parametrize("field", ["certificate", "client_certificate"])
def test_a_certificate_that_is_none_is_refused(tmp_path, field):
    (tmp_path / "x.pem").write_text("no certificate")
    with pytest.raises(RefusedError, match="a certificate cannot be used"):
        HttpPost(Endpoint(url="https://host", **{field: tmp_path / "x.pem"}))


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("7", 7.0), (formatdate(1_700_000_030, usegmt=True), 30.0), (formatdate(1_600_000_000), 0.0), ("soon", None)],
)
def test_the_receiver_says_when_it_wants_to_be_asked_again(http_receiver, header, seconds):
    receiver = http_receiver()
    receiver.status, receiver.more = 503, {"Retry-After": header}
    delivery = HttpPost(Endpoint(url=f"http://localhost:{receiver.port}/"), wall=lambda: 1_700_000_000.0)
    answer = delivery.send(b"spans")
    delivery.close()

    assert (answer.verdict, answer.after_seconds) == (Verdict.AGAIN, seconds)


def test_a_connection_that_was_closed_meanwhile_is_no_failure(http_receiver):
    receiver = http_receiver()
    receiver.closing = True
    delivery = post(receiver)
    verdicts = [delivery.send(b"spans").verdict for _ in range(3)]
    delivery.close()

    assert verdicts == [Verdict.ACCEPTED] * 3
    assert len(receiver.bodies) == 3


def test_a_receiver_that_never_answers_is_waited_for_no_longer_than_the_timeout():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        delivery = HttpPost(Endpoint(url=f"http://127.0.0.1:{silent.getsockname()[1]}/", timeout_seconds=0.2))
        answer = delivery.send(b"spans")
        delivery.close()

    assert answer.verdict is Verdict.AGAIN
    assert "TimeoutError" in answer.said


def test_a_long_answer_is_not_read_to_its_end(http_receiver):
    receiver = http_receiver()
    receiver.status, receiver.answer = 400, b"x" * 10_000_000
    delivery = post(receiver)
    verdicts = [delivery.send(b"spans").verdict for _ in range(2)]
    delivery.close()

    assert verdicts == [Verdict.REFUSED] * 2


def test_spans_that_were_left_out_are_counted(http_receiver, kept, caplog):
    receiver = http_receiver()
    receiver.answer = PARTIAL.SerializeToString()
    sender = Sender(Endpoint(url=f"http://localhost:{receiver.port}/v1/traces"))
    sender.start()
    writer = TraceWriter(sender)
    writer.write(kept())
    deadline = time.monotonic() + 10
    while not (outcomes := writer.settle()) and time.monotonic() < deadline:
        time.sleep(0.01)
    sender.close()

    assert outcomes.rejected == 3
    assert outcomes.spans_accepted == encode_trace(kept())[1] - 3
    assert "left out 3 spans: full" in caplog.text


@pytest.mark.parametrize("body", [b"", b"\xff\xff", b"<html>"])
def test_an_answer_that_says_nothing_is_no_complaint(body):
    assert accepted(body).verdict is Verdict.ACCEPTED
    assert accepted(body).rejected_spans == 0


class GrpcReceiver:
    """OpenTelemetry's trace service, as far as it matters."""

    def __init__(self, credentials=None) -> None:
        self.requests: list[ExportTraceServiceRequest] = []
        self.metadata: dict[str, str] = {}
        self.code: grpc.StatusCode | None = None
        self._server = grpc.server(ThreadPoolExecutor(2))
        handler = grpc.unary_unary_rpc_method_handler(
            self._export, request_deserializer=ExportTraceServiceRequest.FromString,
            response_serializer=ExportTraceServiceResponse.SerializeToString,
        )  # fmt: skip
        service = "opentelemetry.proto.collector.trace.v1.TraceService"
        self._server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(service, {"Export": handler})])
        where = "127.0.0.1:0"
        secured = credentials is not None
        self.port = (
            self._server.add_secure_port(where, credentials) if secured else self._server.add_insecure_port(where)
        )
        self._server.start()

    def _export(self, request, context):
        if self.code is not None:
            context.abort(self.code, "not now")
        self.requests.append(request)
        self.metadata = dict(context.invocation_metadata())
        return PARTIAL

    def close(self) -> None:
        self._server.stop(None).wait()


@pytest.fixture
def grpc_receiver():
    made = []

    def make(credentials=None):
        made.append(GrpcReceiver(credentials))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.mark.parametrize("compressed", [True, False])
def test_traces_go_over_grpc(grpc_receiver, kept, compressed):
    receiver = grpc_receiver()
    endpoint = Endpoint(
        url=f"http://127.0.0.1:{receiver.port}",
        protocol=Protocol.GRPC,
        headers={"X-Key": "secret"},
        compressed=compressed,
    )
    delivery = GrpcExport(endpoint)
    data, spans = encode_trace(kept())
    answer = delivery.send(data + data)
    delivery.close()

    assert (answer.verdict, answer.rejected_spans, answer.said) == (Verdict.ACCEPTED, 3, "full")
    (request,) = receiver.requests
    assert sum(len(scope.spans) for resource in request.resource_spans for scope in resource.scope_spans) == 2 * spans
    assert receiver.metadata["x-key"] == "secret"


def test_what_we_send_is_not_traced_by_opentelemetry(grpc_receiver, kept):
    receiver = grpc_receiver()
    exporter = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    instrumentor = GrpcInstrumentorClient()
    instrumentor.instrument(tracer_provider=provider)
    try:
        sender = Sender(Endpoint(url=f"http://127.0.0.1:{receiver.port}", protocol=Protocol.GRPC))
        sender.start()
        writer = TraceWriter(sender)
        writer.write(kept())
        deadline = time.monotonic() + 10
        while not writer.settle() and time.monotonic() < deadline:
            time.sleep(0.01)
        sender.close()
    finally:
        instrumentor.uninstrument()

    assert len(receiver.requests) == 1
    assert exporter.get_finished_spans() == ()


def test_traces_go_over_grpc_with_tls_and_our_certificate(grpc_receiver, kept, certificates):
    pair = ((certificates / "server.key").read_bytes(), (certificates / "server.pem").read_bytes())
    authority = (certificates / "ca.pem").read_bytes()
    receiver = grpc_receiver(grpc.ssl_server_credentials([pair], authority, require_client_auth=True))
    endpoint = Endpoint(
        url=f"https://localhost:{receiver.port}", protocol=Protocol.GRPC, certificate=certificates / "ca.pem",
        client_certificate=certificates / "client.pem", client_key=certificates / "client.key",
    )  # fmt: skip
    delivery = GrpcExport(endpoint)
    answer = delivery.send(encode_trace(kept())[0])
    delivery.close()

    assert answer.verdict is Verdict.ACCEPTED


@pytest.mark.parametrize(
    ("code", "verdict"),
    [
        (grpc.StatusCode.UNAVAILABLE, Verdict.AGAIN),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, Verdict.AGAIN),
        (grpc.StatusCode.INVALID_ARGUMENT, Verdict.REFUSED),
        (grpc.StatusCode.UNAUTHENTICATED, Verdict.REFUSED),
    ],
)
def test_codes_of_grpc_say_whether_to_try_again(grpc_receiver, code, verdict):
    receiver = grpc_receiver()
    receiver.code = code
    delivery = GrpcExport(Endpoint(url=f"http://127.0.0.1:{receiver.port}", protocol=Protocol.GRPC))
    answer = delivery.send(b"")
    delivery.close()

    assert answer.verdict is verdict
    assert "not now" in answer.said


def test_a_receiver_that_is_not_there_is_tried_again_over_grpc():
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    delivery = GrpcExport(Endpoint(url=f"http://127.0.0.1:{port}", protocol=Protocol.GRPC, timeout_seconds=2))
    answer = delivery.send(b"")
    delivery.close()

    assert answer.verdict is Verdict.AGAIN
