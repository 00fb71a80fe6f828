"""Two windows and two versions of a recorder whose requests are known."""

import numpy as np
import pytest

from inferometer.catalog.stages import Stage
from inferometer_exporters.comparison.question import Question, Window
from inferometer_exporters.recorder.compare_query import compare
from inferometer_exporters.recorder.store import Recorder

HOUR = 3_600 * 10**9
BEGIN = 1_790_000_000 * 10**9
BEFORE, AFTER = Window(BEGIN, BEGIN + HOUR), Window(BEGIN + HOUR, BEGIN + 2 * HOUR)


class Fleet:
    """A recorder, and requests of it by label set."""

    def __init__(self, folder):
        self.recorder = Recorder(folder / "recorder.duckdb")
        self.cursor = self.recorder.cursor()
        self.random = np.random.default_rng(1)
        self.labels = 0

    def serve(self, window, number, *, slower=1.0, failed=0.0, cost=True, tenant="", **labels):
        self.labels += 1
        row = {"service": "svc", "model": "m", "version": "v1", "route": "/m"} | labels | {"tenant": tenant}
        self.cursor.execute(
            "insert into labels (pass, id, service, model, version, route, tenant) values (1, ?, ?, ?, ?, ?, ?)",
            [self.labels, *row.values()],
        ).fetchall()
        random = self.random
        execute = (np.exp(16 + 0.4 * random.standard_normal(number)) * slower).astype(np.int64)
        queue = np.exp(14 + 0.8 * random.standard_normal(number)).astype(np.int64)
        batch = {
            "pass": np.ones(number, np.uint64),
            "wall_ns": np.sort(random.integers(window.begin_ns, window.end_ns, number)),
            "duration_ns": execute + queue,
            "first_chunk_ns": execute,
            "labels": np.full(number, self.labels, np.uint32),
            "outcome": np.where(random.random(number) < failed, 3, 0).astype(np.uint8),
            "flags": np.ones(number, np.uint8),
            **{f"{stage.label}_ns": np.zeros(number, np.int64) for stage in Stage},
            "execute_ns": execute,
            "queue_ns": queue,
        }
        if cost:
            batch["cost"] = execute // 100
        self.cursor.register("batch", batch)
        self.cursor.execute("insert into requests by name select * from batch").fetchall()
        self.cursor.unregister("batch")

    def ask(self, **question):
        return compare(self.cursor, Question(**({"before": BEFORE, "after": AFTER} | question)))


@pytest.fixture
def fleet(tmp_path):
    made = Fleet(tmp_path)
    yield made
    made.cursor.close()
    made.recorder.close()


def line(answer, measure, figure, model="m"):
    group = next(group for group in answer["models"] if group["model"] == model)
    return next(one for one in group["lines"] if (one["measure"], one["figure"]) == (measure, figure))


def test_a_bad_deployment_is_worse_in_its_stage_its_errors_and_its_cost(fleet):
    fleet.serve(BEFORE, 5_000)
    fleet.serve(AFTER, 5_000, slower=1.3, failed=0.04)

    answer = fleet.ask()

    assert answer["verdict"] == "worse"
    assert (answer["before"]["requests"], answer["after"]["requests"]) == (5_000, 5_000)
    for measure, figure in (("whole", "p50"), ("execute", "p99"), ("first_chunk", "p50"), ("cost", "usd_per_1k")):
        assert line(answer, measure, figure)["verdict"] == "worse", (measure, figure)
        assert line(answer, measure, figure)["low"] < 0.3 or measure == "whole"
    assert line(answer, "queue", "p50")["verdict"] in {"not_shown", "same"}
    errors = line(answer, "errors", "ratio")
    assert (errors["verdict"], errors["before"]) == ("worse", 0.0)
    assert errors["after"] == pytest.approx(0.04, abs=0.01)


def test_figures_are_those_of_the_recorder(fleet):
    fleet.serve(BEFORE, 3_000)
    fleet.serve(AFTER, 3_000)
    exact = fleet.cursor.execute(
        """select quantile_cont(duration_ns, [0.5, 0.99]), avg(execute_ns), avg(cost) from requests
           where wall_ns < ?""",
        [AFTER.begin_ns],
    ).fetchall()[0]

    answer = fleet.ask()

    assert line(answer, "whole", "p50")["before"] == pytest.approx(exact[0][0] / 1e9, rel=0.006)
    assert line(answer, "whole", "p99")["before"] == pytest.approx(exact[0][1] / 1e9, rel=0.02)
    assert line(answer, "execute", "mean")["before"] == pytest.approx(exact[1] / 1e9)
    assert line(answer, "cost", "usd_per_1k")["before"] == pytest.approx(exact[2] * 1000 / 1e12)


