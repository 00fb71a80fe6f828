"""A known load on a server of a language model that speaks OpenAI's protocol, as its client sees it."""

import json
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http import HTTPStatus

WHOLE, LONG, ABORTED = 24, 400, 0.3
"""Requests that are answered, tokens of the one that nobody waits for, and seconds after which its client goes."""
UNKNOWN, WRONG = 3, 2
TOGETHER = 4


@dataclass
class Answered:
    """What the client saw of good answers, and the statuses of all."""

    statuses: list[int]
    seconds: list[float]
    prompt_tokens: int
    completion_tokens: int


def asked(number: int) -> dict[str, object]:
    """Prompts and answers of several lengths."""
    prompt = " ".join(f"w{n}" for n in range(number % 7 + 3))
    return {"model": "words", "prompt": prompt, "max_tokens": number % 5 + 1, "temperature": 0, "ignore_eos": True}


def complete(server) -> Answered:
    """Good requests, some of a model that is not there, some that are none, and a stream whose client goes away."""

    def ask(body):
        begun = time.perf_counter()
        status, answer, _ = server.ask("/v1/completions", body, timeout=60)
        seconds = time.perf_counter() - begun
        return status, seconds, json.loads(answer)["usage"] if status == HTTPStatus.OK else {}

    bodies = [asked(number) for number in range(WHOLE)]
    bodies += [{**asked(0), "model": "nobody"}] * UNKNOWN + [{**asked(0), "max_tokens": "many"}] * WRONG
    with ThreadPoolExecutor(TOGETHER) as threads:
        answers = list(threads.map(ask, bodies))
    server.leave("/v1/completions", {**asked(0), "max_tokens": LONG, "stream": True}, after=ABORTED)
    good = [(seconds, usage) for status, seconds, usage in answers if status == HTTPStatus.OK]
    return Answered(
        [status for status, _, _ in answers],
        [seconds for seconds, _ in good],
        sum(usage["prompt_tokens"] for _, usage in good),
        sum(usage["completion_tokens"] for _, usage in good),
    )
