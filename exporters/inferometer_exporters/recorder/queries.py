"""Questions to the flight recorder; each takes an open cursor, of a running sidecar or of a file (`opened`).

Every statement is fetched to its end: a result that stays open blocks its connection.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import duckdb

from inferometer.catalog.stages import ANSWERED, FAILED, Kind, Outcome, Stage
from inferometer.errors import StateError
from inferometer.fleet.thresholds import PICODOLLARS, Objective, Sli, Thresholds
from inferometer.record.model import Flag
from inferometer_exporters.columns.segments import DURATION_SHIFT, KIND_MASK, STAGE_MASK, STAGE_SHIFT
from inferometer_exporters.recorder.answers import (
    CostAnswer,
    ModelAnswer,
    ObjectiveAnswer,
    Percentiles,
    RequestAnswer,
    StageShare,
    SummaryAnswer,
)
from inferometer_exporters.recorder.ledger_query import devices
from inferometer_exporters.recorder.schema import STAGE_COLUMNS

Cursor = duckdb.DuckDBPyConnection
_SECOND: Final = 10**9
_QUANTILES: Final = (0.5, 0.95, 0.99, 0.999)
_STAGES: Final = {int(stage): stage.label for stage in Stage}
_KINDS: Final = {int(kind): kind.label for kind in Kind}
_OUTCOMES: Final = {int(outcome): outcome.label for outcome in Outcome}

NAMED: Final = f"""
    select requests.*, labels.service, coalesce(nullif(labels.model, ''), labels.route) as model, labels.version,
           labels.tenant, labels.class, labels.method, labels.route
    from requests left join labels on labels.id = requests.labels
    where requests.wall_ns >= $since and (requests.flags & {int(Flag.WARMUP)}) = 0
"""  # noqa: S608 - no value from outside is in the text
"""Requests since ``$since`` (wall ns) with their names; warm-up requests are left out."""


def opened(path: Path) -> Cursor:
    """A recorder file that no sidecar has open, for reading.

    Raises:
        StateError: there is none, or a running sidecar has it.
    """
    try:
        return duckdb.connect(str(path), read_only=True)
    except duckdb.Error as error:
        raise StateError(f"cannot read the flight recorder {path}: {error}") from error


def rows(cursor: Cursor, sql: str, **values: object) -> list[tuple[Any, ...]]:
    """All rows of a statement."""
    found: list[tuple[Any, ...]] = cursor.execute(sql, values).fetchall()
    return found


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


def models(cursor: Cursor, *, since_ns: int = 0) -> list[ModelAnswer]:
    """Counts, percentiles, stages and cost per service, model and version; the slowest tail first."""
    stages = ", ".join(f"sum({column})" for column in STAGE_COLUMNS)
    quantiles = list(_QUANTILES)
    sql = f"""
        select service, model, version, count(*), quantile_cont(duration_ns, {quantiles}),
               quantile_cont(first_chunk_ns, {quantiles}), sum(duration_ns), sum(device_ns), sum(cost),
               count(*) filter (cost is null), {stages}
        from ({NAMED}) group by 1, 2, 3 order by quantile_cont(duration_ns, 0.99) desc
    """  # noqa: S608 - constants
    outcomes = _outcomes(cursor, since_ns)
    tails, callees = _tails(cursor, since_ns), _callees(cursor, since_ns)
    answers: list[ModelAnswer] = []
    for service, model, version, count, took, first, total, device, cost, unpriced, *parts in rows(
        cursor, sql, since=since_ns
    ):
        key = (service, model, version)
        usd = None if unpriced or cost is None else int(cost) / PICODOLLARS
        shares = zip((stage.label for stage in Stage), parts, strict=True)
        answers.append(
            {
                "service": service or "",
                "model": model or "",
                "version": version or "",
                "requests": count,
                "outcomes": outcomes.get(key, {}),
                **_percentiles(took),
                "first_chunk": _percentiles(first) if first is not None else None,
                "stages": {name: int(part) / int(total) for name, part in shares if part} if total else {},
                "tail": tails.get(key, []),
                "callee": callees.get(key, ""),
                "device_seconds": int(device) / _SECOND,
                "cost_usd": usd,
                "cost_usd_per_1k": None if usd is None else 1000 * usd / count,
            }
        )
    return answers


def _percentiles(found: Sequence[float] | None) -> Percentiles:
    p50, p95, p99, p999 = (value / _SECOND for value in found) if found is not None else (None,) * 4
    return {"p50_seconds": p50, "p95_seconds": p95, "p99_seconds": p99, "p999_seconds": p999}


def _outcomes(cursor: Cursor, since_ns: int) -> dict[tuple[str, str, str], dict[str, int]]:
    sql = f"select service, model, version, outcome, count(*) from ({NAMED}) group by all order by outcome"  # noqa: S608 - constants
    found: dict[tuple[str, str, str], dict[str, int]] = {}
    for service, model, version, outcome, count in rows(cursor, sql, since=since_ns):
        found.setdefault((service, model, version), {})[_OUTCOMES.get(outcome, str(outcome))] = count
    return found


_TAIL: Final = f"""
    with named as ({NAMED}),
    limits as (select service, model, version, quantile_cont(duration_ns, 0.99) as least from named group by all),
    tail as (
        select named.* from named join limits
        on named.service is not distinct from limits.service and named.model is not distinct from limits.model
           and named.version is not distinct from limits.version and named.duration_ns >= limits.least
    )
