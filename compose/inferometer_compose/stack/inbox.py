"""A receiver of Alertmanager's webhooks that remembers what came and when.

Alone: ``python -m inferometer_compose.stack.inbox --port 9099``; ``GET /alerts`` lists what came.
"""

import argparse
import json
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

# The last alerts are kept; a receiver that runs for months must not grow.
MAX_ALERTS = 1000
MAX_BODY_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Delivered:
    """An alert as it arrived; times are seconds since 1970.

    Attributes:
        fired_at: When Prometheus says that it began.
        received_at: When we were first told.
        resolved_at: When we were told that it is over; absent while it fires.
    """

    name: str
    labels: dict[str, str]
    fired_at: float
    received_at: float
    resolved_at: float | None = None
    summary: str = ""


@dataclass(slots=True)
class Inbox:
    """Alerts by fingerprint and start, in the order in which they came."""

    now: Callable[[], float] = time.time
    _alerts: dict[tuple[str, str], Delivered] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def receive(self, message: Any) -> int:
        """Take a webhook's message; how many alerts were in it.

        Raises:
            ValueError: it is not a message of Alertmanager.
        """
        try:
            alerts = [(str(one["fingerprint"]), str(one["startsAt"]), one) for one in message["alerts"]]
            read = [(key, start, _delivered(one, self.now())) for key, start, one in alerts]
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"not a message of Alertmanager: {error!r}") from error
        with self._lock:
            for key, start, alert in read:
                before = self._alerts.get((key, start))
                first = alert if before is None else replace(alert, received_at=before.received_at)
                if before is not None and before.resolved_at is not None:
                    first = replace(first, resolved_at=before.resolved_at)
                self._alerts[key, start] = first
            while len(self._alerts) > MAX_ALERTS:
                del self._alerts[next(iter(self._alerts))]
        return len(read)

    def alerts(self) -> list[Delivered]:
        """What came so far."""
        with self._lock:
            return list(self._alerts.values())


def _delivered(alert: Any, now: float) -> Delivered:
    labels = {str(name): str(value) for name, value in alert["labels"].items()}
    return Delivered(
        name=labels["alertname"],
        labels=labels,
        fired_at=datetime.fromisoformat(alert["startsAt"]).timestamp(),
        received_at=now,
        resolved_at=now if alert["status"] == "resolved" else None,
        summary=str(alert.get("annotations", {}).get("summary", "")),
    )


def serve(inbox: Inbox, host: str, port: int) -> ThreadingHTTPServer:
    """A server that is bound but not yet serving: every POST is a message, ``GET /alerts`` lists what came."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            """Take a message."""
            length = int(self.headers.get("content-length") or 0)
            if length > MAX_BODY_BYTES:
                self._answer(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, {"error": "too big"})
                self.close_connection = True
                return
            try:
                count = inbox.receive(json.loads(self.rfile.read(length)))
            except ValueError as error:
                self._answer(HTTPStatus.BAD_REQUEST, {"error": str(error)})
            else:
                self._answer(HTTPStatus.OK, {"received": count})

        def do_GET(self) -> None:
            """List what came."""
            if self.path == "/healthz":
                self._answer(HTTPStatus.OK, {"status": "ok"})
            elif self.path == "/alerts":
                self._answer(HTTPStatus.OK, [asdict(alert) for alert in inbox.alerts()])
            else:
                self._answer(HTTPStatus.NOT_FOUND, {"error": "there is /alerts"})

        def log_message(self, *_: object) -> None:
            """Nothing: what came is listed at /alerts."""

        def _answer(self, status: HTTPStatus, body: object) -> None:
            content = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

    return ThreadingHTTPServer((host, port), Handler)


def main() -> None:
    """Serve until somebody ends it."""
    parser = argparse.ArgumentParser(prog="python -m inferometer_compose.stack.inbox", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=9099)
    arguments = parser.parse_args()
    serve(Inbox(), arguments.host, arguments.port).serve_forever()


if __name__ == "__main__":
    main()
