"""An alert on an engine's own series, from its page to the person: real sidecar, Prometheus and Alertmanager."""

import threading
import time
from collections.abc import Iterator
from http.server import ThreadingHTTPServer
from pathlib import Path

import pytest
from told import served
from watched import Watched

from inferometer.catalog import engines

pytestmark = [pytest.mark.alone, pytest.mark.peers, pytest.mark.slow, pytest.mark.timeout(240)]

CAPTURED = Path(__file__).parents[1] / "data/engines/vllm/vllm-0.32.0-cpu.prom"
OF = '{engine="0",model_name="tiny-llama"}'
PRESSURE = "InferenceKvCachePressure"


class Engine:
    """A page that vLLM wrote, with a KV cache as full as a test says, and a preemption each time that it is read."""

    def __init__(self) -> None:
        self.usage = 0.2
        self._text = CAPTURED.read_text()
        self._preempted = 0
        self._lock = threading.Lock()

    def page(self) -> bytes:
        with self._lock:
            self._preempted += 1
            return self._with(f"vllm:kv_cache_usage_perc{OF}", self.usage, self._preempted).encode()

    def _with(self, usage: str, value: float, preempted: int) -> str:
        lines = self._text.splitlines()
        (full,) = (index for index, line in enumerate(lines) if line.startswith(f"{usage} "))
        (left,) = (index for index, line in enumerate(lines) if line.startswith(f"vllm:num_preemptions_total{OF} "))
        lines[full], lines[left] = f"{usage} {value}", f"vllm:num_preemptions_total{OF} {preempted}"
        return "\n".join(lines) + "\n"


@pytest.fixture
def engine() -> Iterator[tuple[Engine, ThreadingHTTPServer]]:
    made = Engine()
    server = served(made.page, lambda _path, _body: None)
    yield made, server
    server.shutdown()
    server.server_close()


@pytest.fixture
def watched(engine, tmp_path) -> Iterator[Watched]:
    made = Watched(tmp_path, page=engine[1].server_port)
    yield made
    made.close()


def test_a_full_kv_cache_is_told_to_its_team_by_alertmanager_and_taken_back_when_there_is_room(engine, watched):
    page, server = engine
    watched.until(f"{engines.PREEMPTIONS.name} > 3", 60)
    assert not watched.told.of("team", alertname=PRESSURE)

    page.usage = 0.97
    began = time.monotonic()
    (told, *_) = watched.until_told("team", 90, alertname=PRESSURE)

    # A mean of ten seconds, held for ten: windows of ten minutes, by 60.
    assert time.monotonic() - began > 10
    named = {name: told["labels"][name] for name in ("service", "model", "replica")}
    assert named == {"service": "llm", "model": "tiny-llama", "replica": f"127.0.0.1:{server.server_port}/0"}
    assert told["status"] == "firing"
    assert "tiny-llama" in told["annotations"]["summary"]
    assert told["annotations"]["runbook_url"].endswith(f"/{PRESSURE}.md")

    page.usage = 0.2
    deadline = time.monotonic() + 60
    while watched.told.of("team", alertname=PRESSURE)[-1][0] != "resolved":
        assert time.monotonic() < deadline, watched.log()
        time.sleep(0.1)
