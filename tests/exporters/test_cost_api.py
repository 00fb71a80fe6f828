"""Money over HTTP: the same answers as of a file, refusals that say what is right."""

import pytest
from starlette.testclient import TestClient

from inferometer_exporters.api import Api
from inferometer_exporters.recorder.cost_report import costs, report


@pytest.fixture(scope="module")
def bench(lasting_bench):
    """One for all: they only ask."""
    return lasting_bench


def asked(bench, make):
    api = Api(bench.recorder.cursor, make.THRESHOLDS, healthy=lambda: True, wall_ns=bench.clock.wall)
    return TestClient(api.app())


@pytest.fixture(scope="module")
def client(bench, make):
    with asked(bench, make) as made:
        yield made


@pytest.fixture(scope="module")
def used(bench, make):
    worker, now = make.worker(), bench.clock.now
    frame = worker.arrival(
        now + make.SECOND,
        requests=[make.request(5, now, now + 80 * make.MS)],
        executes=[make.execute(5, now, now + 50 * make.MS)],
    )
    bench.do_pass(frame, seconds=1)
    bench.do_pass(worker.arrival(bench.clock.now + make.SECOND), seconds=1)


def test_a_report_is_what_the_recorder_answers(client, used, bench):
    cursor = bench.recorder.cursor()
    expected = report(costs(cursor, ("model", "tenant")))
    cursor.close()

    assert client.get("/api/cost?by=model,tenant").json() == expected
    assert expected["total"]["requests_usd"] == 50e-6
    assert client.get("/api/cost").json()["by"] == ["model"]
    assert client.get("/api/cost?since_seconds=1").json()["total"]["bill_usd"] == pytest.approx(1e-3)


def test_focus_rows_have_a_cell_for_every_column(client, used):
    answer = client.get("/api/cost/focus?by=model").json()

    assert answer["rows"]
    assert {len(row) for row in answer["rows"]} == {len(answer["columns"])}


def test_idle_devices_and_advice_are_answered(client, used):
    idle = client.get("/api/cost/idle?cold_start_seconds=0.5").json()["devices"][0]
    advice = client.get("/api/cost/rightsize?anyway=1&since_seconds=3600").json()

    assert (idle["device"], idle["scale_to_zero"]["cold_start_source"]) == ("box", "said")
    assert (advice["anyway"], advice["withheld"]) == (True, [])
    assert client.get("/api/cost/rightsize").json()["anyway"] is False


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("/api/cost/idle?cold_start_seconds=-1", "cold_start_seconds is '-1', a number of seconds above 0 is right"),
        ("/api/cost/rightsize?since_seconds=x", "since_seconds is 'x'"),
        ("/api/cost/rightsize?anyway=yes", "anyway is 'yes', 0 or 1 is right"),
    ],
)
def test_wrong_parameters_of_idle_time_and_advice_are_refused(client, used, path, says):
    answer = client.get(path)

    assert answer.status_code == 400
    assert says in answer.json()["error"]


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("by=weather", "cost cannot be grouped by 'weather'"),
        ("by=", "cost cannot be grouped by ''"),
        ("since_seconds=0", "since_seconds is '0', a number of seconds above 0 is right"),
        ("since_seconds=nan", "since_seconds is 'nan'"),
        ("since_seconds=1e99", "since_seconds is '1e99'"),
    ],
)
@pytest.mark.parametrize("path", ["/api/cost", "/api/cost/focus"])
def test_a_wrong_parameter_is_refused(client, used, path, query, says):
    answer = client.get(f"{path}?{query}")

    assert answer.status_code == 400
    assert says in answer.json()["error"]


@pytest.mark.parametrize("path", ["/api/cost", "/api/cost/focus", "/api/cost/idle", "/api/cost/rightsize"])
def test_before_the_first_entry_there_is_nothing_to_answer(new_bench, make, path):
    with asked(new_bench(), make) as client:
        answer = client.get(path)

    assert answer.status_code == 404
    assert "nothing is entered into the ledger yet" in answer.json()["error"]
