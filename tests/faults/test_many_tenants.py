"""A hundred thousand tenants and as many models: series and memory stay bounded, sums stay right."""

import contextlib
import time
from pathlib import Path

import pytest
from sidecar_under_test import Scraper, Sidecar
from trial import Row, main
from wire_worker import THRESHOLDS, Worker

from inferometer.aggregate.aggregator import SERIES_LIMIT
from inferometer.catalog import requests, telemetry
from inferometer.fleet.thresholds_file import dumps
from inferometer.wire.frame import Names
from inferometer_exporters.naming import NAMED_TENANTS
from inferometer_exporters.recorder import queries

NUMBER = 100_000
PER_WORKER = 25_000
"""A worker gives out as many names; the server refuses one of more than 100,000."""


def names(worker: int) -> Names:
    first = worker * PER_WORKER
    shapes = {
        n + 1: ("svc", f"model-{first + n}", "1", "", f"tenant-{first + n}", "", "POST", "/m")
        for n in range(PER_WORKER)
    }
    return Names(shapes, {1: "box"})


def trial(folder: Path) -> Row:
    (folder / "thresholds.json").write_text(dumps(THRESHOLDS))
    sidecar = Sidecar(folder)
    sidecar.start()
    idle = sidecar.resident_bytes()
    scraper = Scraper(sidecar)
    sent, peak = 0, 0
    for number in range(NUMBER // PER_WORKER):
        worker = Worker(folder / "sidecar.sock", names=names(number), per_frame=500, period=0.05)
        worker.in_order = True
        worker.thread.start()
        while len(worker.spans) < PER_WORKER:
            time.sleep(0.05)
        worker.finish()
        sent += len(worker.spans)
        peak = max(peak, sidecar.resident_bytes())
        scraper.scrape()
    deadline = time.monotonic() + 30
    while scraper.total(telemetry.RECORDS.name) < sent and time.monotonic() < deadline:
        time.sleep(0.2)
        scraper.scrape()
    status = sidecar.terminate()
    families: dict[str, set[str]] = {}
    for key in scraper.values:
        name = key.partition("{")[0]
        if not name.endswith(("_bucket", "_sum")):
            families.setdefault(name, set()).add(key)
    largest = max(families, key=lambda name: len(families[name]))
    with contextlib.closing(queries.opened(folder / "state" / "recorder.duckdb")) as cursor:
        stored, tenants = queries.rows(
            cursor,
            "select count(*), count(distinct named_tenant) from requests join labels on labels.id = requests.labels",
        )[0]
    limited = scraper.total(telemetry.SERIES_LIMITED.name)
    # Closed sets keep their values when a family is full: a handful of series `other` more.
    bound = SERIES_LIMIT + 200
    return Row(
        fault="100,000 tenants",
        done=f"{sent:,} requests of {NUMBER:,} tenants and {NUMBER:,} models, named by 4 workers",
        holds={
            f"no metric has more than {SERIES_LIMIT:,} series and those of `other`": len(families[largest]) <= bound,
            "requests are all counted, those of `other` among them": scraper.total(requests.REQUESTS.name) == sent
            and scraper.total(telemetry.RECORDS.name) == sent,
            "what went to `other` is counted": limited > 0,
            "no counter fell": not scraper.fallen,
            f"the recorder has every request, {NAMED_TENANTS:,} tenants by name and the rest as `other`": stored == sent
            and tenants == NAMED_TENANTS + 1,
            "resident memory grew by less than 400 MiB": peak - idle < 400 << 20,
            "it ended well": status == 0,
        },
        seen=f"largest metric {largest} with {len(families[largest]):,} series; {limited:,.0f} limited; "
        f"{stored:,} stored of {tenants:,} tenants; {idle >> 20} MiB idle, {peak >> 20} MiB at most",
    )


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_hundred_thousand_tenants_and_models_are_bounded(tmp_path):
    row = trial(tmp_path)

    assert row.passed, "\n".join(row.lines())


if __name__ == "__main__":
    main(trial)
