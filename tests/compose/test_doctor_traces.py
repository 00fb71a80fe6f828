"""What the doctor says of exemplars whose traces are, are not, or are not yet in Jaeger."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from inferometer.catalog.spans import EXEMPLAR_TRACE_ID
from inferometer_compose.doctor import traces
from inferometer_compose.doctor.link import Link, State, Where

NOW = 1_800_000_000.0
FRESH, OLD = 2.0, 90.0
"""Seconds ago: on its way at most, and there for sure."""


@contextmanager
def answering(exemplars: dict[str, float], stored: set[str]) -> Iterator[str]:
    """A Prometheus with exemplars (trace -> seconds ago) and a Jaeger with traces, at one address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            path = self.path.partition("?")[0]
            shown = [{"labels": {EXEMPLAR_TRACE_ID: trace}, "timestamp": NOW - ago}
                     for trace, ago in exemplars.items()]  # fmt: skip
            body = json.dumps({"status": "success", "data": [{"seriesLabels": {}, "exemplars": shown}]}).encode()
            gone = path.startswith("/api/traces/") and path.rpartition("/")[2] not in stored
            self.send_response(404 if gone else 200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def link(exemplars: dict[str, float], stored: set[str]) -> Link:
    with answering(exemplars, stored) as url:
        where = Where(
            metrics=url, api=url, prometheus=url, jaeger=url, grafana=None, fleet=None, time_scale=1, environment={},
            clock=lambda: NOW,
        )  # fmt: skip
        (found,) = (one for one in traces.look(where) if one.name == "traces")
    return found


@pytest.mark.parametrize(
    ("exemplars", "stored", "state", "says"),
    [
        ({"a": OLD, "b": FRESH}, {"a", "b"}, State.WHOLE, "the 1 newest exemplars open their traces"),
        ({"a": FRESH}, {"a"}, State.WHOLE, "the 1 newest exemplars open their traces"),
        ({"a": OLD, "b": FRESH}, {"a"}, State.WHOLE, "the 1 newest exemplars open their traces"),
        ({"a": FRESH}, set(), State.UNSEEN, "have no trace in Jaeger yet, such as a: traces may take 60 s"),
        ({"a": OLD}, set(), State.BROKEN, "1 of the 1 newest exemplars have no trace in Jaeger, such as a"),
        ({"a": OLD} | {f"b{n}": FRESH for n in range(9)}, set(), State.BROKEN, "1 of the 1 newest exemplars"),
        ({}, set(), State.UNSEEN, "Prometheus has no exemplar of the last hour"),
    ],
    ids=["all there", "a fresh one there", "a fresh one on its way", "none yet", "gone", "gone, under load", "none"],
)
def test_a_trace_is_missed_once_it_had_the_time_to_arrive(exemplars, stored, state, says):
    found = link(exemplars, stored)

    assert (found.state, says in found.says) == (state, True), found
