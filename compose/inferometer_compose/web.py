"""Small HTTP requests to programs on this host."""

import http.client
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from inferometer.access import Token, client_context
from inferometer.errors import InferometerError
from inferometer.settings import Settings


class AnswerError(InferometerError):
    """A program on this host did not answer, or said no."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Status, body and headers of an answer; the headers' names are small."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


def fetch(
    url: str,
    *,
    body: object = None,
    timeout_seconds: float = 5.0,
    shows_token: bool = False,
    environment: Mapping[str, str] = os.environ,
) -> Answer:
    """The answer to a GET, or to a POST of JSON where there is a body.

    The sidecar's API (``/api/…``), and with *shows_token* its page, is shown the token of
    ``INFEROMETER_SIDECAR_TOKEN_FILE``; over https the other ``INFEROMETER_SIDECAR_…`` files say whom to trust and who
    asks.

    Raises:
        AnswerError: nobody answered in time.
        RefusedError: a file of these cannot be used.
    """
    parts = urlsplit(url)
    target = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
    settings, _ = Settings.read(environment)
    headers: dict[str, str] = {}
    if settings.sidecar_token_file is not None and (shows_token or parts.path.startswith("/api/")):
        headers["authorization"] = Token.read(settings.sidecar_token_file).header
    if parts.scheme == "https":
        context = client_context(
            settings.sidecar_certificate, settings.sidecar_client_certificate, settings.sidecar_client_key
        )
        connection: http.client.HTTPConnection = http.client.HTTPSConnection(
            parts.netloc, timeout=timeout_seconds, context=context
        )
    else:
        connection = http.client.HTTPConnection(parts.netloc, timeout=timeout_seconds)
    try:
        if body is None:
            connection.request("GET", target, headers=headers)
        else:
            connection.request("POST", target, json.dumps(body), headers | {"content-type": "application/json"})
        response = connection.getresponse()
        named = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, response.read(), named)
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
