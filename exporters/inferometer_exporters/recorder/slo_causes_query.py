"""What ate a budget, of recorded requests: who was bad more often than others, how they failed, where the time went."""

from collections.abc import Mapping
from typing import Final, TypedDict

import numpy as np

from inferometer.catalog.stages import Stage
from inferometer.fleet.objective import Objective
from inferometer_exporters.recorder.reading import OUTCOMES, SECOND, Cursor, rows
from inferometer_exporters.recorder.schema import STAGE_COLUMNS
from inferometer_exporters.recorder.slo_minutes import counted
from inferometer_exporters.recorder.verdicts import verdicts
from inferometer_exporters.slo_causes import BLOCKS, Cause, causes

_DEVICE: Final = "device"
DIMENSIONS: Final = ("version", "tenant", "class", "region", _DEVICE)
_STAGES: Final = tuple(stage.label for stage in Stage)


class CauseAnswer(TypedDict):
    """A value that has more bad requests than its share."""

    dimension: str
    value: str
    """Empty: the requests that say none."""
    requests: float
    bad: float
    excess: float
    """Bad requests beyond those at the rate of everybody else."""
    share: float
    """Of all bad requests, 0-1; shares of different dimensions overlap."""
    lift: float
    blocks: int
    of_blocks: int
    clustered: bool
    also: list[tuple[str, str]]


class CausesAnswer(TypedDict):
    """What ate the budget of one objective."""

    slo: str
    begin_seconds: float | None
    """The first request that counts, since the epoch; null without any."""
    end_seconds: float | None
    events: float
    bad: float
    tested: int
    """Values of all dimensions that were looked at."""
    causes: list[CauseAnswer]
    requests_since_seconds: float | None
    """From here on single requests are known, with the outcomes and stages that follow."""
    outcomes: dict[str, int]
    """How the bad ones of them ended."""
    stages: dict[str, float]
    """Where the late ones of them lost their time: parts of what they took beyond the median of good ones, 0-1."""


def what_ate(cursor: Cursor, objective: Objective, *, since_ns: int = 0) -> CausesAnswer:
    """What ate the budget of an objective since a moment (wall ns)."""
    values: dict[str, object] = {"since": 0, "from": since_ns, **verdicts(objective).values}
    span = rows(cursor, _span(objective), slo=objective.slo, **values)[0]
    if span[0] is None:
        return _nothing(objective)
    block = max(-(-(span[1] - span[0] + 1) // BLOCKS), SECOND)
    table = rows(cursor, _table(objective), slo=objective.slo, first=span[0], block=block, **values)
    columns = list(zip(*table, strict=True))
    events, bad = (np.array(column, np.float64) for column in columns[-2:])
    dimensions = {
        name: [value or "" for value in column] for name, column in zip(DIMENSIONS, columns[1:], strict=False)
    }
    # Who failed before the model ran has no device: that is no reason of it, but what came of it.
    found = causes(dimensions, columns[0], events, bad, known_only=frozenset({_DEVICE}))
    outcomes, known_since = _outcomes(cursor, objective, values)
    return {
        "slo": objective.slo,
        "begin_seconds": span[0] / SECOND,
        "end_seconds": span[1] / SECOND,
        "events": float(events.sum()),
        "bad": float(bad.sum()),
        "tested": found.tested,
        "causes": [cause_answer(cause, float(bad.sum())) for cause in found.causes],
        "requests_since_seconds": known_since,
        "outcomes": outcomes,
        "stages": _stages(cursor, objective, values) if objective.limits else {},
    }


def cause_answer(cause: Cause, all_bad: float) -> CauseAnswer:
    """A cause as it is told."""
    return {
        "dimension": cause.dimension,
        "value": cause.value,
        "requests": cause.events,
        "bad": cause.bad,
        "excess": cause.excess,
        "share": cause.excess / all_bad if all_bad else 0.0,
        "lift": cause.lift,
        "blocks": cause.blocks,
        "of_blocks": cause.of_blocks,
        "clustered": cause.clustered,
        "also": list(cause.also),
    }


def _nothing(objective: Objective) -> CausesAnswer:
    return {
        "slo": objective.slo,
        "begin_seconds": None,
        "end_seconds": None,
        "events": 0.0,
        "bad": 0.0,
        "tested": 0,
        "causes": [],
        "requests_since_seconds": None,
        "outcomes": {},
        "stages": {},
    }


def _both(objective: Objective) -> str:
    """Requests that are there, and counts by minute of those that were."""
    return f"""
        select counted_ns, labels, device, 1 as events, bad::integer as bad
        from ({counted(objective)}) where counted_ns >= $from
        union all
        select wall_ns, labels, device, good + bad, bad from slo_minutes
        where slo = $slo and wall_ns >= $from
    """  # noqa: S608 - made of numbers and parameters


def _span(objective: Objective) -> str:
    return f"select min(counted_ns), max(counted_ns) from ({_both(objective)})"  # noqa: S608 - as above


def _table(objective: Objective) -> str:
    return f"""
        select (counted_ns - $first) // $block, labels.version, labels.tenant, labels.class, labels.region, names.name,
               sum(events), sum(bad)
        from ({_both(objective)}) as counts left join labels on labels.id = counts.labels
        left join names on names.id = counts.device group by all
    """  # noqa: S608 - as above


def _outcomes(
    cursor: Cursor, objective: Objective, values: Mapping[str, object]
) -> tuple[dict[str, int], float | None]:
    sql = f"""
        select outcome, count(*) filter (bad), min(counted_ns) from ({counted(objective)})
        where counted_ns >= $from group by 1 order by 2 desc
    """  # noqa: S608 - as above
    found = rows(cursor, sql, **values)
    since = min((first for _, _, first in found), default=None)
    told = {OUTCOMES.get(outcome, str(outcome)): int(number) for outcome, number, _ in found if number}
    return told, None if since is None else since / SECOND


def _stages(cursor: Cursor, objective: Objective, values: Mapping[str, object]) -> dict[str, float]:
    """By stage, how much longer bad requests took than good ones at their median, as parts of the whole.

    Medians of stages are of each stage by itself; a stage in which bad requests were quicker counts nothing.
    """
    medians = ", ".join(f"median({column}) filter (good) as {column}" for column in STAGE_COLUMNS)
    beyond = ", ".join(
        f"sum(greatest(told.{column} - coalesce(typical.{column}, 0), 0))::double" for column in STAGE_COLUMNS
    )
    sql = f"""
        with told as (from ({counted(objective)}) where counted_ns >= $from),
             typical as (select {medians} from told)
        select {beyond} from told, typical where bad
    """  # noqa: S608 - as above
    found = [float(value or 0.0) for value in rows(cursor, sql, **values)[0]]
    whole = sum(found)
    return {stage: value / whole for stage, value in zip(_STAGES, found, strict=True) if value} if whole else {}
