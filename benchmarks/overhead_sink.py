"""A process that takes in what the variants of benchmarks/overhead.py export, and throws it away.

    python benchmarks/overhead_sink.py SOCKET

Prints the port of its OTLP over HTTP; frames come through the Unix socket SOCKET.
"""

import contextlib
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from overhead_variants import OURS


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
    taker = subprocess.Popen([sys.executable, __file__, socket_path], stdout=subprocess.PIPE, text=True)
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


if __name__ == "__main__":
    sink(sys.argv[1])
