"""A trace store that takes connections and never answers: passes, page and acknowledgements do not wait for it."""

import contextlib
import socket
import threading
import time
import urllib.request
from pathlib import Path

import pytest
from sidecar_under_test import Scraper, Sidecar
from trial import Row, main
from wire_worker import THRESHOLDS, Worker

from inferometer.catalog import telemetry
from inferometer.fleet.thresholds_file import dumps
from inferometer_exporters.recorder import queries

SECONDS = 12


class Mute:
    """Accepts, reads, and says nothing."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self._listener.getsockname()[1]
        self._held: list[socket.socket] = []
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                self._held.append(self._listener.accept()[0])

    @property
    def connections(self) -> int:
        return len(self._held)

    def close(self) -> None:
        for each in (self._listener, *self._held):
            each.close()


def trial(folder: Path) -> Row:
    (folder / "thresholds.json").write_text(dumps(THRESHOLDS))
    jaeger = Mute()
    sidecar = Sidecar(folder, "--otlp", f"http://127.0.0.1:{jaeger.port}/v1/traces")
    sidecar.start()
    worker, scraper = Worker(folder / "sidecar.sock"), Scraper(sidecar)
    for each in (worker, scraper):
        each.thread.start()
    worst_waiting, scrapes = 0, []
    begin = time.monotonic()
    first = sidecar.resident_bytes()
    while time.monotonic() < begin + SECONDS:
        at = time.monotonic()
        urllib.request.urlopen(sidecar.metrics, timeout=10).read()
        scrapes.append(time.monotonic() - at)
        worst_waiting = max(worst_waiting, worker.waiting)
        time.sleep(0.1)
    grown = sidecar.resident_bytes() - first
    worker.finish()
    deadline = time.monotonic() + 20
    while scraper.total(telemetry.RECORDS.name) < len(worker.spans) and time.monotonic() < deadline:
        time.sleep(0.1)
    scraper.finish()
    at = time.monotonic()
    status = sidecar.terminate()
    ended = time.monotonic() - at
    connections = jaeger.connections
    jaeger.close()
    with contextlib.closing(queries.opened(folder / "state" / "recorder.duckdb")) as cursor:
        stored = queries.rows(cursor, "select count(*) from requests")[0][0]
    return Row(
        fault="slow Jaeger",
        done=f"an OTLP receiver that accepts and never answers, for {SECONDS} s",
        holds={
            "it was tried": connections > 0,
            "every record is counted and stored": stored == len(worker.spans) == scraper.total(telemetry.RECORDS.name),
            "no counter fell": not scraper.fallen,
            "frames are acknowledged meanwhile": worst_waiting * worker.period < SECONDS / 2,
            "it ends within 15 s": status == 0 and ended < 15,
        },
        seen=f"{len(worker.spans)} requests; at most {worst_waiting} frames unacknowledged; "
        f"slowest scrape {max(scrapes) * 1e3:.0f} ms; + {grown >> 20} MiB; ended in {ended:.1f} s",
    )


@pytest.mark.slow
def test_a_trace_store_that_never_answers_stops_nothing(tmp_path):
    row = trial(tmp_path)

    assert row.passed, "\n".join(row.lines())


if __name__ == "__main__":
    main(trial)
