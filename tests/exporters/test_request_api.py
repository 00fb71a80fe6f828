"""`/api/requests` and `/api/stages`: what matches, page by page; every wrong parameter is refused."""

import threading
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from inferometer.catalog.stages import Kind, Stage
from inferometer_exporters import request_api
from inferometer_exporters.api import Api
from inferometer_exporters.recorder.deadline import LateError, deadline
from inferometer_exporters.recorder.reading import rows


@pytest.fixture(scope="module")
def filled(lasting_bench, make):
    """A recorder that nobody changes."""
    return fill(lasting_bench, make)


@pytest.fixture
def own(bench, make):
    """The same, to change."""
    return fill(bench, make)


def fill(bench, make):
    """60 requests, two at each moment: half to an embedder, half to a gateway; every tenth fails, one waits."""
    worker, now = make.worker(), bench.clock.now
    requests, executes, intervals = [], [], []
    for number in range(1, 61):
        begin = now + (number // 2) * 100 * make.MS
        took = (10 + number) * make.MS
        shape = 2 if number % 2 else 1
        outcome = 3 if number % 10 == 0 else 0
        requests.append(make.request(number, begin, begin + took, shape=shape, trace=number, outcome=outcome))
        if shape == 2:
            executes.append(make.execute(number, begin + 2 * make.MS, begin + 7 * make.MS))
        if number == 59:
            intervals.append(make.interval(number, begin, begin + 60 * make.MS, Stage.QUEUE, Kind.BATCH_WAIT))
    warm = make.request(99, now, now + make.SECOND, flags=3, trace=99)
    frame = worker.arrival(now + 4 * make.SECOND, requests=[*requests, warm], executes=executes, intervals=intervals)
    bench.do_pass(frame, seconds=4)
    bench.do_pass(worker.arrival(bench.clock.now + make.SECOND), seconds=2)
    return bench


def asked(filled, make):
    api = Api(filled.recorder.cursor, make.THRESHOLDS, healthy=lambda: True, wall_ns=filled.clock.wall)
    return TestClient(api.app())


@pytest.fixture(scope="module")
def client(filled, make):
    with asked(filled, make) as made:
        yield made


@pytest.fixture
def own_client(own, make):
    with asked(own, make) as made:
        yield made


def spans(answer):
    assert answer.status_code == 200, answer.text
    return [int(row["span_id"], 16) for row in answer.json()["requests"]]


def test_pages_are_all_requests_once_newest_first(client):
    found, after = [], ""
    while after is not None:
        answer = client.get("/api/requests", params={"n": 7, "after": after} if after else {"n": 7})
        found += spans(answer)
        after = answer.json()["next"]

    assert found == sorted(found, key=lambda span: (span // 2, span), reverse=True)
    assert sorted(found) == list(range(1, 61))


def test_the_slowest_and_the_dearest_come_first_where_that_is_asked_for(client):
    slowest = client.get("/api/requests?sort=slowest&n=3")
    dearest = client.get("/api/requests?sort=dearest&n=100").json()
    costs = [row["cost_usd"] for row in dearest["requests"] if row["cost_usd"] is not None]

    assert spans(slowest) == [60, 59, 58]
    assert slowest.json()["next"] is None
    assert costs == sorted(costs, reverse=True)
    assert costs[0] > 0


def test_each_request_says_where_its_time_went(client):
    (waited,) = client.get("/api/requests?stage=queue&min_share=0.5").json()["requests"]

    # Of 60 ms, its run owns five.
    assert waited["stages"]["queue"] == pytest.approx(0.055)
    assert sum(waited["stages"].values()) == pytest.approx(waited["duration_seconds"])
    assert 0 not in waited["stages"].values()


def test_requests_of_a_device_of_a_batch_and_of_a_time_are_found(own_client, own, make):
    worker, now = make.worker(), own.clock.now
    rows = [make.request(500 + n, now, now + 20 * make.MS, trace=500 + n) for n in range(3)]
    runs = [
        make.execute(500 + n, now + make.MS, now + 9 * make.MS, execute_id=77, batch_id=0xBA7C if n < 2 else 0, size=2)
        for n in range(3)
    ]
    own.do_pass(worker.arrival(now + make.SECOND, requests=rows, executes=runs), seconds=1)
    own.do_pass(worker.arrival(own.clock.now + make.SECOND), seconds=2)
    own.do_pass(seconds=6)
    ended = (make.WALL + now + 20 * make.MS) / make.SECOND

    assert sorted(spans(own_client.get("/api/requests?batch=ba7c"))) == [500, 501]
    assert len(spans(own_client.get("/api/requests?device=box"))) == 33
    assert spans(own_client.get("/api/requests?device=GPU-9")) == []
    assert sorted(spans(own_client.get(f"/api/requests?from={ended - 0.001:.3f}&to={ended + 0.01:.3f}"))) == [
        500,
        501,
        502,
    ]
    assert spans(own_client.get(f"/api/requests?from={ended + 0.01:.3f}")) == []


def test_pages_stay_what_they_are_while_more_is_recorded(own_client, own, make):
    first = own_client.get("/api/requests?n=20").json()
    worker, now = make.worker(), own.clock.now
    more = [make.request(200 + n, now + n, now + n + make.MS, trace=200 + n) for n in range(5)]
    own.do_pass(worker.arrival(now + make.SECOND, requests=more), seconds=1)
    own.do_pass(seconds=6)
    second = own_client.get("/api/requests", params={"n": 100, "after": first["next"]})

    assert spans(own_client.get("/api/requests?n=3"))[0] >= 200
    assert len(spans(second)) == 40
    assert not {int(row["span_id"], 16) for row in first["requests"]} & set(spans(second))


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({"service": "embedder"}, set(range(1, 61, 2))),
        ({"model": "minilm", "version": "v1"}, set(range(1, 61, 2))),
        ({"model": "/search"}, set(range(2, 61, 2))),
        ({"tenant": "acme", "outcome": "server_error"}, {10, 20, 30, 40, 50, 60}),
        ({"outcome": "SERVER_ERROR", "min_seconds": "0.05"}, {40, 50, 60}),
        ({"max_seconds": "0.0125"}, {1, 2}),
        ({"min_cost_usd": "0.000004"}, set(range(1, 61, 2))),
        ({"min_cost_usd": "1"}, set()),
        ({"stage": "queue"}, {59}),
        ({"stage": "queue", "min_share": "0.9"}, set()),
        ({"stage": "execute", "min_share": "0.3"}, {1, 3, 5}),
        ({"since_seconds": "3.15"}, {58, 59, 60}),
        ({"until_seconds": "5.85"}, {1, 2, 3}),
        ({"class": "batch"}, set()),
        ({"model": "no' or 1=1 --"}, set()),
    ],
)
def test_requests_are_found_by_what_they_are(client, parameters, expected):
    assert set(spans(client.get("/api/requests", params=parameters))) == expected


def test_a_request_has_its_device_cost_method_and_energy(client):
    (row,) = client.get("/api/requests?model=minilm&n=1").json()["requests"]

    assert row["device"] == "box"
    assert row["cost_usd"] == pytest.approx(0.005 * 0.001)
    assert row["cost_method"] in {"", "sweep", "exclusive"}
    assert "energy_joules" in row


def test_stages_add_up_in_every_bucket_and_over_all_of_them(client):
    answer = client.get("/api/stages?bucket_seconds=1").json()
    by_model = {model["model"]: model["buckets"] for model in answer["models"]}

    assert answer["bucket_seconds"] == 1
    assert set(by_model) == {"minilm", "/search"}
    for buckets in by_model.values():
        assert sum(bucket["requests"] for bucket in buckets) == 30
        assert [bucket["start_seconds"] for bucket in buckets] == sorted(bucket["start_seconds"] for bucket in buckets)
        for bucket in buckets:
            spent = sum(stage["total_seconds"] for stage in bucket["stages"].values())
            assert spent == pytest.approx(bucket["duration"]["total_seconds"])
    executed = sum(bucket["stages"]["execute"]["total_seconds"] for bucket in by_model["minilm"])
    assert executed == pytest.approx(30 * 0.005)
    assert "execute" not in by_model["/search"][0]["stages"]


def test_percentiles_of_a_bucket_are_those_of_its_requests(client):
    (model,) = client.get("/api/stages?bucket_seconds=10000000&model=minilm").json()["models"]
    (bucket,) = model["buckets"]
    durations = [(10 + number) / 1_000 for number in range(1, 61, 2)]

    assert bucket["duration"]["p50_seconds"] == pytest.approx((durations[14] + durations[15]) / 2, rel=1e-6)
    assert bucket["duration"]["p999_seconds"] == pytest.approx(durations[-1], rel=1e-2)
    assert bucket["stages"]["queue"]["p50_seconds"] == 0
    assert bucket["stages"]["queue"]["p999_seconds"] > 0.05


def test_without_a_length_there_are_about_sixty_buckets_of_whole_seconds(client):
    answer = client.get("/api/stages?service=embedder").json()

    assert answer["bucket_seconds"] == 1
    assert client.get("/api/stages?service=nobody").json() == {"bucket_seconds": None, "models": []}


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("/api/requests?sort=oldest", "sort is 'oldest'; there are newest, slowest, dearest"),
        ("/api/requests?sort=slowest&after=" + "0" * 32, "after is of the newest first"),
        ("/api/requests?batch=xyz", "batch is 'xyz', up to 16 hex digits are right"),
        ("/api/requests?batch=" + "f" * 17, "up to 16 hex digits are right"),
        ("/api/requests?from=soon", "from is 'soon', a number of seconds since the epoch from 0 is right"),
        ("/api/requests?modle=x", "no parameter 'modle'; there are after, batch"),
        ("/api/requests?model=a&model=b", "model is given 2 times, once is right"),
        ("/api/requests?n=10001", "a whole number from 1 to 10000 is right"),
        ("/api/requests?n=\u0661", "a whole number from 1 to 10000 is right"),
        ("/api/requests?n=" + "9" * 5_000, "a whole number from 1 to 10000 is right"),
        ("/api/requests?min_seconds=inf", "a number of seconds from 0 is right"),
        ("/api/requests?since_seconds=-0.1", "a number of seconds from 0 is right"),
        ("/api/requests?min_cost_usd=1e300", "a number of US dollars from 0 is right"),
        ("/api/requests?stage=nap", "no stage 'nap'; there are network, queue"),
        ("/api/requests?stage=queue&min_share=1.5", "a number of a share, 0-1, from 0 is right"),
        ("/api/requests?min_share=0.5", "stage=queue, or another one, is missing"),
        ("/api/requests?after=xyz", "the `next` of the page before is right"),
        ("/api/requests?after=" + "f" * 32, "the `next` of the page before is right"),
        ("/api/requests?after=" + "-" + "1" * 31, "the `next` of the page before is right"),
        ("/api/requests?outcome=bad", "no outcome 'bad'; there are ok"),
        ("/api/requests?tenant=" + "x" * 1_025, "up to 1024 printable characters are right"),
        ("/api/requests?tenant=a%00b", "up to 1024 printable characters are right"),
        ("/api/stages?bucket_seconds=0", "a number of seconds above 0 is right"),
        ("/api/stages?tenant=x", "no parameter 'tenant'; there are bucket_seconds"),
    ],
)
def test_a_wrong_parameter_is_refused_with_what_would_be_right(client, url, message):
    refused(client.get(url), message)


