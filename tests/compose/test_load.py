"""The load generator counts every request once, keeps its rate, and skips instead of piling up."""

import asyncio
import json
import subprocess
import sys
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from inferometer_compose.demo.loadline import LoadLine
from inferometer_compose.load import generator
from inferometer_compose.load.counts import Counts


@contextmanager
def a_gateway(status=200, *, hang=None):
    seen = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            body = self.rfile.read(int(self.headers["content-length"]))
            seen.append((self.path, self.headers["x-tenant"], len(body)))
            if hang is not None:
                hang.wait(10)
            code = status if len(seen) % 4 else 500
            self.send_response(code)
            self.send_header("content-length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", seen
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def load(url, rate=200.0, seconds=1.0):
    return asyncio.run(
        generator.run(url, rate_per_second=rate, seconds=seconds, seed=7, report=lambda *_: None, every_seconds=0.1)
    )


def test_what_was_sent_is_what_arrived_and_how_it_ended():
    with a_gateway() as (url, seen):
        counts = load(url)

    assert counts.sent == len(seen) == counts.ok + counts.failed
    assert counts.failed == counts.statuses["500"] == len(seen) // 4
    assert counts.sent == pytest.approx(200, rel=0.3)
    assert set(counts.kinds) == {"/search", "/files", "/listen"}
    assert counts.tenants["acme"] > counts.tenants["hooli"]


def test_a_gateway_that_is_not_there_is_counted_as_failed():
    with a_gateway() as (url, _):
        pass

    counts = load(url, rate=50, seconds=0.5)

    assert counts.sent == counts.failed > 0
    assert set(counts.statuses) == {"ConnectError"}


def test_more_than_the_limit_is_skipped_and_counted(monkeypatch):
    monkeypatch.setattr(generator, "MAX_OPEN", 8)
    release = threading.Event()
    with a_gateway(hang=release) as (url, _):
        threading.Timer(2, release.set).start()
        counts = load(url, rate=100, seconds=0.6)

    assert counts.sent <= 20
    assert counts.skipped > 20


def test_the_program_prints_its_counts_as_lines_and_ends_with_done():
    with a_gateway() as (url, seen):
        command = [sys.executable, "-m", "inferometer_compose.load", "--url", url, "--rate", "50", "--for", "1"]
        output = subprocess.run(command, capture_output=True, check=True, timeout=60).stdout

    lines = [json.loads(line) for line in output.splitlines()]
    assert [line["done"] for line in lines] == [False] * (len(lines) - 1) + [True]
    assert lines[-1]["sent"] == len(seen)


def counts_at(seconds, sent, ok, failed):
    return Counts(sent=sent, ok=ok, failed=failed).to_json(seconds, done=False)


def test_rates_are_those_of_the_last_seconds():
    line = LoadLine()
    for second in range(10):
        line.take(counts_at(float(second), second * 40, second * 40, 0))
    line.take(counts_at(10.0, 400, 370, 30))

    per_second, errors = line.lately()

    assert per_second == pytest.approx(40)
    assert errors == pytest.approx(30 / 120)


def test_there_are_no_rates_before_the_first_counts():
    assert LoadLine().lately() == (0.0, None)
