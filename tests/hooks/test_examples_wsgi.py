"""The examples of Flask and of a consumer do what they say."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from inferometer.catalog.stages import Stage
from inferometer.record.partition import partition
from inferometer.testing import Collector

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.mark.parametrize("name", ["flask_app.py", "consumer.py"])
def test_an_example_is_short(name):
    assert len((EXAMPLES / name).read_text().splitlines()) <= 30


def test_the_flask_example_serves_and_is_recorded(serve):
    server = serve(
        "-m", "gunicorn", "--chdir", str(EXAMPLES), "--bind", "127.0.0.1:{port}", "--workers", "2", "flask_app:app"
    )
    record = server.record("/predict", method="POST", body=b'{"numbers": [1, 2, 3]}')

    assert (record.status, record.labels.model, record.labels.service) == (200, "summary", "flask_app")
    assert partition(record).total(Stage.EXECUTE) > 0


def test_the_consumer_example_records_each_message(tmp_path):
    with Collector(tmp_path / "intake.sock") as collector:
        shown = subprocess.run(
            [sys.executable, str(EXAMPLES / "consumer.py")],
            env={**os.environ, "INFEROMETER_SIDECAR": collector.address},
            check=True, capture_output=True, text=True, timeout=30,
        ).stdout  # fmt: skip
        records = collector.wait(2)

    assert shown.split() == ["2", "5"]
    assert [(record.labels.service, record.labels.model, record.labels.tenant) for record in records] == [
        ("consumer", "counter", "acme")
    ] * 2
    assert all(record.proxy_wait_ns > 0 for record in records)
