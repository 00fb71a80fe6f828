"""An engine's page on loopback, which says what a test wants."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

CAPTURED = Path(__file__).parents[1] / "data/engines"


class EngineUnderTest:
    """Serves a page; ``status`` other than 200 is an engine that is broken."""

    def __init__(self) -> None:
        self.page = b""
        self.status = 200
        self.asked = 0
        engine = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                engine.asked += 1
                body = engine.page
                self.send_response(engine.status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self._server.server_port
        self.url = f"http://127.0.0.1:{self.port}/metrics"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def says(self, *lines: str) -> None:
        """What the page has from now on."""
        self.page = "".join(f"{line}\n" for line in lines).encode()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def engine() -> Iterator[EngineUnderTest]:
    one = EngineUnderTest()
    yield one
    one.close()