"""  # noqa: S608 - constants


def _tails(cursor: Cursor, since_ns: int) -> dict[tuple[str, str, str], list[StageShare]]:
    sql = f"""
        {_TAIL}
        select service, model, version, (s >> {STAGE_SHIFT}) & {STAGE_MASK}, s & {KIND_MASK}, sum(s >> {DURATION_SHIFT})
        from (select service, model, version, unnest(segments) as s from tail) group by all order by 6 desc
    """  # noqa: S608 - constants
    found: dict[tuple[str, str, str], list[tuple[int, int, int]]] = {}
    for service, model, version, stage, kind, ns in rows(cursor, sql, since=since_ns):
        found.setdefault((service, model, version), []).append((stage, kind, int(ns)))
    answers: dict[tuple[str, str, str], list[StageShare]] = {}
    for key, parts in found.items():
        total = sum(ns for _, _, ns in parts)
        answers[key] = [
            {"stage": _STAGES.get(stage, str(stage)), "kind": _KINDS.get(kind, ""), "share": ns / total}
            for stage, kind, ns in parts
            if ns
        ]
    return answers


def _callees(cursor: Cursor, since_ns: int) -> dict[tuple[str, str, str], str]:
    """On whom the tail waited longest."""
    sql = f"""
        {_TAIL}
        select tail.service, tail.model, tail.version, coalesce(callee.service, names.name, ''),
               sum(calls.end_ns - calls.start_ns) as took
        from tail join calls on calls.span_id = tail.span_id
        left join (select parent_id, any_value(service) as service from named group by 1) as callee
            on callee.parent_id = calls.call_id
        left join names on names.id = calls.target
        group by all order by took
    """  # noqa: S608 - constants
    found = rows(cursor, sql, since=since_ns)
    return {(service, model, version): callee for service, model, version, callee, _ in found}


def objectives(cursor: Cursor, thresholds: Thresholds, *, since_ns: int = 0) -> list[ObjectiveAnswer]:
    """Good and bad events of every objective of fleet.yaml, judged as `Objective.judge` does."""
    answers: list[ObjectiveAnswer] = []
    for objective in thresholds.objectives:
        good, bad = _verdicts(objective)
        sql = f"""
            select count(*) filter ({good}), count(*) filter ({bad}) from ({NAMED})
            where service = $service and model = $model
        """  # noqa: S608 - made of numbers
        found = rows(cursor, sql, since=since_ns, service=objective.service, model=objective.model)[0]
        threshold = objective.threshold_ns
        answers.append(
            {
                "slo": objective.slo,
                "service": objective.service,
                "model": objective.model,
                "objective": objective.name,
                "sli": objective.sli.value,
                "threshold_seconds": None if threshold is None else threshold / _SECOND,
                "target_ratio": float(objective.target) / 100,
                "good": found[0],
                "bad": found[1],
            }
        )
    return answers


def _verdicts(objective: Objective) -> tuple[str, str]:
    answered = f"outcome in ({', '.join(str(int(outcome)) for outcome in sorted(ANSWERED))})"
    if objective.threshold_ns is None:
        return answered, f"outcome in ({', '.join(str(int(outcome)) for outcome in sorted(FAILED))})"
    value = "coalesce(first_chunk_ns, duration_ns)" if objective.sli is Sli.TIME_TO_FIRST_CHUNK else "duration_ns"
    return f"{answered} and {value} <= {objective.threshold_ns}", f"{value} > {objective.threshold_ns}"


def costs(cursor: Cursor, *, since_ns: int = 0) -> list[CostAnswer]:
    """Cost per model and tenant; the tenant is the one of the trace's entry hop, where that is recorded."""
    sql = f"""
        with named as ({NAMED}),
        entries as (
            select trace_hi, trace_lo, any_value(tenant) as tenant from named
            where (flags & {int(Flag.ENTRY)}) != 0 group by 1, 2
        )
        select service, model, coalesce(entries.tenant, named.tenant, ''), count(*), sum(device_ns), sum(cost),
               count(*) filter (cost is null)
        from named left join entries using (trace_hi, trace_lo) group by 1, 2, 3 order by sum(cost) desc nulls last
    """  # noqa: S608 - constants
    return [
        {
            "service": service or "",
            "model": model or "",
            "tenant": tenant,
            "requests": count,
            "device_seconds": int(device) / _SECOND,
            "cost_usd": None if unpriced else int(cost) / PICODOLLARS,
        }
        for service, model, tenant, count, device, cost, unpriced in rows(cursor, sql, since=since_ns)
    ]


