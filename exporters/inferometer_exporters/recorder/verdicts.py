"""Objectives as SQL on the recorder's requests: which ones an objective is about, which are good, which are bad.

The same verdicts as `Objective.judge` gives one request and the sidecar's columns give a pass
(tests/exporters/recorder/test_verdicts.py holds them equal).
"""

from dataclasses import dataclass, field
from typing import Final

from inferometer.catalog.stages import ANSWERED, FAILED
from inferometer.fleet.objective import Limit, Objective, Sli

_ANSWERED: Final = f"outcome in ({', '.join(str(int(outcome)) for outcome in sorted(ANSWERED))})"
_HAS_FAILED: Final = f"outcome in ({', '.join(str(int(outcome)) for outcome in sorted(FAILED))})"
_CHUNK: Final = "coalesce(first_chunk_ns, duration_ns)"
_TOKEN: Final = f"coalesce(first_token_ns, {_CHUNK})"
_SPREAD: Final = "(coalesce(last_token_ns, duration_ns) - first_token_ns)"
PER_TOKEN: Final = f"(case when tokens_out > 1 and {_SPREAD} > 0 then {_SPREAD} // (tokens_out::bigint - 1) end)"
"""Mean time per output token after the first, ns; null where it is not known."""


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
    asked = {
        "service": objective.service,
        "model": objective.model,
        "tenant": objective.tenant,
        "version": objective.version,
        "class": objective.request_class,
    }
    # Without a tenant, a version or a class an objective is about all of them; those columns are null in old rows.
    values = {name: value for name, value in asked.items() if value or name in {"service", "model"}}
    return Verdicts(
        about=" and ".join(f"{name} = ${name}" for name in values),
        good=good,
        bad=bad,
        values=values,
    )


def _judged(objective: Objective) -> tuple[str, str]:
    late = [f"{_taken(limit)} > {limit.ns}" for limit in objective.limits]
    failed = [_HAS_FAILED] if objective.counts_errors else []
    bad = f"coalesce({' or '.join((*late, *failed))}, false)" if late or failed else "false"
    good = f"{_ANSWERED} and not {bad}"
    return (f"{good} and {PER_TOKEN} is not null" if objective.needs_tokens else good), bad


def _taken(limit: Limit) -> str:
    if limit.stage is not None:
        return f"{limit.stage.label}_ns"
    match limit.sli:
        case Sli.TIME_TO_FIRST_CHUNK:
            return _CHUNK
        case Sli.TIME_TO_FIRST_TOKEN:
            return _TOKEN
        case Sli.TIME_PER_OUTPUT_TOKEN:
            return f"coalesce({PER_TOKEN}, 0)"
        case _:
            return "duration_ns"
