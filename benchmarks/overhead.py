"""What telemetry costs a request: CPU µs added by inferometer and by its peers, in one interleaved run.

An in-process ASGI call of a FastAPI application, POST JSON -> pydantic -> JSON. Each variant lives in a process of its
own; rounds go around all of them, so that a slow minute of the host hits every variant. *Path* is the CPU time of the
thread that serves (thread_time), *whole* that of all threads until everything is exported (process_time). Ours sends
its records to a socket, and in a second variant is its own Intake: it counts, keeps every trace, and sends OTLP over
HTTP, as the traced peers do. A further process takes all of that in, its time is nobody's.

    python benchmarks/overhead.py [--rounds 15] [--requests 2000] [--json]
"""

import argparse
import asyncio
import contextlib
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

BODY = b'{"text": "the quick brown fox jumps over the lazy dog", "top_k": 3, "threshold": 0.25}'
Drain = Callable[[], object]


def application():
    from fastapi import FastAPI
    from pydantic import BaseModel

    class Question(BaseModel):
        text: str
        top_k: int
        threshold: float

    class Answer(BaseModel):
        labels: list[str]
        scores: list[float]

    app = FastAPI()

    @app.post("/predict")
    async def predict(question: Question) -> Answer:
        return Answer(labels=question.text.split()[: question.top_k], scores=[question.threshold] * question.top_k)

    return app


def bare():
    return application(), lambda: None


def ours():
    import inferometer
    import inferometer.auto

    return application(), lambda: inferometer.flush(10.0)


def alone():
    """Ours without a sidecar: the process holds the Intake itself; every trace is exported."""
    import inferometer
    import inferometer.auto
    from inferometer.recorder.this_process import worker

    app = application()

    def drain():
        inferometer.flush(10.0)
        while worker()._destination._local.waiting_traces:  # noqa: SLF001 - only a benchmark waits for it
            time.sleep(0.005)

    return app, drain


def metrics_middleware():
    from prometheus_fastapi_instrumentator import Instrumentator

    app = application()
    Instrumentator().instrument(app)
    return app, lambda: None


def tracer_provider():
    from opentelemetry import trace
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    provider = TracerProvider()
    # A queue that never drops: what is measured is the cost of all spans.
    provider.add_span_processor(
        BatchSpanProcessor(
            OTLPSpanExporter(os.environ["OTLP_SINK"]), max_queue_size=1_000_000, schedule_delay_millis=250
        )
    )
    trace.set_tracer_provider(provider)
    return provider


def contrib():
    from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor

    provider = tracer_provider()
    app = application()
    FastAPIInstrumentor.instrument_app(app, tracer_provider=provider)
    return app, provider.force_flush


def native():
    provider = tracer_provider()
    return application(), provider.force_flush


def by_hand():
    """What a team writes today for the same breakdown: contrib, a metrics middleware and five spans of its own."""
    from fastapi import FastAPI, Request, Response
    from opentelemetry import trace
    from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor
    from prometheus_fastapi_instrumentator import Instrumentator
    from pydantic import BaseModel

    provider = tracer_provider()
    span = trace.get_tracer("by-hand").start_as_current_span

    class Question(BaseModel):
        text: str
        top_k: int
        threshold: float

    class Answer(BaseModel):
        labels: list[str]
        scores: list[float]

    app = FastAPI()

    @app.post("/predict")
    async def predict(request: Request) -> Response:
        with span("read"):
            body = await request.body()
        with span("deserialize"):
            data = json.loads(body)
        with span("validate"):
            question = Question.model_validate(data)
        with span("execute"):
            answer = Answer(
                labels=question.text.split()[: question.top_k], scores=[question.threshold] * question.top_k
            )
        with span("serialize"):
            return Response(answer.model_dump_json(), media_type="application/json")

    Instrumentator().instrument(app)
    FastAPIInstrumentor.instrument_app(app, tracer_provider=provider)
    return app, provider.force_flush


VARIANTS = {
    "bare": bare,
    "inferometer": ours,
    "inferometer, no sidecar": alone,
    "prometheus-fastapi-instrumentator": metrics_middleware,
    "opentelemetry-instrumentation-fastapi": contrib,
    "FastAPI native telemetry": native,
    "by hand (contrib + metrics + 5 spans)": by_hand,
}
OURS = tuple(VARIANTS)[1:3]
TRACED = tuple(VARIANTS)[4:]


async def one(app):
    scope = {
        "type": "http", "asgi": {"version": "3.0", "spec_version": "2.3"}, "http_version": "1.1", "method": "POST",
        "scheme": "http", "path": "/predict", "raw_path": b"/predict", "query_string": b"", "root_path": "",
        "headers": [
            (b"host", b"127.0.0.1:8000"), (b"user-agent", b"python-httpx/0.28.1"), (b"accept", b"*/*"),
            (b"accept-encoding", b"gzip, deflate"), (b"connection", b"keep-alive"),
            (b"content-type", b"application/json"), (b"content-length", b"%d" % len(BODY)),
        ],
        "client": ("127.0.0.1", 50000), "server": ("127.0.0.1", 8000), "state": {},
    }  # fmt: skip
    status = 0

    async def receive():
        return {"type": "http.request", "body": BODY, "more_body": False}

    async def send(sent):
        nonlocal status
        if sent["type"] == "http.response.start":
            status = sent["status"]

    await app(scope, receive, send)
    if status != 200:
        raise SystemExit(f"the application answered {status}")


