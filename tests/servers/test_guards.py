"""A defect of ours costs a request nothing: the hook that has it goes out, alone, and says so."""

import json
from http import HTTPStatus

import pytest

from inferometer.catalog.stages import Outcome

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

V1 = {"instances": ["four"]}
V2 = {"inputs": [{"name": "text", "shape": [1, 1], "datatype": "BYTES", "data": ["four"]}]}


def hooks(*places):
    return ",".join(f"inferometer.hooks.{place}" for place in places)


def asked_three_times(server, *questions):
    """Each three times: the defect, what it may have left behind, and the server without us."""
    answers = []
    wanted = 3 * len(questions)
    records = server.recorded(
        lambda: answers.extend(server.ask(*question) for question in questions for _ in range(3)),
        lambda found: len(found) >= wanted,
    )
    assert [answer[0] for answer in answers] == [HTTPStatus.OK] * wanted, server.log()[-3000:]
    assert {record.outcome for record in records} == {Outcome.OK}
    return [answer[1] for answer in answers]


def test_bentoml(start):
    server = start(
        "bentoml", "bentoml", "serve", "app_bento:Gateway", "--host", "127.0.0.1", "--port", "{port}",
        ready="/livez", BENTOML_DO_NOT_TRACK="true", BENTOML_HOME="{folder}/bento",
        BREAK=hooks("bentoml_batching:RunningBatch"),
    )  # fmt: skip
    bodies = asked_three_times(server, ("/ask", {"text": "four"}))

    assert set(bodies) == {b"4"}
    assert server.hook_errors() == {"bentoml.batching": 1}
    assert "failed" in server.hooks()["bentoml.batching"]
    assert server.hooks()["bentoml"] == server.hooks()["bentoml.io"] == {"active"}


@pytest.mark.parametrize(
    ("place", "hook"),
    [("litserve_parts:Part", "litserve.worker"), ("litserve:take_over", "litserve")],
    ids=["in the worker", "in the server"],
)
def test_litserve(start, place, hook):
    server = start("bentoml", "{python}", "app_lit.py", "{port}", ready="/health", BREAK=hooks(place))
    bodies = asked_three_times(
        server, ("/single", {"text": "four"}), ("/batched", {"text": "four"}), ("/tasks", {"text": "four"})
    )

    assert set(bodies) == {b'{"size":4}'}
    assert server.hook_errors() == {hook: 1}
    assert server.hooks()["fastapi"] == {"active"}


@pytest.mark.parametrize("place", ["mlserver_parallel:Part", "mlserver_parallel:take_over"], ids=["there", "here"])
def test_mlserver_with_its_models_in_a_worker(start_mlserver, place):
    server = start_mlserver("1", BREAK=hooks(place))
    bodies = asked_three_times(server, ("/v2/models/words/infer", V2))

    assert {json.loads(body)["outputs"][0]["data"][0] for body in bodies} == {4}
    assert server.hooks()["fastapi"] == {"active"}
    if place.endswith("take_over"):
        assert server.hook_errors() == {"mlserver.parallel": 1}
        assert "failed" in server.hooks()["mlserver.parallel"]


def test_mlserver_with_its_models_inside(start_mlserver):
    server = start_mlserver("0", BREAK=hooks("mlserver_batching:RunningBatch", "mlserver:Predict"))
    bodies = asked_three_times(server, ("/v2/models/words/infer", V2), ("/v2/models/many/infer", V2))

    assert {json.loads(body)["outputs"][0]["data"][0] for body in bodies} == {4}
    assert server.hook_errors() == {"mlserver.batching": 1, "mlserver": 1}
    assert server.hooks()["fastapi"] == {"active"}


def test_kserve(start):
    server = start(
        "kserve", "{python}", "app_kserve.py", "{port}", "1", ready="/v1/models/lengths", BREAK=hooks("kserve:Predict")
    )
    bodies = asked_three_times(server, ("/v1/models/lengths:predict", V1))

    assert {json.loads(body)["predictions"][0] for body in bodies} == {4}
    assert server.hook_errors() == {"kserve": 1}
    assert server.hooks()["kserve.dataplane"] == {"active"}
