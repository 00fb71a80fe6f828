"""What ate a budget, of recorded requests: who, how they ended, and in which stage the late ones lost their time."""

import asyncio

import httpx
import pytest

from inferometer.catalog.stages import Stage
from inferometer.fleet.objective import Objective, Sli
from inferometer.fleet.thresholds import Thresholds
from inferometer_exporters.api import Api
from inferometer_exporters.recorder.slo_causes_query import what_ate
from inferometer_exporters.recorder.store import Bounds

ACME, OTHER = 1, 3
FAST = Objective(slo="fast", service="gateway", model="/search", name="fast", sli=Sli.LATENCY, threshold_ns=100 * 10**6,
                 target="99", window_ns=1)  # fmt: skip
AVAILABLE = Objective(slo="up", service="gateway", model="/search", name="up", sli=Sli.AVAILABILITY, threshold_ns=None,
                      target="99", window_ns=1)  # fmt: skip


@pytest.fixture
def hour(bench, make):
    """Ten requests each minute; of acme's every fifth waits in a queue for long, and one of them times out."""
    worker, now = make.worker(), bench.clock.now
    requests, waits = [], []
    for number in range(600):
        begin = now + number * 6 * make.SECOND
        acme = number % 2 == 0
        late = acme and number % 5 == 0
        took = (250 if late else 20) * make.MS
        requests.append(
            make.request(1 + number, begin, begin + took, shape=ACME if acme else OTHER, trace=1 + number,
                         outcome=4 if number == 100 else 0)
        )  # fmt: skip
        if late:
            waits.append(make.interval(1 + number, begin + make.MS, begin + 240 * make.MS, Stage.QUEUE))
    bench.do_pass(worker.arrival(now, requests=()), seconds=0)
    bench.do_pass(worker.arrival(now + 3_601 * make.SECOND, requests=requests, intervals=waits), seconds=3_601)
    bench.do_pass(worker.arrival(now + 3_602 * make.SECOND), seconds=5)
    return bench


def asked(bench, objective, **how):
    cursor = bench.recorder.cursor()
    try:
        return what_ate(cursor, objective, **how)
    finally:
        cursor.close()


def test_the_tenant_and_the_stage_that_ate_a_budget_are_named(hour):
    found = asked(hour, FAST)

    assert (found["events"], found["bad"]) == (600, 60)
    (cause,) = found["causes"]
    assert (cause["dimension"], cause["value"], cause["clustered"]) == ("tenant", "acme", False)
    assert (cause["excess"], cause["share"]) == (60, 1)
    assert found["stages"]["queue"] > 0.9
    assert sum(found["stages"].values()) == pytest.approx(1)
    assert found["outcomes"] == {"ok": 59, "timeout": 1}


def test_failures_have_outcomes_and_no_stage(hour):
    found = asked(hour, AVAILABLE)

    assert (found["bad"], found["outcomes"], found["stages"], found["causes"]) == (1, {"timeout": 1}, {}, [])
    assert found["tested"] == 2


def test_requests_that_are_forgotten_still_tell_who(hour, make):
    before = asked(hour, FAST)
    hour.recorder._objectives = (FAST,)
    hour.recorder._bounds = Bounds(max_age_ns=1)
    hour.recorder.trim(hour.clock.wall() + make.SECOND)
    after = asked(hour, FAST)

    assert hour.rows("select count(*) from requests") == [(0,)]
    assert after["causes"] == before["causes"]
    assert (after["stages"], after["outcomes"], after["requests_since_seconds"]) == ({}, {}, None)


def test_where_nothing_counted_there_is_nothing_to_tell(hour):
    found = asked(hour, FAST, since_ns=hour.clock.wall())

    assert (found["begin_seconds"], found["events"], found["causes"]) == (None, 0, [])


def test_the_sidecar_answers_it_over_http_and_refuses_what_it_does_not_know(hour):
    api = Api(hour.recorder.cursor, Thresholds(objectives=(FAST,)), healthy=lambda: True, wall_ns=hour.clock.wall)

    async def get(path):
        transport = httpx.ASGITransport(app=api.app())
        async with httpx.AsyncClient(transport=transport, base_url="http://sidecar") as client:
            return await client.get(path)

    def answer(path):
        return asyncio.run(get(path))

    assert answer("/api/slo/causes?slo=fast&since_seconds=7200").json()["causes"][0]["value"] == "acme"
    minutes = answer("/api/slo/minutes?slo=fast").json()
    assert (sum(minutes["events"]), sum(minutes["bad"])) == (600, 60)
    assert answer("/api/slo").json()["slos"][0]["threshold_seconds"] == 0.1
    for path, message in {
        "/api/slo/minutes?slo=other": "no SLO 'other'; there are fast",
        "/api/slo/minutes": "no SLO ''; there are fast",
        "/api/slo/causes?slo=fast&since=3": "no parameter 'since'; there are since_seconds, slo",
        "/api/slo/minutes?slo=fast&since_seconds=-1": "since_seconds is '-1'",
        "/api/slo?slo=fast": "no parameter 'slo'",
    }.items():
        refused = answer(path)
        assert refused.status_code == 400
        assert message in refused.json()["error"]
