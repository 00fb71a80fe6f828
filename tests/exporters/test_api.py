"""The HTTP API: JSON by parameters, and refusals that say what is right."""

import pytest
from starlette.testclient import TestClient

from inferometer_exporters.api import Api

EVIL = "<script>alert('x')</script>"


@pytest.fixture(scope="module")
def bench(lasting_bench):
    """One for all: they only ask."""
    return lasting_bench


@pytest.fixture(scope="module")
def client(bench, make):
    worker, now = make.worker(), bench.clock.now
    frame = worker.arrival(
        now + 100 * make.MS,
        requests=[make.request(5, now, now + 80 * make.MS, trace=7)],
        executes=[make.execute(5, now + 10 * make.MS, now + 60 * make.MS)],
    )
    frame.names.shapes[2] = ("embedder", EVIL, "v1", "", "acme", "", "POST", EVIL)
    bench.do_pass(frame, seconds=0.1)
    bench.do_pass(worker.arrival(bench.clock.now + make.MS))
    bench.do_pass(seconds=3)
    api = Api(bench.recorder.cursor, make.THRESHOLDS, healthy=lambda: bench.healthy, wall_ns=bench.clock.wall)
    bench.healthy = True
    with TestClient(api.app()) as made:
        yield made


TRACE = f"{0xABC << 64 | 7:032x}"


def test_health_says_whether_passes_come(client, bench, monkeypatch):
    assert client.get("/healthz").json() == {"status": "ok"}
    monkeypatch.setattr(bench, "healthy", False)
    assert client.get("/healthz").status_code == 503


def test_the_summary_has_everything_a_report_needs(client):
    answer = client.get("/api/summary?since_seconds=60").json()

    assert answer["requests"] == 1
    assert answer["models"][0]["requests"] == 1
    assert answer["devices"][0]["device"] == "box"
    assert client.get("/api/summary?since_seconds=0.001").json()["requests"] == 0


def test_slowest_and_requests_list_requests(client):
    assert [row["trace_id"] for row in client.get("/api/slowest?n=1").json()["requests"]] == [TRACE]
    assert len(client.get("/api/requests?service=embedder&outcome=ok&min_seconds=0.05").json()["requests"]) == 1
    assert client.get("/api/requests?service=nobody").json() == {"requests": [], "next": None}


def test_a_trace_is_answered_and_an_unknown_one_is_not_found(client):
    assert client.get(f"/api/trace/{TRACE}").json()["hops"][0]["span_id"] == f"{5:016x}"
    assert client.get("/api/trace/12").status_code == 404


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/api/slowest?n=0", "n is '0', a whole number from 1 to 10000 is right"),
        ("/api/slowest?n=x", "n is 'x'"),
        ("/api/summary?since_seconds=-1", "a number of seconds from 0 is right"),
        ("/api/summary?since_seconds=nan", "a number of seconds from 0 is right"),
        ("/api/requests?outcome=drop%20table", "no outcome 'drop table'"),
        ("/api/trace/nothex", "hex digits are right"),
    ],
)
def test_a_wrong_parameter_is_refused_with_what_would_be_right(client, path, message):
    answer = client.get(path)

    assert answer.status_code == 400
    assert message in answer.json()["error"]


def test_sql_in_a_parameter_is_only_a_text(client):
    answer = client.get("/api/requests", params={"service": "embedder' or 1=1 --"})

    assert answer.json() == {"requests": [], "next": None}
