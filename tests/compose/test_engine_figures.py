"""What the demo's report says of model servers of others: what their counters did between two looks at the page."""

import pytest

from inferometer.catalog import engines, requests
from inferometer.errors import InferometerError
from inferometer.fleet.loader import loads
from inferometer.fleet.slos import slos
from inferometer.fleet.summary import thresholds
from inferometer_compose.demo.engine_figures import LOOK_SECONDS, EngineFigures

FLEET = loads("""
version: 1
fleet: engines
objectives:
  available: {sli: availability, target: 99, window: 30d}
  prompt: {sli: latency, threshold: 200ms, target: 99, window: 30d}
receivers: {oncall: {webhook: {url: "http://127.0.0.1:9099/alerts"}}}
routes: {page: oncall, ticket: oncall}
services:
  flowers:
    engine: ray-serve
    pages: ["http://a:1/metrics", "http://b:1/metrics"]
    models: {flowers: {objectives: [available, prompt]}}
  elsewhere:
    engine: ray-serve
    scraped_by: prometheus
    pages: ["http://c:1/metrics"]
    models: {m: {objectives: [available]}}
""")
NAMES = {"requests": requests.REQUESTS.name, "seconds": f"{requests.REQUEST_DURATION.name}_bucket"}


class Page:
    """The sidecar's page, which says what a test wants."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.asked = 0

    def __call__(self, _: str) -> bytes:
        self.asked += 1
        if not self.lines:
            raise InferometerError("nobody answers")
        return "".join(f"{line}\n" for line in self.lines).encode()

    def says(self, replica: str, up: int, ok: int, failed: int = 0, quick: int | None = None) -> list[str]:
        of = f'service="flowers",replica="{replica}"'
        named = f'{of},model="flowers"'
        quick = ok if quick is None else quick
        ends = (("0.1", quick // 2), ("0.2", quick), ("+Inf", ok))
        return [
            f"{engines.UP.name}{{{of}}} {up}",
            f'{NAMES["requests"]}{{{named},outcome="ok"}} {ok}',
            f'{NAMES["requests"]}{{{named},outcome="server_error"}} {failed}',
            f'{NAMES["requests"]}{{{named},outcome="client_error"}} 7',
            *(f'{NAMES["seconds"]}{{{named},le="{le}"}} {n}' for le, n in ends),
            f'{NAMES["requests"]}{{service="mine",model="m",outcome="ok"}} 99',
        ]  # fmt: skip


@pytest.fixture
def page():
    return Page()


def figures(page, now=lambda: 0.0) -> EngineFigures:
    return EngineFigures("http://x/metrics", thresholds(FLEET).engines, tuple(slos(FLEET)), get=page, now=now)


def test_what_counters_said_before_the_run_is_none_of_it(page):
    found = figures(page)
    page.lines = page.says("a:1", 1, ok=1000, failed=500)
    found.look_now()
    page.lines = page.says("a:1", 1, ok=1090, failed=510, quick=1080)
    found.look_now()
    (times,) = found.times()
    available, prompt = found.objectives()

    assert (times.service, times.model, times.requests, times.by_buckets) == ("flowers", "flowers", 100, True)
    assert (available.slo, available.good, available.bad) == ("flowers-flowers-available", 90, 10)
    assert (prompt.threshold_seconds, prompt.good, prompt.bad) == (0.2, 80, 10)


def test_replicas_add_up_and_one_that_goes_keeps_what_it_did(page):
    found = figures(page)
    page.lines = [*page.says("a:1", 1, ok=0), *page.says("b:1/0", 1, ok=0)]
    page.lines = [line.replace('replica="b:1/0"} 1', 'replica="b:1"} 1') for line in page.lines]
    found.look_now()
    page.lines = [line.replace(" 0", " 10") for line in page.lines]
    found.look_now()
    page.lines = [f'{engines.UP.name}{{service="flowers",replica="b:1"}} 0', *page.says("a:1", 1, ok=30)]
    found.look_now()
    available, _ = found.objectives()

    assert (available.good, available.bad) == (40, 10)


def test_a_page_that_is_not_read_yet_counts_from_when_it_is(page):
    found = figures(page)
    page.lines = page.says("a:1", 0, ok=1000)
    found.look_now()
    assert list(found.times()) == []
    page.lines = page.says("a:1", 1, ok=1000)
    found.look_now()
    page.lines = page.says("a:1", 1, ok=1004)
    found.look_now()

    assert next(found.objectives()).good == 4


def test_quantiles_are_ends_of_buckets_and_unknown_beyond_the_last(page):
    found = figures(page)
    page.lines = page.says("a:1", 1, ok=0)
    found.look_now()
    page.lines = page.says("a:1", 1, ok=100, quick=98)
    found.look_now()
    (times,) = found.times()

    assert (times.p50_seconds, times.p95_seconds, times.p99_seconds) == (0.2, 0.2, None)


def test_nothing_is_known_of_a_page_that_does_not_answer(page):
    found = figures(page)
    found.look_now()

    assert list(found.times()) == []
    assert [(one.good, one.bad, one.now_ratio) for one in found.objectives()] == [(0, 0, None)] * 2


def test_the_page_is_asked_for_once_a_second_and_never_without_engines(page):
    clock = [0.0]
    found = figures(page, now=lambda: clock[0])
    for _ in range(5):
        found.look()
    clock[0] += LOOK_SECONDS
    found.look()
    without = EngineFigures("http://x/metrics", (), tuple(slos(FLEET)), get=page)
    without.look()
    without.look_now()

    assert page.asked == 2
    assert list(without.objectives()) == []
