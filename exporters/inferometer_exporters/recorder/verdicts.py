"""Objectives as SQL on the recorder's requests: which ones an objective is about, which are good, which are bad.

The same verdicts as `Objective.judge` gives one request and the sidecar's columns give a pass
(tests/exporters/recorder/test_verdicts.py holds them equal).
"""

from dataclasses import dataclass, field
from typing import Final

from inferometer.catalog.stages import ANSWERED, FAILED
from inferometer.fleet.thresholds import Objective, Sli

_ANSWERED: Final = f"outcome in ({', '.join(str(int(outcome)) for outcome in sorted(ANSWERED))})"
_HAS_FAILED: Final = f"outcome in ({', '.join(str(int(outcome)) for outcome in sorted(FAILED))})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdicts:
    """Conditions on a row of `reading.NAMED`, and the values of their parameters."""

    about: str
    """The request is one of those that the objective is about."""
    good: str
    bad: str
    values: dict[str, str] = field(default_factory=dict)
    """Of the parameters in ``about``."""


def verdicts(objective: Objective) -> Verdicts:
    """What an objective asks of requests."""
    good, bad = _judged(objective)
    return Verdicts(
        about="service = $service and model = $model",
        good=good,
        bad=bad,
        values={"service": objective.service, "model": objective.model},
    )


def _judged(objective: Objective) -> tuple[str, str]:
    if objective.threshold_ns is None:
        return _ANSWERED, _HAS_FAILED
    value = "coalesce(first_chunk_ns, duration_ns)" if objective.sli is Sli.TIME_TO_FIRST_CHUNK else "duration_ns"
    return f"{_ANSWERED} and {value} <= {objective.threshold_ns}", f"{value} > {objective.threshold_ns}"
