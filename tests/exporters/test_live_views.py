"""The live page's panels on a real recorder: each finds what was recorded, and what other answers say of it."""

import duckdb
import pytest
from starlette.testclient import TestClient

from inferometer.record.model import Flag
from inferometer_compose.live import PAGES
from inferometer_dashboards.live.sparklines import MAX_POINTS
from inferometer_dashboards.sql.fleet import tails
from inferometer_exporters.api import Api
from inferometer_exporters.live import Summing
from inferometer_exporters.recorder.levels import Levels


@pytest.fixture(scope="module")
def bench(lasting_bench):
    """One for all: they only ask."""
    return lasting_bench


@pytest.fixture(scope="module")
def client(bench, make):
    """Sixty requests in six seconds: a gateway and an embedder, every tenth failed, every fourth a stream of tokens."""
    worker, first = make.worker(), bench.clock.now
    bench.do_pass(worker.arrival(first + make.MS))
    rows, executes = [], []
    for number in range(60):
        begin = bench.clock.now + number * 100 * make.MS
        took = (20 + number) * make.MS
        chunks = {"first_chunk": begin + make.MS, "chunks": 9, "flags": 1 | int(Flag.STREAM)}
        tokens = {"first_token": begin + 2 * make.MS, "last_token": begin + took - make.MS, "tokens_in": 7}
        more = [chunks | tokens | {"tokens_out": 11}, chunks, {}, {}][number % 4]
        outcome = 3 if number % 10 == 9 else 0
        rows.append(make.request(100 + number, begin, begin + took, trace=number + 1, outcome=outcome, **more))
        executes.append(make.execute(100 + number, begin + 2 * make.MS, begin + took - make.MS))
        rows.append(make.request(300 + number, begin, begin + took + make.MS, shape=1, trace=number + 1))
    bench.do_pass(worker.arrival(bench.clock.now + 7 * make.SECOND, requests=rows, executes=executes), seconds=7)
    for _ in range(3):
        bench.do_pass(worker.arrival(bench.clock.now + make.SECOND), seconds=1)
    api = Api(bench.recorder.cursor, make.THRESHOLDS, healthy=lambda: True, wall_ns=bench.clock.wall, pages=PAGES)
    with TestClient(api.app()) as made:
        yield made


def panels(client, view, **parameters):
    answer = client.get(f"/live/view/{view}", params={"since_seconds": 60} | parameters)
    assert answer.status_code == 200, answer.text
    return {panel["key"]: panel for panel in answer.json()["panels"]}


def summed(panel, **labels):
    return sum(
        value or 0
        for series in panel["series"]
        if labels.items() <= series["labels"].items()
        for value in series["values"]
    )


@pytest.mark.parametrize("view", ["fleet", "model", "slo", "cost"])
def test_every_panel_finds_something(client, view):
    # By the minute: entries of the ledger come once a second, here there are fewer.
    for key, panel in panels(client, view, since_seconds=3_600).items():
        data = (
            panel.get("series") or panel.get("cells") or panel.get("items") or panel.get("rows") or panel.get("value")
        )
        assert data, key


def test_requests_and_failures_are_those_that_were_recorded(client):
    found = panels(client, "fleet")

    assert summed(found["requests"], model="minilm") == pytest.approx(60, rel=0.01)
    rows = {row[1]: row for row in found["models"]["rows"]}
    assert rows["minilm"][3] == pytest.approx(0.1)
    assert rows["/search"][3] == 0


def test_percentiles_are_right_to_a_bin(client):
    (row,) = [row for row in panels(client, "fleet")["models"]["rows"] if row[1] == "minilm"]
    exact = client.get("/api/summary").json()["models"]
    (embedder,) = [model for model in exact if model["model"] == "minilm"]

    assert row[4] == pytest.approx(embedder["p99_seconds"], rel=0.045)


def sparklines(client, **parameters):
    found = client.get("/live/view/fleet", params=parameters).json()["sparklines"]
    return {one["model"]: one["values"] for one in found}


def test_a_sparkline_of_single_steps_is_the_p99_of_the_chart(client):
    (chart,) = [one for one in panels(client, "fleet")["tail"]["series"] if one["labels"]["model"] == "minilm"]
    values = sparklines(client, since_seconds=60)["minilm"]

    assert values == chart["values"]
    assert 6 <= sum(value is not None for value in values) <= 8
    assert values[0] is None