async def serve(app, drain: Drain) -> None:
    """Read a number of requests per line, serve them, and say what they took in ns of CPU."""
    for line in sys.stdin:
        count = int(line)
        whole, path = time.process_time_ns(), time.thread_time_ns()
        for _ in range(count):
            await one(app)
        path = time.thread_time_ns() - path
        drain()
        print(path, time.process_time_ns() - whole, flush=True)


def sink(path: str) -> None:
    """Take in what the variants export, and throw it away."""
    from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

    class Otlp(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Otlp)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(path)
    listener.listen()
    print(server.server_port, flush=True)
    connection, _ = listener.accept()
    with contextlib.suppress(ConnectionResetError):
        take(connection)


def take(connection: socket.socket) -> None:
    from inferometer.wire import message
    from inferometer.wire.frame import peek
    from inferometer.wire.message import Reader, Type

    reader = Reader()
    while data := connection.recv(1 << 20):
        for kind, payload in reader.feed(data):
            if kind == Type.FRAME:
                connection.sendall(message.ack(peek(payload)[1]))


@contextlib.contextmanager
def environments(folder: Path) -> Iterator[Callable[[str], dict[str, str]]]:
    """A process that takes in what variants export, while the block runs; yields each variant's environment."""
    socket_path = str(folder / "sink.sock")
    taker = subprocess.Popen([sys.executable, __file__, "--sink", socket_path], stdout=subprocess.PIPE, text=True)
    try:
        otlp = f"http://127.0.0.1:{taker.stdout.readline().strip()}/v1/traces"
        shared = {**os.environ, "OTLP_SINK": otlp}
        alone_too = {
            "INFEROMETER_RUNTIME_DIR": str(folder / "run"),
            "INFEROMETER_METRICS": "127.0.0.1:0",
            "INFEROMETER_BASELINE_RATIO": "1",
            "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": otlp,
            "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/protobuf",
        }
        with_sidecar = {"INFEROMETER_SIDECAR": f"unix://{socket_path}"}
        yield lambda name: {**shared, **(alone_too if name == OURS[1] else with_sidecar)}
    finally:
        taker.kill()
        taker.wait()


@contextlib.contextmanager
def started(program: str, names: Iterable[str]) -> Iterator[dict[str, subprocess.Popen]]:
    """A process of *program* for each variant, by name, while the block runs."""
    with tempfile.TemporaryDirectory() as folder, environments(Path(folder)) as environ_of:
        processes = {
            name: subprocess.Popen(
                [sys.executable, program, "--variant", name],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                env=environ_of(name),
            )
            for name in names
        }
        try:
            yield processes
        finally:
            print(file=sys.stderr)
            for process in processes.values():
                process.kill()
                process.wait()


def measure(rounds: int, requests: int) -> dict[str, tuple[float, float]]:
    """Median CPU µs per request, (path, whole), by variant."""
    taken: dict[str, list[tuple[int, int]]] = {name: [] for name in VARIANTS}
    with started(__file__, VARIANTS) as processes:
        for number in range(rounds + 2):
            for name, process in processes.items():
                process.stdin.write(f"{requests}\n")
                process.stdin.flush()
                path, whole = map(int, process.stdout.readline().split())
                if number >= 2:  # two rounds to warm up
                    taken[name].append((path, whole))
            print(f"\rround {number + 1} of {rounds + 2}", end="", file=sys.stderr, flush=True)
    return {
        name: (
            statistics.median(path for path, _ in pairs) / requests / 1000,
            statistics.median(whole for _, whole in pairs) / requests / 1000,
        )
        for name, pairs in taken.items()
    }


def report(result: dict[str, tuple[float, float]]) -> None:
    base_path, base_whole = result["bare"]
    with_sidecar, without = (result[name][1] - base_whole for name in OURS)
    print(f"{'CPU µs per request':40} {'path':>8} {'added':>8} {'whole':>8} {'added':>8} {'ours is':>9} {'alone':>10}")
    for name, (path, whole) in result.items():
        added = whole - base_whole
        ratios = f"{with_sidecar / added:8.3f}x {without / added:9.3f}x" if name not in ("bare", *OURS) else ""
        print(f"{name:40} {path:8.1f} {path - base_path:8.1f} {whole:8.1f} {added:8.1f} {ratios}")
    print(f"path: {result[OURS[0]][0] - base_path:.1f} µs added (reach: 8); whole: {with_sidecar:.1f} (reach: 12), "
          f"without a sidecar, every trace exported: {without:.1f} (reach: 20)")  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--requests", type=int, default=2000, help="per round and variant")
    parser.add_argument("--json", action="store_true", help="print medians as JSON")
    parser.add_argument("--variant", choices=VARIANTS, help=argparse.SUPPRESS)
    parser.add_argument("--sink", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.sink:
        sink(arguments.sink)
    elif arguments.variant:
        asyncio.run(serve(*VARIANTS[arguments.variant]()))
    else:
        result = measure(arguments.rounds, arguments.requests)
        if arguments.json:
            print(json.dumps({name: {"path_us": path, "whole_us": whole} for name, (path, whole) in result.items()}))
        else:
            report(result)


if __name__ == "__main__":
    main()
