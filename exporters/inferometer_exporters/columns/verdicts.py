"""What objectives say of many requests at once: `Objective.judge` and `Objective.late` on columns."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from inferometer.catalog.stages import ANSWERED, FAILED, Outcome
from inferometer.fleet.objective import Limit, Objective, Sli, Times
from inferometer_exporters.columns.tables import Ints, Mask

ABSENT: Final = np.iinfo(np.int64).min
"""Stands for a time that is unknown, in a column of times."""
_IS_ANSWERED: Final = np.array([code in ANSWERED for code in Outcome])
_HAS_FAILED: Final = np.array([code in FAILED for code in Outcome])


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnTimes:
    """`inferometer.fleet.objective.Times` of many requests; `ABSENT` where a time is not known."""

    duration: Ints
    first_chunk: Ints
    first_token: Ints
    per_token: Ints
    stages: Ints
    """One row per stage code, one column per request."""

    def take(self, rows: Ints) -> "ColumnTimes":
        """The times of some of them."""
        return ColumnTimes(
            duration=self.duration[rows],
            first_chunk=self.first_chunk[rows],
            first_token=self.first_token[rows],
            per_token=self.per_token[rows],
            stages=self.stages[:, rows],
        )

    def each(self) -> Iterator[Times]:
        """The times of one after the other."""
        known = (self.first_chunk, self.first_token, self.per_token)
        for duration, stages, *told in zip(
            self.duration.tolist(), self.stages.T.tolist(), *(column.tolist() for column in known), strict=True
        ):
            chunk, token, each = (None if value == ABSENT else value for value in told)
            yield Times(duration=duration, first_chunk=chunk, first_token=token, per_token=each, stages=stages)


def verdicts(objective: Objective, codes: Ints, times: ColumnTimes) -> tuple[Mask, Mask]:
    """Masks of good and of bad requests; *codes* are their outcomes."""
    bad = late(objective, times)
    if objective.counts_errors:
        bad = bad | _HAS_FAILED[codes]
    good = _IS_ANSWERED[codes] & ~bad
    if objective.needs_tokens:
        good &= times.per_token != ABSENT
    return good, bad


def late(objective: Objective, times: ColumnTimes) -> Mask:
    """Which requests took longer than a limit."""
    found = np.zeros(len(times.duration), bool)
    for limit in objective.limits:
        found |= _taken(limit, times) > limit.ns
    return found


def _taken(limit: Limit, times: ColumnTimes) -> Ints:
    if limit.stage is not None:
        stage: Ints = times.stages[limit.stage]
        return stage
    chunk = np.where(times.first_chunk != ABSENT, times.first_chunk, times.duration)
    match limit.sli:
        case Sli.TIME_TO_FIRST_CHUNK:
            return chunk
        case Sli.TIME_TO_FIRST_TOKEN:
            return np.where(times.first_token != ABSENT, times.first_token, chunk)
        case Sli.TIME_PER_OUTPUT_TOKEN:
            return times.per_token
        case _:
            return times.duration
