"""Questions to the flight recorder; each takes an open cursor, of a running sidecar or of a file (`opened`).

Every statement is fetched to its end: a result that stays open blocks its connection.
"""

from pathlib import Path
from typing import Final

import duckdb

from inferometer.errors import StateError
from inferometer.fleet.thresholds import PICODOLLARS, Thresholds
from inferometer.record.model import Flag
from inferometer_exporters.recorder.answers import CostAnswer, ObjectiveAnswer, SummaryAnswer
from inferometer_exporters.recorder.ledger_query import devices
from inferometer_exporters.recorder.model_query import models
from inferometer_exporters.recorder.reading import NAMED, SECOND, Cursor, rows
from inferometer_exporters.recorder.request_query import slowest
from inferometer_exporters.recorder.schema import VERSION
from inferometer_exporters.recorder.verdicts import verdicts

__all__ = [
    "NAMED",
    "costs",
    "devices",
    "models",
    "objectives",
    "opened",
    "rows",
    "slowest",
    "summary",
]

_LOCKED: Final = "Conflicting lock is held"
"""What DuckDB says of a file that another process has open."""


def opened(path: Path) -> Cursor:
    """A recorder file that no sidecar has open, for reading.

    Raises:
        StateError: there is none, or a running sidecar has it, or another version of inferometer wrote it.
    """
    if not path.is_file():
        raise StateError(f"cannot read the flight recorder {path}: there is no such file")
    try:
        cursor = duckdb.connect(str(path), read_only=True)
        version = rows(cursor, "select max(version) from schema_version")[0][0]
    except duckdb.Error as error:
        if _LOCKED in str(error):
            raise StateError(
                f"a sidecar that runs has the flight recorder {path}: --api names it, by the address that it printed"
            ) from error
        raise StateError(f"cannot read the flight recorder {path}: {error}") from error
    if version != VERSION:
        cursor.close()
        raise StateError(f"{path} is a flight recorder of version {version}, {VERSION} is what is read here")
    return cursor


def summary(cursor: Cursor, thresholds: Thresholds, *, since_ns: int = 0) -> SummaryAnswer:
    """Everything a report needs, of requests that began at or after *since_ns* (wall time, ns)."""
    counted = f"select count(*), count(*) filter (flags & {int(Flag.ENTRY)}) from ({NAMED})"  # noqa: S608 - constants
    hops, entries = rows(cursor, counted, since=since_ns)[0]
    kept = rows(cursor, "select count(*) from kept where wall_ns >= $since", since=since_ns)[0][0]
    return {
        "requests": entries,
        "hops": hops,
        "recorded_requests": rows(cursor, "select count(*) from requests")[0][0],
        "kept_traces": kept,
        "models": models(cursor, since_ns=since_ns),
        "objectives": objectives(cursor, thresholds, since_ns=since_ns),
        "costs": costs(cursor, since_ns=since_ns),
        "devices": devices(cursor, since_ns=since_ns),
    }


def objectives(cursor: Cursor, thresholds: Thresholds, *, since_ns: int = 0) -> list[ObjectiveAnswer]:
    """Good and bad events of every objective of fleet.yaml, judged as `Objective.judge` does."""
    answers: list[ObjectiveAnswer] = []
    for objective in thresholds.objectives:
        asked = verdicts(objective)
        sql = f"""
            select count(*) filter ({asked.good}), count(*) filter ({asked.bad}) from ({NAMED}) where {asked.about}
        """  # noqa: S608 - made of numbers
        found = rows(cursor, sql, since=since_ns, **asked.values)[0]
        threshold = objective.threshold_ns
        answers.append(
            {
                "slo": objective.slo,
                "service": objective.service,
                "model": objective.model,
                "objective": objective.name,
                "sli": objective.sli.value,
                "threshold_seconds": None if threshold is None else threshold / SECOND,
                "target_ratio": float(objective.target) / 100,
                "good": found[0],
                "bad": found[1],
            }
        )
    return answers


def costs(cursor: Cursor, *, since_ns: int = 0) -> list[CostAnswer]:
    """Cost per model and tenant; the tenant is the one of the trace's entry hop, where that is recorded."""
    sql = f"""
        with counted as (
            select * from requests where wall_ns >= $since and (flags & {int(Flag.WARMUP)}) = 0
        ),
        inner_hops as (select * from counted where (flags & {int(Flag.ENTRY)}) = 0),
        entries as (
            select trace_hi, trace_lo, any_value(labels) as entry from counted
            where (flags & {int(Flag.ENTRY)}) != 0 and trace_lo in (select trace_lo from inner_hops) group by 1, 2
        ),
        sums as (
            select labels, labels as entry, count(*) as hops, sum(device_ns) as ns, sum(cost) as cost,
                   count(*) filter (cost is null) as unpriced
            from counted where (flags & {int(Flag.ENTRY)}) != 0 group by all
            union all
            select labels, coalesce(entry, labels), count(*), sum(device_ns), sum(cost),
                   count(*) filter (cost is null)
            from inner_hops left join entries using (trace_hi, trace_lo) group by all
        )
        select of.service, coalesce(nullif(of.model, ''), of.route), coalesce(by_whom.tenant, ''), sum(hops), sum(ns),
               sum(sums.cost), sum(unpriced)
        from sums left join labels as of on of.id = sums.labels left join labels as by_whom on by_whom.id = sums.entry
        group by 1, 2, 3 order by sum(sums.cost) desc nulls last
    """  # noqa: S608 - constants
    return [
        {
            "service": service or "",
            "model": model or "",
            "tenant": tenant,
            "requests": int(count),
            "device_seconds": int(device) / SECOND,
            "cost_usd": None if unpriced else int(cost) / PICODOLLARS,
        }
        for service, model, tenant, count, device, cost, unpriced in rows(cursor, sql, since=since_ns)
    ]