@pytest.mark.broad
def test_failed_and_warm_up_requests_have_no_part_in_latencies(fleet):
    fleet.serve(BEFORE, 1_000)
    fleet.serve(AFTER, 1_000)
    fleet.cursor.execute("update requests set outcome = 3, duration_ns = 1 where random() < 0.5").fetchall()
    fleet.cursor.execute("update requests set flags = 3, execute_ns = 1 where random() < 0.2").fetchall()

    answer = fleet.ask()

    assert line(answer, "whole", "p50")["before"] > 0.005
    assert line(answer, "execute", "p50")["before"] > 0.005
    assert line(answer, "errors", "ratio")["before"] == pytest.approx(0.5, abs=0.1)


def test_two_versions_of_the_same_time_are_drawn_together(fleet):
    fleet.serve(AFTER, 9_000)
    fleet.serve(AFTER, 1_500, version="v2", slower=1.3)
    fleet.serve(BEFORE, 4_000)

    answer = fleet.ask(before=Window(BEFORE.begin_ns, AFTER.end_ns), after=Window(BEFORE.begin_ns, AFTER.end_ns),
                       versions=("v1", "v2"))  # fmt: skip

    assert answer["paired"]
    assert answer["before"]["name"] == "v1"
    assert answer["after"]["requests"] == 1_500
    assert answer["before"]["requests"] == pytest.approx(9_000, abs=100), "only the time in which both served"
    assert answer["before"]["begin_seconds"] >= AFTER.begin_ns / 1e9
    assert line(answer, "execute", "p50")["verdict"] == "worse"


@pytest.mark.broad
def test_versions_that_came_one_after_the_other_are_not(fleet):
    fleet.serve(BEFORE, 3_000)
    fleet.serve(AFTER, 3_000, version="v2")
    both = Window(BEFORE.begin_ns, AFTER.end_ns)

    answer = fleet.ask(before=both, after=both, versions=("v1", "v2"))

    assert not answer["paired"]
    assert (answer["before"]["requests"], answer["after"]["requests"]) == (3_000, 3_000)
    assert answer["verdict"] != "worse"


@pytest.mark.broad
def test_every_model_is_compared_with_itself_and_one_of_one_side_is_named(fleet):
    fleet.serve(BEFORE, 2_000, model="a")
    fleet.serve(AFTER, 2_000, model="a")
    fleet.serve(BEFORE, 1_000, model="b")
    fleet.serve(AFTER, 1_000, model="b", slower=2)
    fleet.serve(AFTER, 10, model="", route="/new")

    answer = fleet.ask()

    assert {group["model"]: group["verdict"] == "worse" for group in answer["models"]} == {"a": False, "b": True}
    assert answer["left_out"] == [{"service": "svc", "model": "/new", "requests_before": 0, "requests_after": 10}]
    assert [group["model"] for group in fleet.ask(model="b")["models"]] == ["b"]


@pytest.mark.broad
def test_a_tenant_or_a_service_of_ones_own(fleet):
    fleet.serve(BEFORE, 1_000, tenant="acme")
    fleet.serve(AFTER, 1_000, tenant="acme", slower=2)
    fleet.serve(BEFORE, 1_000, tenant="globex")
    fleet.serve(AFTER, 1_000, tenant="globex")

    assert fleet.ask(tenant="globex")["verdict"] != "worse"
    assert fleet.ask(tenant="acme")["verdict"] == "worse"
    assert fleet.ask(service="nobody")["models"] == []
    assert fleet.ask(service="nobody")["verdict"] == "too_few"


@pytest.mark.broad
def test_without_prices_there_is_no_line_of_cost(fleet):
    fleet.serve(BEFORE, 500, cost=False)
    fleet.serve(AFTER, 500, cost=False)

    (group,) = fleet.ask()["models"]

    assert "cost" not in {one["measure"] for one in group["lines"]}


@pytest.mark.broad
def test_a_stage_of_less_than_a_hundredth_has_no_line(fleet):
    fleet.serve(BEFORE, 500)
    fleet.serve(AFTER, 500)
    fleet.cursor.execute("update requests set serialize_ns = 1000").fetchall()

    (group,) = fleet.ask()["models"]

    assert {one["measure"] for one in group["lines"]} == {
        *("whole", "first_chunk", "execute", "queue", "errors", "cost")
    }


def test_an_empty_recorder_has_nothing_to_compare(fleet):
    answer = fleet.ask()

    assert (answer["models"], answer["left_out"], answer["verdict"]) == ([], [], "too_few")
