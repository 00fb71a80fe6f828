"""The sidecar is killed under load, again and again: nothing is lost, nothing is counted twice, nothing goes back."""

import contextlib
import random
import secrets
import signal
import time
from collections import defaultdict

import pytest
from sidecar_under_test import Scraper, Sidecar
from wire_worker import THRESHOLDS, Worker

from inferometer.catalog import requests, telemetry
from inferometer.fleet.thresholds_file import dumps
from inferometer_exporters.recorder import queries

KILLS = 20


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_sidecar_that_is_killed_twenty_times_loses_nothing_and_counts_nothing_twice(tmp_path):
    chance = random.Random(secrets.randbits(32))
    (tmp_path / "thresholds.json").write_text(dumps(THRESHOLDS))
    sidecar = Sidecar(tmp_path)
    workers = [Worker(tmp_path / "sidecar.sock") for _ in range(2)]
    scraper = Scraper(sidecar)
    sidecar.start()
    for each in (*workers, scraper):
        each.thread.start()

    kills = defaultdict(int)
    for number in range(KILLS):
        # Odd ones die by themselves between two steps of a pass, even ones wherever the signal finds them.
        if number % 2:
            assert sidecar.reap() == -signal.SIGKILL
            kills["step"] += 1
        else:
            time.sleep(chance.uniform(0.0, 0.8))
            sidecar.kill()
            kills["moment"] += 1
        last = number == KILLS - 1
        sidecar.start(die_after=0 if number % 2 or last else chance.randrange(1, 30))
    for worker in workers:
        worker.finish()
    sent = [span for worker in workers for span in worker.spans]
    deadline = time.monotonic() + 20
    # A series is born at 0 and shows it until one scrape has fetched that.
    while scraper.total(requests.REQUESTS.name) < len(sent) and time.monotonic() < deadline:
        time.sleep(0.1)
    scraper.finish()
    assert sidecar.process is not None
    sidecar.process.send_signal(signal.SIGTERM)
    assert sidecar.reap() == 0

    assert kills == {"step": KILLS // 2, "moment": KILLS // 2}
    assert scraper.fallen == []
    assert scraper.scrapes > KILLS
    assert scraper.total(requests.REQUESTS.name, outcome="ok") == len(sent)
    assert scraper.total(telemetry.RECORDS.name) == len(sent)
    assert scraper.total(f"{requests.REQUEST_DURATION.name}_count") == len(sent)
    assert scraper.total(requests.SLO_EVENTS.name) == len(sent)
    assert scraper.total(telemetry.DROPS.name) == 0
    with contextlib.closing(queries.opened(tmp_path / "state" / "recorder.duckdb")) as cursor:
        stored = [span for (span,) in queries.rows(cursor, "select span_id from requests")]
        device = queries.devices(cursor)[0]
        charged = queries.rows(cursor, "select sum(device_ns) from requests")[0][0]
    assert sorted(stored) == sorted(sent)
    assert device["residual_ratio"] == 0
    assert charged <= device["ledger_seconds"]["attributed"] * 1e9 + 1e9
    assert device["ledger_seconds"]["unobserved"] > 0
