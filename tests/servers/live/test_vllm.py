"""vLLM for real, on a CPU, with a model of random weights."""

import pytest
from completions import UNKNOWN, WHOLE, WRONG, complete
from known_load import all_told, ends, only, reading_of

from inferometer.catalog import engines, requests
from inferometer.catalog.stages import Stage

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

INPUT = f'{requests.TOKENS.name}{{direction="input"}}'
OUTPUT = f'{requests.TOKENS.name}{{direction="output"}}'
QUEUE = f'{requests.STAGE_DURATION.name}{{stage="{Stage.QUEUE.label}"}}'


@pytest.fixture
def server(start, words):
    return start(
        "vllm", "{python}", "-m", "vllm.entrypoints.openai.api_server", "--model", str(words),
        "--served-model-name", "words", "--load-format", "dummy", "--host", "127.0.0.1", "--port", "{port}",
        "--max-num-seqs", "8", "--max-model-len", "1024", "--dtype", "float32", "--enforce-eager",
        ready="/health", seconds=800, HF_HUB_OFFLINE="1", VLLM_NO_USAGE_STATS="1", VLLM_CPU_KVCACHE_SPACE="1",
        VLLM_CPU_OMP_THREADS_BIND="nobind",
    )  # fmt: skip


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
