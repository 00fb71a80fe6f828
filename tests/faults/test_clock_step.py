"""The wall clock of sidecar and workers is set an hour ahead, then two hours back: nothing that is counted notices."""

import contextlib
import signal
import time
from pathlib import Path

import pytest
from sidecar_under_test import Scraper, Sidecar
from trial import Row, main
from wire_worker import THRESHOLDS, Worker

from inferometer.catalog import requests, telemetry
from inferometer.fleet.thresholds_file import dumps
from inferometer_exporters.recorder import queries

HOUR = 3600 * 10**9


def trial(folder: Path) -> Row:
    (folder / "thresholds.json").write_text(dumps(THRESHOLDS))
    offset = [0]
    sidecar = Sidecar(folder, "--clock")
    sidecar.start()
    worker = Worker(folder / "sidecar.sock", wall_ns=lambda: time.time_ns() + offset[0])
    scraper = Scraper(sidecar)
    begin = time.monotonic()
    for each in (worker, scraper):
        each.thread.start()
    for step, number in ((HOUR, signal.SIGUSR1), (-HOUR, signal.SIGUSR2), (-HOUR, signal.SIGUSR2)):
        time.sleep(2)
        offset[0] += step
        sidecar.process.send_signal(number)
    time.sleep(2)
    worker.finish()
    took = time.monotonic() - begin
    deadline = time.monotonic() + 20
    while scraper.total(requests.REQUESTS.name) < len(worker.spans) and time.monotonic() < deadline:
        time.sleep(0.1)
    scraper.finish()
    status = sidecar.terminate()
    with contextlib.closing(queries.opened(folder / "state" / "recorder.duckdb")) as cursor:
        stored, longest = queries.rows(cursor, "select count(*), max(duration_ns) from requests")[0]
        spread = queries.rows(cursor, "select (max(wall_ns) - min(wall_ns)) / 3.6e12 from requests")[0][0]
        (device,) = queries.devices(cursor)
    ledger = sum(device["ledger_seconds"].values())
    return Row(
        fault="clock step ± 1 h",
        done="wall clock + 1 h, - 1 h, - 1 h under load (simulated: what both processes read, not the kernel's clock)",
        holds={
            "no counter fell": not scraper.fallen,
            "every request is counted and stored": stored == len(worker.spans) == scraper.total(telemetry.RECORDS.name),
            "no duration is longer than the trial": longest < took * 1e9,
            "the ledger adds up to the time that passed": device["residual_ratio"] == 0 and abs(ledger - took) < 10,
            "it ended well": status == 0,
        },
        seen=f"{stored} requests over {spread:.1f} h of wall clock in {took:.0f} s; ledger {ledger:.1f} s",
    )


@pytest.mark.slow
def test_a_step_of_the_wall_clock_changes_no_count_and_no_duration(tmp_path):
    row = trial(tmp_path)

    assert row.passed, "\n".join(row.lines())


if __name__ == "__main__":
    main(trial)
