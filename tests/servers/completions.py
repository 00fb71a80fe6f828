"""A known load on a server of a language model that speaks OpenAI's protocol, as its client sees it."""

import http.client
import json
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import dataclass
from http import HTTPStatus

WHOLE, LONG = 24, 400
"""Requests that are answered, and tokens of the one that nobody waits for."""
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


def leave_in_the_middle(port: int, patience: float) -> None:
    """Ask for a long stream, and go away when its first tokens are there, or after so many seconds without any."""
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=60)) as connection:
        body = json.dumps({**asked(0), "max_tokens": LONG, "stream": True})
        connection.request("POST", "/v1/completions", body, {"content-type": "application/json"})
        answer = connection.getresponse()
        connection.sock.settimeout(patience)
        with suppress(TimeoutError):
            answer.readline()
        answer.close()


def complete(server, *, patience: float = 60) -> Answered:
    """Good requests, some of a model that is not there, some that are none, and a stream whose client goes away.

    Args:
        patience: seconds that this client waits for the first tokens.
    """

    def ask(body):
        begun = time.perf_counter()
        status, answer, _ = server.ask("/v1/completions", body, timeout=60)
        seconds = time.perf_counter() - begun
        return status, seconds, json.loads(answer)["usage"] if status == HTTPStatus.OK else {}

    bodies = [asked(number) for number in range(WHOLE)]
    bodies += [{**asked(0), "model": "nobody"}] * UNKNOWN + [{**asked(0), "max_tokens": "many"}] * WRONG
    with ThreadPoolExecutor(TOGETHER) as threads:
        answers = list(threads.map(ask, bodies))
    leave_in_the_middle(server.port, patience)
    good = [(seconds, usage) for status, seconds, usage in answers if status == HTTPStatus.OK]
    return Answered(
        [status for status, _, _ in answers],
        [seconds for seconds, _ in good],
        sum(usage["prompt_tokens"] for _, usage in good),
        sum(usage["completion_tokens"] for _, usage in good),
    )
