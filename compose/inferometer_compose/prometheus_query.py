"""Questions to a Prometheus server: what an expression is now."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode

from inferometer.promql import Expr
from inferometer_compose.web import AnswerError, get_json

TIMEOUT_SECONDS: Final = 10.0


@dataclass(frozen=True, slots=True)
class Sample:
    """One element of an answer."""

    labels: Mapping[str, str]
    value: float


def instant(base: str, expression: Expr | str) -> list[Sample]:
    """What an expression is now; elements that are no finite number are left out.

    Args:
        base: address of the server: ``http://127.0.0.1:9090``.
        expression: that yields a vector.

    Raises:
        AnswerError: the server does not answer, or not as a Prometheus does.
    """
    text = expression if isinstance(expression, str) else expression.text
    url = f"{base.rstrip('/')}/api/v1/query?{urlencode({'query': text})}"
    answer = get_json(url, timeout_seconds=TIMEOUT_SECONDS)
    try:
        found = [_sample(entry) for entry in answer["data"]["result"]]
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise AnswerError(f"{base} does not answer as a Prometheus does: {error!r}") from error
    return [sample for sample in found if math.isfinite(sample.value)]


def _sample(entry: Mapping[str, Any]) -> Sample:
    return Sample({str(name): str(value) for name, value in entry["metric"].items()}, float(entry["value"][1]))
