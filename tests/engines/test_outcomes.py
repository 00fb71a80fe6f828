"""How requests ended, by the words of each engine: as the SDK judges the same ends."""

import re

import pytest

from inferometer.catalog import requests
from inferometer.catalog.labels import OUTCOME
from inferometer.catalog.rpc import STATUS_NAMES
from inferometer.fleet import engines
from inferometer.recorder.outcome import of_request
from inferometer.recorder.rpc_status import OUTCOMES

STATUSES = [
    200,
    204,
    302,
    400,
    404,
    408,
    409,
    413,
    418,
    422,
    428,
    429,
    430,
    451,
    498,
    499,
    500,
    501,
    502,
    503,
    504,
    507,
]
WORDS = {
    "dynamo": {
        "success": "ok", "validation": "client_error", "not_found": "client_error", "overload": "rejected",
        "cancelled": "cancelled", "response_timeout": "timeout", "internal": "server_error",
        "not_implemented": "server_error",
    },
    "llm-d-epp": {
        "BadRequest": "client_error", "ResourceExhausted": "rejected", "Internal": "server_error",
        "ModelServerError": "server_error", "ServiceUnavailable": "server_error",
    },
    "production-stack": {"success": "ok", "error": "server_error"},
    "tgi": {
        "validation": "client_error", "template": "client_error", "overloaded": "rejected", "dropped": "cancelled",
        "generation": "server_error", "incomplete": "server_error",
    },
}  # fmt: skip
"""Ends by the engine's own words, from its source."""


def rules(engine):
    """Outcomes by the values of a label, one dictionary per source of requests that has one."""
    for told in engines.load(engine).signals:
        if told.signal.name == requests.REQUESTS.name:
            for source in told.sources:
                yield from (dict(rule.values) for name, rule in source.labels if name == OUTCOME.name)


def judged(rule, value):
    """Every outcome whose patterns match."""
    return [outcome for outcome, patterns in rule.items() if any(re.fullmatch(one, value) for one in patterns)]


def by_status():
    return [name for name in engines.names() if any(judged(rule, "404") for rule in rules(name))]


def test_engines_that_count_by_status_are_found():
    assert {"bentoml", "litellm", "ray-serve", "seldon", "sglang", "sglang-router", "vllm"} <= set(by_status())


@pytest.mark.parametrize("engine", [name for name in by_status() if name != "vllm"])
def test_a_status_of_http_is_judged_as_the_sdk_judges_it(engine):
    of_http = [rule for rule in rules(engine) if judged(rule, "404")]

    assert of_http
    for status in STATUSES:
        expected = of_request(status, None, left=False, retry_after=False, overdue=False).label
        assert [judged(rule, str(status)) for rule in of_http] == [[expected]] * len(of_http), status


@pytest.mark.parametrize("status", ["2xx", "3xx", "4xx", "5xx"])
def test_vllm_counts_classes_of_statuses(status):
    expected = {"2": "ok", "3": "ok", "4": "client_error", "5": "server_error"}[status[0]]
    of_http = [rule for rule in rules("vllm") if judged(rule, "4xx")]

    assert [judged(rule, status) for rule in of_http] == [[expected]]


@pytest.mark.parametrize("number", range(len(STATUS_NAMES)), ids=STATUS_NAMES)
def test_a_code_of_tensorflow_serving_is_judged_as_that_of_grpc(number):
    (rule,) = rules("tf-serving")

    assert judged(rule, STATUS_NAMES[number]) == [OUTCOMES[number].label]


@pytest.mark.parametrize(("engine", "words"), WORDS.items(), ids=WORDS)
def test_an_engines_own_words_for_the_end_of_a_request(engine, words):
    (rule,) = rules(engine)

    assert {word: judged(rule, word) for word in words} == {word: [outcome] for word, outcome in words.items()}
    assert judged(rule, "teapot") == []