@pytest.mark.parametrize(("seconds", "step"), [(900, 10), (60, 1), (7_200, 7_200), (599, 1)])
def test_a_sparkline_is_of_few_points_of_any_stretch(client, seconds, step):
    found = sparklines(client, since_seconds=seconds, step_seconds=step)

    assert set(found) == {"minilm", "/search"}
    assert all(len(values) <= MAX_POINTS for values in found.values())
    assert all(max(value or 0 for value in values) > 0 for values in found.values())


def test_a_sparkline_of_one_point_is_the_p99_of_the_table(client):
    rows = {row[1]: row for row in panels(client, "fleet", since_seconds=7_200, step_seconds=7_200)["models"]["rows"]}
    values = sparklines(client, since_seconds=7_200, step_seconds=7_200)

    assert {model: row[4] for model, row in rows.items()} == {
        model: max(value for value in of if value is not None) for model, of in values.items()
    }


def test_sparklines_of_a_large_fleet_are_of_its_slowest_models():
    cursor = duckdb.connect()
    cursor.execute("create table span as select 0.0 as since, 10.0 as until, 1.0 as step")
    cursor.execute("""
        create table spread as
        select t::DOUBLE as time, 's' as service, 'm' || m as model, m as model_id, 'duration' as measure,
               m::DOUBLE as seconds, 5 as requests
        from range(10) as times(t), range(30) as models(m)
    """)
    found = cursor.execute(tails(5, 3)).fetchall()

    assert {model for _, model, *_ in found} == {"m29", "m28", "m27"}
    assert [part for _, model, _, part, _ in found if model == "m29"] == [0, 1, 2, 3, 4]
    assert {steps for _, _, steps, *_ in found} == {2}


def test_shares_of_stages_sum_to_one(client):
    found = panels(client, "model", service="embedder", model="minilm")
    shares = found["stage-shares"]

    for place in range(len(shares["times"])):
        values = [series["values"][place] for series in shares["series"]]
        assert values[0] is None or sum(value or 0 for value in values) == pytest.approx(1)
    assert sum(item["value"] for item in found["stage-shares-tail"]["items"]) == pytest.approx(1)


def test_cost_is_that_of_the_cost_report(client):
    (minilm,) = panels(client, "cost", model="minilm")["models"]["rows"]
    report = client.get("/api/cost?by=model").json()
    (group,) = [one for one in report["groups"] if one["keys"] == {"model": "minilm"}]

    assert minilm[2] == pytest.approx(group["per_1k_usd"], rel=1e-3)


def test_burn_is_by_every_request(client):
    rows = {row[0]: row for row in panels(client, "slo")["objectives"]["rows"]}

    assert rows["available"][5:8] == [0.999, 0.9, 100]
    assert rows["available"][9:] == [60, 6]


def test_a_models_budget_is_that_of_its_objective_that_is_worst_off(client):
    objectives = panels(client, "slo")["objectives"]["rows"]
    found = panels(client, "fleet")["budgets"]

    assert [column["name"] for column in found["columns"]] == ["service", "model", "Burn", "Budget left"]
    assert len(found["rows"]) == len({(row[1], row[2]) for row in objectives})
    for service, model, burn, left in found["rows"]:
        own = [row for row in objectives if row[1:3] == [service, model]]
        assert (burn, left) == (max(row[7] for row in own), min(row[8] for row in own))


def test_a_name_chooses_and_nothing_else_does(client):
    assert panels(client, "fleet", model="minilm")["models"]["rows"][0][1] == "minilm"
    assert panels(client, "fleet", model="minilm' or 1=1 --")["models"]["rows"] == []


def test_menus_have_the_busiest_first_and_know_when_it_began(client, bench):
    answer = client.get("/live/views").json()

    assert {one["model"] for one in answer["choices"]} == {"minilm", "/search"}
    assert 0 < answer["now_seconds"] - answer["first_seconds"] < 60


def test_sums_are_kept_by_a_thread_that_ends(client, bench, make, until):
    levels = Levels(make.THRESHOLDS)
    levels.catch_up = lambda cursor, _: Levels.catch_up(levels, cursor, bench.clock.wall(), least=1)
    summing = Summing(bench.recorder.cursor, levels, seconds=0.01)
    summing.start()
    cursor = bench.recorder.cursor()
    until(lambda: levels.mark(cursor) > 0)
    cursor.close()
    summing.close()

    assert not summing._thread.is_alive()
