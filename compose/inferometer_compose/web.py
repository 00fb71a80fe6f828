"""Small HTTP requests to programs on this host."""

import http.client
import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from inferometer.errors import InferometerError


class AnswerError(InferometerError):
    """A program on this host did not answer, or said no."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Status and body of an answer."""

    status: int
    body: bytes


def fetch(url: str, *, body: object = None, timeout_seconds: float = 5.0) -> Answer:
    """The answer to a GET, or to a POST of JSON where there is a body.

    Raises:
        AnswerError: nobody answered in time.
    """
    parts = urlsplit(url)
    target = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
    connection = http.client.HTTPConnection(parts.netloc, timeout=timeout_seconds)
    try:
        if body is None:
            connection.request("GET", target)
        else:
            connection.request("POST", target, json.dumps(body), {"content-type": "application/json"})
        response = connection.getresponse()
        return Answer(response.status, response.read())
    except (OSError, http.client.HTTPException) as error:
        raise AnswerError(f"{url} does not answer: {error}") from error
    finally:
        connection.close()


def get_json(url: str, *, timeout_seconds: float = 5.0) -> Any:
    """The JSON that a URL answers.

    Raises:
        AnswerError: nobody answered in time, or not with 200 and JSON.
    """
    answer = fetch(url, timeout_seconds=timeout_seconds)
    if answer.status != http.client.OK:
        raise AnswerError(f"{url} answered {answer.status}: {answer.body[:200].decode(errors='replace')}")
    try:
        return json.loads(answer.body)
    except ValueError as error:
        raise AnswerError(f"{url} answered no JSON: {answer.body[:200].decode(errors='replace')}") from error


def answers(url: str) -> bool:
    """Whether a GET is answered with 200 now."""
    try:
        return fetch(url, timeout_seconds=1.0).status == http.client.OK
    except AnswerError:
        return False
