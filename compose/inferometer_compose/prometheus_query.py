"""Questions to a Prometheus server: what an expression is now, and what it was."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode

from inferometer.promql import Expr
from inferometer_compose.web import AnswerError, get_json

TIMEOUT_SECONDS: Final = 10.0
PATIENCE_SECONDS: Final = 60.0
"""For one step of a range: half of what Prometheus itself gives a query."""
POINTS: Final = 2_880
"""Of each series in one answer: two days of minutes. Prometheus refuses more than 11,000."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One element of an answer."""

    labels: Mapping[str, str]
    value: float


@dataclass(frozen=True, slots=True)
class Stretch:
    """A part of one series: its values at some moments, seconds since the epoch."""

    labels: Mapping[str, str]
    times: list[float]
    values: list[float]


def instant(base: str, expression: Expr | str) -> list[Sample]:
    """What an expression is now; elements that are no finite number are left out.

    Args:
        base: address of the server: ``http://127.0.0.1:9090``.
        expression: that yields a vector.

    Raises:
        AnswerError: the server does not answer, or not as a Prometheus does.
    """
    text = expression if isinstance(expression, str) else expression.text
    answer = _asked(base, "query", {"query": text}, TIMEOUT_SECONDS)
    try:
        found = [_sample(entry) for entry in answer]
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise _strange(base, error) from error
    return [sample for sample in found if math.isfinite(sample.value)]


def ranges(base: str, expression: Expr | str, *, begin: int, end: int, step: int) -> Iterator[list[Stretch]]:
    """What an expression was at each step from *begin* to *end* (seconds since the epoch), some days at a time.

    Args:
        base: address of the server.
        expression: that yields a vector.
        begin: the first moment.
        end: the last moment.
        step: seconds between two moments.

    Raises:
        AnswerError: the server does not answer, or not as a Prometheus does.
    """
    text = expression if isinstance(expression, str) else expression.text
    for first in range(begin, end + 1, POINTS * step):
        last = min(first + (POINTS - 1) * step, end)
        asked = {"query": text, "start": str(first), "end": str(last), "step": str(step)}
        answer = _asked(base, "query_range", asked, PATIENCE_SECONDS)
        try:
            yield [_stretch(entry) for entry in answer]
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise _strange(base, error) from error


def _asked(base: str, path: str, parameters: Mapping[str, str], patience: float) -> list[Any]:
    url = f"{base.rstrip('/')}/api/v1/{path}?{urlencode(parameters)}"
    answer = get_json(url, timeout_seconds=patience)
    try:
        found: list[Any] = list(answer["data"]["result"])
    except (KeyError, TypeError) as error:
        raise _strange(base, error) from error
    return found


def _strange(base: str, error: Exception) -> AnswerError:
    return AnswerError(f"{base} does not answer as a Prometheus does: {error!r}")


def _labels(entry: Mapping[str, Any]) -> Mapping[str, str]:
    return {str(name): str(value) for name, value in entry["metric"].items()}


def _sample(entry: Mapping[str, Any]) -> Sample:
    return Sample(_labels(entry), float(entry["value"][1]))


def _stretch(entry: Mapping[str, Any]) -> Stretch:
    pairs = [(float(at), float(value)) for at, value in entry["values"]]
    finite = [(at, value) for at, value in pairs if math.isfinite(value)]
    return Stretch(_labels(entry), [at for at, _ in finite], [value for _, value in finite])