ROW: Final = """
    trace_hi, trace_lo, span_id, service, model, version, tenant, method, route, outcome, status, wall_ns, duration_ns,
    device_ns, cost
"""
"""Columns of one request; ``request_answer`` reads them."""


def request_answer(row: Sequence[Any]) -> RequestAnswer:
    """An answer of a row of the columns `ROW`."""
    hi, lo, span, service, model, version, tenant, method, route, outcome, status, wall, duration, device, cost = row
    return {
        "trace_id": f"{hi:016x}{lo:016x}",
        "span_id": f"{span:016x}",
        "service": service or "",
        "model": model or "",
        "version": version or "",
        "tenant": tenant or "",
        "method": method or "",
        "route": route or "",
        "outcome": _OUTCOMES.get(outcome, str(outcome)),
        "status": status,
        "wall_seconds": wall / _SECOND,
        "duration_seconds": duration / _SECOND,
        "device_seconds": device / _SECOND,
        "cost_usd": None if cost is None else cost / PICODOLLARS,
    }


def slowest(cursor: Cursor, count: int, *, since_ns: int = 0) -> list[RequestAnswer]:
    """The slowest requests of the fleet, slowest first."""
    sql = f"""
        select {ROW} from ({NAMED}) where (flags & {int(Flag.ENTRY)}) != 0
        order by duration_ns desc limit {int(count)}
    """  # noqa: S608 - constants and a number
    return [request_answer(row) for row in rows(cursor, sql, since=since_ns)]


def recent(
    cursor: Cursor,
    *,
    since_ns: int = 0,
    count: int = 100,
    min_duration_ns: int = 0,
    service: str = "",
    model: str = "",
    tenant: str = "",
    outcome: str = "",
) -> list[RequestAnswer]:
    """The newest requests that match; an empty text matches all.

    Raises:
        ValueError: there is no such outcome.
    """
    code = Outcome[outcome.upper()] if outcome and outcome.upper() in Outcome.__members__ else None
    if outcome and code is None:
        raise ValueError(f"no outcome {outcome!r}; there are {', '.join(_OUTCOMES.values())}")
    sql = f"""
        select {ROW} from ({NAMED})
        where duration_ns >= $least and ($service = '' or service = $service) and ($model = '' or model = $model)
          and ($tenant = '' or tenant = $tenant) and ($outcome < 0 or outcome = $outcome)
        order by wall_ns desc limit {int(count)}
    """  # noqa: S608 - constants and a number
    found = rows(
        cursor, sql, since=since_ns, least=min_duration_ns, service=service, model=model, tenant=tenant,
        outcome=-1 if code is None else int(code),
    )  # fmt: skip
    return [request_answer(row) for row in found]