def test_more_buckets_than_fit_into_an_answer_are_refused(own_client, own, make):
    now = own.clock.now
    many = [make.request(1_000 + n, now + n * make.MS, now + n * make.MS + 9, trace=1_000 + n) for n in range(2_001)]
    own.do_pass(make.worker().arrival(now + 3 * make.SECOND, requests=many), seconds=9)

    refused(own_client.get("/api/stages?bucket_seconds=0.0001"), "more than 2,000 buckets")


def refused(answer, message):
    assert answer.status_code == 400
    assert message in answer.json()["error"]
    assert len(answer.content) < 1_000


hostile = st.text(max_size=60) | st.sampled_from(
    [
        "'; drop table requests; --",
        "$since",
        "\x00",
        "%",
        "1e309",
        "nan",
        "-0",
        "0x10",
        "ⅷ",
        "' union select 1 --",
        "{}",
    ]
)
routes = st.sampled_from(["/api/requests", "/api/stages", "/api/slowest", "/api/summary"])
names = st.sampled_from(sorted(request_api._OF_REQUESTS | request_api._OF_STAGES))


@given(route=routes, parameters=st.dictionaries(names | hostile, hostile, max_size=4))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_stands_in_a_parameter_is_answered_or_refused_and_changes_nothing(client, filled, route, parameters):
    encoded = {name.encode("utf-8", "ignore"): value.encode("utf-8", "ignore") for name, value in parameters.items()}
    answer = client.get(route, params=encoded)

    assert answer.status_code in {200, 400}
    assert isinstance(answer.json(), dict)
    assert filled.recorder.rows == 61


