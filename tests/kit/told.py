"""Whoever Alertmanager tells: webhooks of all receivers, taken by one server on loopback."""

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Receivers:
    """What each receiver was told: messages of Alertmanager, by its name."""

    def __init__(self):
        self._messages: list[tuple[str, dict]] = []
        self._lock = threading.Lock()

    def take(self, path: str, body: bytes) -> None:
        with self._lock:
            self._messages.append((path.strip("/"), json.loads(body)))

    def messages(self, receiver: str | None = None) -> list[dict]:
        with self._lock:
            return [message for name, message in self._messages if receiver in {None, name}]

    def of(self, receiver: str, **labels: str) -> list[tuple[str, dict]]:
        """Status and alert of each alert with these labels, in the order in which they came."""
        return [
            (alert["status"], alert)
            for message in self.messages(receiver)
            for alert in message["alerts"]
            if labels.items() <= alert["labels"].items()
        ]


def served(get: Callable[[], bytes], post: Callable[[str, bytes], None]) -> ThreadingHTTPServer:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self._answer(get())

        def do_POST(self):
            post(self.path, self.rfile.read(int(self.headers["content-length"])))
            self._answer(b"{}")

        def log_message(self, *_):
            pass

        def _answer(self, content):
            self.send_response(200)
            self.send_header("content-type", "text/plain; version=0.0.4")
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server
