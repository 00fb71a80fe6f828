"""The sidecar is killed under load, again and again: nothing is lost, nothing is counted twice, nothing goes back."""

import contextlib
import random
import secrets
import signal
import time
from collections import defaultdict
from pathlib import Path

import pytest
from sidecar_under_test import Scraper, Sidecar
from trial import Row, main
from wire_worker import THRESHOLDS, Worker

from inferometer.catalog import requests, telemetry
from inferometer.fleet.thresholds_file import dumps
from inferometer_exporters.recorder import queries

KILLS = 20


def trial(folder: Path) -> Row:
    chance = random.Random(secrets.randbits(32))
    (folder / "thresholds.json").write_text(dumps(THRESHOLDS))
    sidecar = Sidecar(folder)
    workers = [Worker(folder / "sidecar.sock") for _ in range(2)]
    scraper = Scraper(sidecar)
    sidecar.start()
    for each in (*workers, scraper):
        each.thread.start()

    kills = defaultdict(int)
    for number in range(KILLS):
        # Odd ones die by themselves between two steps of a pass, even ones wherever the signal finds them.
        if number % 2:
            if sidecar.reap() == -signal.SIGKILL:
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
    ended = sidecar.reap()
    with contextlib.closing(queries.opened(folder / "state" / "recorder.duckdb")) as cursor:
        stored = [span for (span,) in queries.rows(cursor, "select span_id from requests")]
        device = queries.devices(cursor)[0]
        charged = queries.rows(cursor, "select sum(device_ns) from requests")[0][0]
    counted = (
        scraper.total(requests.REQUESTS.name, outcome="ok"),
        scraper.total(telemetry.RECORDS.name),
        scraper.total(f"{requests.REQUEST_DURATION.name}_count"),
        scraper.total(requests.SLO_EVENTS.name),
    )
    ledger = device["ledger_seconds"]
    return Row(
        fault="kill -9, twenty times",
        done=f"{KILLS} kills of the sidecar while two workers send, half of them at any moment, half between two steps",
        holds={
            "it died as often as it was killed": kills == {"step": KILLS // 2, "moment": KILLS // 2},
            "every request is counted once by each series": set(counted) == {len(sent)},
            "nothing was dropped": scraper.total(telemetry.DROPS.name) == 0,
            "every request is in the recorder once": sorted(stored) == sorted(sent),
            "no counter fell": not scraper.fallen and scraper.scrapes > KILLS,
            "the ledger adds up": device["residual_ratio"] == 0,
            "requests are charged no more than was attributed": charged <= ledger["attributed"] * 1e9 + 1e9,
            "the time without it is unobserved": ledger["unobserved"] > 0,
            "it ended well": ended == 0,
        },
        seen=f"{len(sent)} requests, {scraper.scrapes} scrapes; {ledger['unobserved']:.1f} s unobserved",
    )


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_sidecar_that_is_killed_twenty_times_loses_nothing_and_counts_nothing_twice(tmp_path):
    row = trial(tmp_path)

    assert row.passed, "\n".join(row.lines())


if __name__ == "__main__":
    main(trial)