@given(text=st.text(max_size=80))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_stands_in_the_place_of_a_trace_is_answered_or_refused(client, text):
    answer = client.get("/api/trace/" + quote(text, safe="", errors="replace"))

    assert answer.status_code in {200, 307, 400, 404}


FOREVER = "select sum(a.range * b.range) from range(10000000) a, range(10000000) b"


def test_a_question_that_takes_too_long_is_ended(filled):
    cursor = filled.recorder.cursor()
    with pytest.raises(LateError, match=r"takes longer than 0\.1 s: ask for a shorter time"), deadline(cursor, 0.1):
        rows(cursor, FOREVER)

    assert rows(cursor, "select 1") == [(1,)]
    assert not [thread for thread in threading.enumerate() if thread.name == "inferometer-deadline"]
    cursor.close()


def test_a_question_that_takes_too_much_memory_is_ended(filled):
    cursor = filled.recorder.cursor()
    # Lists do not leave memory while they are made.
    greedy = "select list(a.range) from range(100000000) a"
    with pytest.raises(LateError, match="takes more memory than there is for it"), deadline(cursor, 60):
        rows(cursor, greedy)

    assert rows(cursor, "select 1") == [(1,)]
    cursor.close()


def test_an_answer_that_takes_too_long_is_a_503_with_what_to_do(filled, make, monkeypatch):
    monkeypatch.setattr(request_api, "matching", lambda cursor, *_, **__: rows(cursor, FOREVER))
    api = Api(filled.recorder.cursor, make.THRESHOLDS, healthy=lambda: True, seconds=0.1)
    with TestClient(api.app()) as client:
        answer = client.get("/api/requests")

    assert answer.status_code == 503
    assert "ask for a shorter time" in answer.json()["error"]
