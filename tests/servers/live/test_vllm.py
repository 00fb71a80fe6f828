"""vLLM for real, on a CPU, with a model of random weights."""

import http.client
import threading
import time
from contextlib import suppress

import pytest
from completions import LONG, UNKNOWN, WHOLE, WRONG, asked, complete
from free_ports import free_port
from known_load import all_told, ends, only, reading_of
from watched import Watched

from inferometer.catalog import engines, requests
from inferometer.catalog.stages import Stage

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

CROWD = 40

INPUT = f'{requests.TOKENS.name}{{direction="input"}}'
OUTPUT = f'{requests.TOKENS.name}{{direction="output"}}'
QUEUE = f'{requests.STAGE_DURATION.name}{{stage="{Stage.QUEUE.label}"}}'


@pytest.fixture(scope="module")
def watched(tmp_path_factory):
    """What watches it; there before it starts, because it tells of that, too."""
    made = Watched(tmp_path_factory.mktemp("watched"), page=free_port())
    yield made
    made.close()


@pytest.fixture(scope="module")
def server(start, words, watched):
    """With room for 2,048 tokens, of which 32 requests may have as many as they want."""
    return start(
        "vllm", "{python}", "-m", "vllm.entrypoints.openai.api_server", "--model", str(words),
        "--served-model-name", "words", "--load-format", "dummy", "--host", "127.0.0.1", "--port", "{port}",
        "--max-num-seqs", "32", "--max-model-len", "1024", "--dtype", "float32", "--enforce-eager",
        "--block-size", "32", "--num-gpu-blocks-override", "64",
        "--otlp-traces-endpoint", f"http://127.0.0.1:{watched.otlp}",
        port=watched.page, ready="/health", seconds=800, HF_HUB_OFFLINE="1", VLLM_NO_USAGE_STATS="1",
        VLLM_CPU_KVCACHE_SPACE="1", VLLM_CPU_OMP_THREADS_BIND="nobind", OTEL_SERVICE_NAME="llm",
    )  # fmt: skip


@pytest.fixture
def crowd(server):
    """More requests than the KV cache has room for, all the time."""
    over = threading.Event()
    body = {**asked(6), "max_tokens": LONG}

    def ask():
        # Who still waits when the server ends is not answered.
        with suppress(OSError, http.client.HTTPException):
            while not over.is_set():
                server.ask("/v1/completions", body, timeout=600)

    threads = [threading.Thread(target=ask, daemon=True) for _ in range(CROWD)]
    for thread in threads:
        thread.start()
    yield threads
    over.set()


def test_vllm_tells_what_the_client_saw_and_counts_who_left_as_answered(server):
    seen = complete(server)
    found = reading_of(
        server.port,
        "vllm",
        lambda page: all_told(len(seen.statuses) + 1)(page) and only(page, engines.RUNNING.name).value == 0,
    )
    duration, first = only(found, requests.REQUEST_DURATION.name), only(found, requests.TIME_TO_FIRST_TOKEN.name)

    assert seen.statuses.count(200) == WHOLE
    assert (seen.statuses.count(404), seen.statuses.count(400)) == (UNKNOWN, WRONG)
    assert ends(found) == {"ok": WHOLE + 1, "client_error": UNKNOWN + WRONG}
    assert found.signals[requests.REQUESTS.name][0].quality == "approximate"
    # What its client left is not finished, so that it is in no duration; its tokens were made until then.
    assert duration.count == WHOLE
    assert duration.sum <= sum(seen.seconds)
    assert all(number >= sum(seconds <= bound for seconds in seen.seconds) for bound, number in duration.buckets)
    assert first.count == WHOLE + 1
    assert only(found, QUEUE).count == WHOLE
    assert only(found, INPUT).value == seen.prompt_tokens + 3
    assert only(found, OUTPUT).value >= seen.completion_tokens
    assert only(found, requests.IN_FLIGHT.name).value == 0


def test_its_start_and_its_requests_are_told_by_its_own_spans(server, watched):
    begun = watched.until(f'{requests.COLD_START.name}_sum{{service="llm"}} > 0', 60)
    loading = watched.until(f'{requests.MODEL_LOAD.name}_sum{{service="llm",model="words"}} > 0', 20)
    statuses = [server.ask("/v1/completions", asked(number), timeout=60)[0] for number in range(3)]
    # Its exporter sends every five seconds.
    told = watched.requests("llm", 3, 60)

    assert statuses == [200] * 3
    assert float(loading[0]["value"][1]) < float(begun[0]["value"][1])
    assert {one["model"] for one in told} == {"words"}
    assert {one["outcome"] for one in told} == {"ok"}
    # Its page counts them, and nobody else.
    counted = watched.ask(f'{requests.REQUESTS.name}{{service="llm",model="words",outcome="ok"}}')
    assert [one["metric"].get("replica", "") for one in counted] == [f"127.0.0.1:{watched.page}"]


def test_an_alert_on_its_kv_cache_fires_while_it_is_full_and_not_before(server, watched, crowd):
    firing = 'ALERTS{alertname="InferenceKvCachePressure",alertstate="firing"}'
    assert watched.ask(firing) == []
    began = time.monotonic()
    (alert,) = watched.until(firing, 400)
    (preempted,) = watched.ask(engines.PREEMPTIONS.name)
    (full,) = watched.ask(f"avg_over_time({engines.KV_CACHE.name}[10s])")
    (told, *_) = watched.until_told("team", 30, alertname="InferenceKvCachePressure")

    # A mean of ten seconds, held for ten: windows of ten minutes, by 60.
    assert time.monotonic() - began > 10
    labels = {name: alert["metric"][name] for name in ("service", "model", "replica")}
    assert labels == {"service": "llm", "model": "words", "replica": f"127.0.0.1:{watched.page}/0"}
    assert float(preempted["value"][1]) > 0
    assert float(full["value"][1]) > 0.8
    # And Alertmanager tells whom fleet.yaml names.
    assert told["status"] == "firing"
    assert labels.items() <= told["labels"].items()
