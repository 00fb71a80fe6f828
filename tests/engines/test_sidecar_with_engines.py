"""A sidecar as a process that reads an engine: killed without warning, it goes on where it was."""

import re
import signal
import subprocess
import sys
import time
import urllib.request

import pytest

from inferometer.catalog import engines as catalog
from inferometer.catalog import requests

TOKENS = "# TYPE vllm:prompt_tokens_total counter", 'vllm:prompt_tokens_total{{model_name="m"}} {}'


class Running:
    """A sidecar beside an engine."""

    def __init__(self, folder, engine) -> None:
        command = [
            sys.executable, "-m", "inferometer_compose", "sidecar", "--socket", f"{folder}/s.sock",
            "--state", f"{folder}/state", "--metrics", "127.0.0.1:0", "--api", "127.0.0.1:0", "--otlp-grpc", "off",
            "--otlp-http", "off", "--gpu", "off", "--engine-page", f"llm:vllm={engine.url}",
        ]  # fmt: skip
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        said = iter(self.process.stdout.readline, "")
        self.url = next(line.split()[1] for line in said if line.startswith("metrics "))

    def value(self, entry) -> float | None:
        with urllib.request.urlopen(self.url, timeout=10) as answer:
            found = re.search(rf"^{entry.name}{{.*}} (\S+)$", answer.read().decode(), re.MULTILINE)
        return float(found[1]) if found else None

    def eventually(self, entry, expected: float) -> float | None:
        deadline = time.monotonic() + 30
        while (found := self.value(entry)) != expected and time.monotonic() < deadline:
            time.sleep(0.05)
        return found

    def end(self, how: signal.Signals) -> None:
        self.process.send_signal(how)
        self.process.wait(30)
        self.process.stdout.close()


def test_an_engines_totals_survive_a_kill_of_the_sidecar_and_a_restart_of_the_engine(tmp_path, engine):
    engine.says(TOKENS[0], TOKENS[1].format(100))
    first = Running(tmp_path, engine)
    assert first.eventually(requests.TOKENS, 100) == 100
    first.end(signal.SIGKILL)
    engine.says(TOKENS[0], TOKENS[1].format(7))

    second = Running(tmp_path, engine)
    try:
        assert second.eventually(requests.TOKENS, 107) == 107
        assert second.eventually(catalog.RESTARTS, 1) == 1
        assert second.value(catalog.UP) == 1
    finally:
        second.end(signal.SIGTERM)


def test_a_page_that_is_none_is_refused_at_the_start(tmp_path):
    ran = subprocess.run(
        [sys.executable, "-m", "inferometer_compose", "sidecar", "--engine-page", "llm:nothing=http://127.0.0.1:1"],
        check=False, capture_output=True, text=True, cwd=tmp_path,
    )  # fmt: skip

    assert ran.returncode == 2
    assert "there is no mapping of the engine 'nothing'; known: bentoml" in ran.stderr


@pytest.mark.parametrize("page", ["127.0.0.1:1", "llm="])
def test_what_is_no_page_is_refused_with_the_right_form(tmp_path, page):
    ran = subprocess.run(
        [sys.executable, "-m", "inferometer_compose", "sidecar", "--engine-page", page],
        check=False, capture_output=True, text=True, cwd=tmp_path,
    )  # fmt: skip

    assert (ran.returncode, "llm:vllm=http://127.0.0.1:8000/metrics is right" in ran.stderr) == (2, True)
