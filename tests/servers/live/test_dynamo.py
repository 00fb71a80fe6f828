"""Dynamo for real: its frontend with the router of KV caches, and a worker whose engine is Dynamo's mocker."""

import contextlib
import random
import socket
import time

import pytest
from completions import UNKNOWN, WHOLE, complete
from known_load import ends, only, reading_of

from inferometer.catalog import engines, requests

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

INPUT = f'{requests.TOKENS.name}{{direction="input"}}'
OUTPUT = f'{requests.TOKENS.name}{{direction="output"}}'
PLANES = {"DYN_DISCOVERY_BACKEND": "file", "DYN_REQUEST_PLANE": "tcp", "DYN_EVENT_PLANE": "zmq", "HF_HUB_OFFLINE": "1"}


def low_port() -> int:
    """A port that nobody listens on, of those that Dynamo can read: its number is one of 16 bits with a sign."""
    for number in random.sample(range(20_000, 32_768), 100):
        with socket.socket() as sock, contextlib.suppress(OSError):
            sock.bind(("127.0.0.1", number))
            return number
    raise AssertionError("no free port")


@pytest.fixture
def fleet(start, words, tmp_path):
    """The frontend, and the port of the worker's page."""
    shared = {**PLANES, "DYN_FILE_KV": str(tmp_path)}
    frontend = start(
        "dynamo", "{python}", "-m", "dynamo.frontend", "--http-host", "127.0.0.1", "--http-port", "{port}",
        "--router-mode", "kv", ready="/v1/models", **shared,
    )  # fmt: skip
    port = low_port()
    start(
        "dynamo", "{python}", "-m", "dynamo.mocker", "--model-path", str(words), "--model-name", "words",
        "--speedup-ratio", "2", "--max-num-seqs", "8",
        ready="Creating mocker worker", DYN_SYSTEM_HOST="127.0.0.1", DYN_SYSTEM_PORT=str(port), **shared,
    )  # fmt: skip
    deadline = time.monotonic() + 60
    while b"words" not in frontend.ask("/v1/models")[1]:
        assert time.monotonic() < deadline, frontend.log()[-3000:]
        time.sleep(0.1)
    return frontend, port


def test_dynamos_frontend_and_worker_tell_what_the_client_saw(fleet):
    frontend, port = fleet
    # The mocker's tokens are no words, so that none is sent before the end.
    seen = complete(frontend, patience=0.4)
    found = reading_of(frontend.port, "dynamo", lambda page: ends(page).get("cancelled") == 1)
    inside = reading_of(port, "dynamo-worker", lambda page: only(page, engines.RUNNING.name).value == 0)
    duration = only(found, requests.REQUEST_DURATION.name)

    assert seen.statuses.count(200) == WHOLE
    assert seen.statuses.count(404) == UNKNOWN
    # Input that is no request is refused before this version counts.
    assert ends(found) == {"ok": WHOLE, "client_error": UNKNOWN, "cancelled": 1}
    assert duration.labels == {"model": "words"}
    assert duration.count == WHOLE + 1
    assert all(number >= sum(seconds <= bound for seconds in seen.seconds) for bound, number in duration.buckets)
    # What nobody waited for was asked for as well, three words of it.
    assert only(found, INPUT).value == seen.prompt_tokens + 3
    assert only(found, OUTPUT).value == seen.completion_tokens
    assert only(inside, requests.REQUEST_DURATION.name).count == WHOLE + 1
    assert only(inside, requests.TIME_TO_FIRST_TOKEN.name).count == WHOLE + 1
    assert requests.REQUESTS.name in inside.missing
