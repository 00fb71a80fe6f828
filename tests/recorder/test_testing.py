"""What a user writes to assert on records of their own application, in a process of its own."""

import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.processes

APPLICATION = """
from fastapi import FastAPI
from fastapi.testclient import TestClient

import inferometer
{line}
from inferometer.testing import recorded

app = FastAPI()

@app.get("/double/{{number}}")
def double(number: int) -> int:
    inferometer.annotate(model="doubler")
    return 2 * number

client = TestClient(app)
"""
TESTS = """
def ask(client):
    with recorded() as requests:
        assert client.get("/double/2").json() == 4
        return requests.wait(1)

def told(client):
    (record,) = ask(client)
    return record.labels.model, record.labels.route, record.status

def test_a_record():
    assert told(client) == ("doubler", "/double/{number}", 200)

def test_the_next_block_has_its_own_records_only():
    assert client.get("/double/1").json() == 2
    assert told(client) == ("doubler", "/double/{number}", 200)

def test_an_application_with_a_lifespan():
    with TestClient(app) as alive:
        assert told(alive) == ("doubler", "/double/{number}", 200)

def test_a_job():
    with recorded() as requests:
        with inferometer.request("rank", model="ranker"):
            pass
        assert [record.labels.model for record in requests.wait(1)] == ["ranker"]

def test_nothing_is_there():
    with recorded() as requests:
        try:
            requests.wait(1, seconds=0.1)
        except TimeoutError as error:
            assert "0 records" in str(error)
"""


@pytest.mark.parametrize("line", ["import inferometer.auto", ""], ids=["with the line", "without it"])
@pytest.mark.parametrize("enabled", ["0", ""], ids=["switched off otherwise", "not said"])
def test_a_users_own_tests_have_the_records_of_their_application(tmp_path, line, enabled):
    (tmp_path / "test_mine.py").write_text(APPLICATION.format(line=line) + TESTS)
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("INFEROMETER_", "PYTEST_"))}
    environ |= {"INFEROMETER_RUNTIME_DIR": str(tmp_path / "run"), "INFEROMETER_METRICS": "127.0.0.1:0"}
    environ |= {"INFEROMETER_ENABLED": enabled} if enabled else {}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:ddtrace", str(tmp_path)]
    ran = subprocess.run(command, cwd=tmp_path, env=environ, capture_output=True, text=True, check=False)

    assert "5 passed" in ran.stdout, ran.stdout + ran.stderr
    assert (tmp_path / "run").exists() == (bool(line) and not enabled)
