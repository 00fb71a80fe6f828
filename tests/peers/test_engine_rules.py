"""Both ways out of an engine's mapping, in a real Prometheus: what the sidecar republishes is what rules record."""

import json
import math
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import pytest
from prometheus_server import Prometheus, eventually

from inferometer.aggregate import Exposition, PageServer, Snapshot
from inferometer.aggregate.sample import joined
from inferometer.catalog import engines as catalog
from inferometer.fleet.loader import loads
from inferometer_alerts.generation import files
from inferometer_exporters.engines.fleet import Engines
from inferometer_exporters.engines.scrape import Scraped
from inferometer_exporters.pages.fetch import PageUrl

pytestmark = [pytest.mark.peers, pytest.mark.slow, pytest.mark.timeout(300)]

ROOT = Path(__file__).parents[2]
PAGES = ROOT / "tests/data/engines"

FOLDERS = {"nvidia-nim": "nim", "vllm-production-stack-router": "production-stack"}
"""Folders of pages that are not named like their engine."""
SIGNALS = sorted({signal.entry.name for signal in catalog.SIGNALS})
SCRAPE_SECONDS = 3
MODEL = "the-only-model"
SIDECAR = "-by-sidecar"
HEAD = """
version: 1
fleet: engines
objectives:
  available: {sli: availability, target: 99, window: 30d}
receivers:
  oncall: {webhook: {url: "http://127.0.0.1:9099/alerts"}}
routes: {page: oncall, ticket: oncall}
services:
  mine:
    engine: fastapi
    models: {own: {objectives: [available]}}
"""


def engine_of(page: Path) -> str:
    if page.name.startswith("dynamo") and "worker" in page.name:
        return "dynamo-worker"
    return FOLDERS.get(page.parent.name, page.parent.name)


def pages() -> dict[str, list[Path]]:
    """Pages by service: the first scrape and, where there is one, the second."""
    found = {}
    for page in sorted(PAGES.glob("*/*.prom")):
        # LitServe tells nothing itself: its page is what a user's logger wrote.
        if not page.stem.endswith("-scrape2") and page.parent.name != "litserve":
            again = page.with_name(f"{page.stem}-scrape2.prom")
            found[page.stem.replace(".", "-").lower()] = [page, *([again] if again.exists() else [])]
    return found


class Served:
    """One engine's page at an address of its own."""

    def __init__(self, shown: list[Path]) -> None:
        self.shown, self.at = shown, 0
        served = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                body = served.body()
                self.send_response(200)
                self.send_header("Content-Type", "text/plain; version=0.0.4")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}/metrics"

    def body(self) -> bytes:
        body = self.shown[min(self.at, len(self.shown) - 1)].read_bytes()
        return body if body.endswith(b"\n") else body + b"\n"

    def close(self):
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    """All captured pages, read by Prometheus itself and through the sidecar's code."""
    folder = tmp_path_factory.mktemp("both")
    served = {name: Served(shown) for name, shown in pages().items()}
    fleet = loads(
        HEAD
        + "".join(
            f"  {name}:\n    engine: {engine_of(one.shown[0])}\n    scraped_by: prometheus\n"
            f'    pages: ["{one.url}"]\n    models: {{{MODEL}: {{}}}}\n'
            for name, one in served.items()
        )
    )
    engines = Engines(
        [
            Scraped(url=PageUrl.parse(one.url), service=name + SIDECAR, engine=engine_of(one.shown[0]), model=MODEL)
            for name, one in served.items()
        ],
        folder=folder / "state",
    )
    page = PageServer(Exposition(lambda: joined(Snapshot(), engines.families())), healthy=lambda: True, port=0)
    page.start()
    written = files(fleet, time_scale=round(15 / SCRAPE_SECONDS))
    for name, content in written.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    (folder / "prometheus/targets/inferometer.json").write_text(json.dumps([{"targets": [f"127.0.0.1:{page.port}"]}]))
    scrape(engines)
    prometheus = Prometheus(folder / "prometheus", written["prometheus/prometheus.yml"].decode())
    yield SimpleNamespace(served=served, engines=engines, prometheus=prometheus)
    prometheus.close()
    page.close()
    for one in served.values():
        one.close()


def scrape(engines: Engines) -> None:
    for scraper in engines._scrapers:
        scraper.scrape()


def values(both, service: str) -> dict[tuple, float]:
    """Series of a service by name and labels."""
    names = "|".join(f"{name}(_bucket|_sum|_count)?" for name in SIGNALS)
    found = both.prometheus.ask(f'{{__name__=~"{names}", service="{service}"}}') or []
    return {
        tuple(sorted((n, v) for n, v in one["metric"].items() if n not in {"service", "instance", "job"})): float(
            one["value"][1]
        )
        for one in found
    }


def apart(one: dict[tuple, float], other: dict[tuple, float]) -> list[tuple]:
    """Series that differ, with both values."""
    return [
        (dict(key), one.get(key), other.get(key))
        for key in sorted(one.keys() | other.keys())
        if key not in one or key not in other or not same(one[key], other[key])
    ]


def same(one: float, other: float) -> bool:
    return math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-12) or (math.isnan(one) and math.isnan(other))


def sums_that_nobody_knows(differences: list[tuple]) -> list[tuple]:
    """In the protobuf format a histogram has a sum; where nobody knows it, it is no number."""
    return [
        one
        for one in differences
        if not (one[0]["__name__"].endswith("_sum") and one[2] is not None and math.isnan(one[2]))
    ]


@pytest.mark.parametrize("again", [False, True], ids=["first scrape", "second scrape"])
def test_rules_record_what_the_sidecar_shows(both, again):
    for one in both.served.values():
        one.at = int(again)
    scrape(both.engines)

    def differences():
        found = {}
        for name in both.served:
            ours, theirs = values(both, name), values(both, name + SIDECAR)
            # Two empty answers are equal, too.
            found[name] = sums_that_nobody_knows(apart(ours, theirs)) if ours else [("nothing is recorded",)]
        return {name: different for name, different in found.items() if different}

    assert eventually_none(differences, lambda: scrape(both.engines)) == {}


def eventually_none(differences, scrape_again) -> dict:
    """The first three differences of each page, once there are none, or after a minute and a half."""
    last: dict = {}

    def settled():
        last.clear()
        last.update({name: found[:3] for name, found in differences().items()})
        if last:
            time.sleep(SCRAPE_SECONDS)
            # New totals show 0 until they were fetched once: another scrape shows them as they are.
            scrape_again()
        return not last

    eventually(settled, 90)
    return last


def test_every_page_tells_something_both_ways(both):
    told = {name: len(values(both, name)) for name in both.served}

    assert min(told.values()) >= 1, told
    assert told["vllm-0-32-0-cpu"] > 200
