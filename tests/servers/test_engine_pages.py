"""Pages of real servers that nobody instrumented, under a known load: what is read off them is what happened."""

import json

import pytest
from known_load import (
    BROKEN,
    EXECUTE,
    QUICK_ONES,
    SLOW_ONES,
    WRONG,
    adds_up,
    all_told,
    drive,
    ends,
    holds_what_the_client_saw,
    only,
    reading_of,
)

from inferometer.catalog import engines, requests

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]


def test_bentoml_counts_by_status_and_a_client_that_left_as_answered(start):
    server = start(
        "bentoml", "bentoml", "serve", "plain_bento:Iris", "--host", "127.0.0.1", "--port", "{port}", ready="/livez",
        BENTOML_DO_NOT_TRACK="true", BENTOML_HOME="{folder}/bento",
    )  # fmt: skip
    seen = drive(server, "/classify", lambda row: {"row": row})
    found = reading_of(server.port, "bentoml", all_told(len(seen.statuses) + 1))
    duration = only(found, requests.REQUEST_DURATION.name)

    assert (seen.of(200), seen.of(500), seen.of(400)) == (QUICK_ONES + SLOW_ONES, BROKEN, WRONG)
    assert ends(found) == {"ok": seen.of(200) + 1, "server_error": seen.of(500), "client_error": seen.of(400)}
    holds_what_the_client_saw(duration, seen, left=1)
    adds_up(duration, seen, left=1)
    assert duration.labels == {"model": "Iris"}
    assert only(found, requests.IN_FLIGHT.name).value == 0


def test_mlserver_takes_every_failure_for_its_own_and_a_client_that_left_for_answered(start, port, tmp_path):
    (tmp_path / "iris").mkdir()
    settings = {"name": "iris", "implementation": "plain_mlserver.Iris"}
    (tmp_path / "iris" / "model-settings.json").write_text(json.dumps(settings))
    server = start(
        "mlserver", "mlserver", "start", str(tmp_path), ready="/v2/models/iris/ready", MLSERVER_HOST="127.0.0.1",
        MLSERVER_HTTP_PORT="{port}", MLSERVER_METRICS_PORT=str(port), MLSERVER_PARALLEL_WORKERS="0",
        MLSERVER_GRPC_PORT="0", MLSERVER_ENVIRONMENTS_DIR="{folder}/envs",
    )  # fmt: skip

    def body(row):
        return {"inputs": [{"name": "row", "shape": [len(row)], "datatype": "FP64", "data": row}]}

    seen = drive(server, "/v2/models/iris/infer", body)
    found = reading_of(port, "mlserver", all_told(len(seen.statuses) + 1))
    duration = only(found, requests.REQUEST_DURATION.name)

    assert (seen.of(200), seen.of(500)) == (QUICK_ONES + SLOW_ONES, BROKEN + WRONG)
    assert ends(found) == {"ok": seen.of(200) + 1, "server_error": seen.of(500)}
    assert {value.labels["model"] for value in found.signals[requests.REQUESTS.name]} == {"iris"}
    holds_what_the_client_saw(duration, seen, left=1)
    adds_up(duration, seen, left=1)


def test_kserve_tells_of_answers_and_stages_and_of_no_failure(start):
    server = start("kserve", "{python}", "plain_kserve.py", "{port}", ready="/v1/models/iris")
    seen = drive(server, "/v1/models/iris:predict", lambda row: {"instances": [row]})
    found = reading_of(server.port, "kserve", all_told(seen.of(200) + 1))

    assert (seen.of(200), seen.of(500)) == (QUICK_ONES + SLOW_ONES, BROKEN + WRONG)
    assert ends(found) == {"ok": seen.of(200) + 1}
    assert only(found, requests.REQUESTS.name).quality == "lower_bound"
    assert requests.REQUEST_DURATION.name in found.missing
    holds_what_the_client_saw(only(found, EXECUTE), seen, left=1, failed=seen.of(500))
    adds_up(only(found, EXECUTE), seen, left=1)


def test_litserve_has_no_page(start):
    server = start("bentoml", "{python}", "plain_lit.py", "{port}", ready="/health")
    seen = drive(server, "/predict", lambda row: {"row": row})

    assert (seen.of(200), seen.of(500)) == (QUICK_ONES + SLOW_ONES, BROKEN + WRONG)
    assert server.ask("/metrics")[0] == 404


def test_ray_serve_counts_by_status_a_client_that_left_as_such_and_makes_up_no_sum(start, port):
    server = start(
        "ray", "{python}", "serve_ray.py", "{port}", "{folder}", "plain_ray", ready="everything runs",
        METRICS_PORT=str(port), RAY_metrics_report_interval_ms="500",
    )  # fmt: skip
    seen = drive(server, "/iris", lambda row: {"row": row})
    found = reading_of(port, "ray-serve", all_told(len(seen.statuses) + 1))
    duration = only(found, requests.REQUEST_DURATION.name)

    assert (seen.of(200), seen.of(500)) == (QUICK_ONES + SLOW_ONES, BROKEN + WRONG)
    assert ends(found) == {"ok": seen.of(200), "server_error": seen.of(500), "cancelled": 1}
    assert found.version_from == "page"
    # Ray's proxy looks at the clock when it has handed the answer on; on two busy cores that is some milliseconds late.
    holds_what_the_client_saw(duration, seen, left=0, stops_after=0.02)
    assert duration.sum is None
    assert {value.labels["model"] for value in found.signals[engines.RUNNING.name]} == {"Iris"}
