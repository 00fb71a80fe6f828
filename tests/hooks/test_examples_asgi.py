"""The examples of FastAPI and of batching do what they say, and are short."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from inferometer.catalog.stages import Kind, Outcome, Stage

EXAMPLES = Path(__file__).parents[2] / "examples"
UVICORN = ("-m", "uvicorn", "--app-dir", str(EXAMPLES), "--port", "{port}", "--log-level", "critical")
NUMBERS = '{"numbers": [1, 2, 3]}'


@pytest.mark.parametrize("example", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.stem)
def test_an_example_is_read_at_a_glance(example):
    assert len(example.read_text().splitlines()) <= 30


@pytest.mark.parametrize(("module", "switch"), [("one_line", {}), ("fastapi_app", {"INFEROMETER_ENABLED": "1"})])
def test_a_model_server_is_recorded_by_one_line_or_by_none(serve, module, switch):
    server = serve(*UVICORN, f"{module}:app", **switch)

    record = server.record("/predict", method="POST", body=NUMBERS)
    refused = server.record("/predict", method="POST", body='{"numbers": []}')

    assert (record.labels.service, record.labels.route, record.outcome) == (module, "/predict", Outcome.OK)
    assert refused.outcome is Outcome.CLIENT_ERROR


def test_requests_of_the_batching_example_share_a_run(serve):
    server = serve(*UVICORN, "batching:app")

    def ask_four():
        with ThreadPoolExecutor(4) as clients:
            list(clients.map(lambda number: server.ask(f"/count?text=a+b+{number}"), range(4)))

    records = server.recorded(ask_four, 4)

    assert {record.labels.model for record in records} == {"counter"}
    assert {record.labels.version for record in records} == {"v1"}
    for record in records:
        marked = {(interval.stage, interval.kind) for interval in record.intervals}
        assert marked == {(Stage.PREPROCESS, Kind.NONE), (Stage.QUEUE, Kind.BATCH_WAIT)}
        assert [run.kind for run in record.executes] == [Kind.BATCH]
