"""How models did: counts, percentiles, stages, cost, and on what their slowest requests spend their time."""

from collections.abc import Sequence
from typing import Final

from inferometer.catalog.stages import Kind, Stage
from inferometer.fleet.thresholds import PICODOLLARS
from inferometer_exporters.columns.segments import DURATION_SHIFT, KIND_MASK, STAGE_MASK, STAGE_SHIFT
from inferometer_exporters.recorder.answers import ModelAnswer, Percentiles, StageShare
from inferometer_exporters.recorder.reading import NAMED, OUTCOMES, SECOND, Cursor, rows
from inferometer_exporters.recorder.schema import STAGE_COLUMNS

_QUANTILES: Final = (0.5, 0.95, 0.99, 0.999)
_STAGES: Final = {int(stage): stage.label for stage in Stage}
_KINDS: Final = {int(kind): kind.label for kind in Kind}

_LAST_TOKEN: Final = "coalesce(last_token_ns, duration_ns)"
PER_OUTPUT_TOKEN: Final = f"""
    case when tokens_out > 1 and {_LAST_TOKEN} > first_token_ns
    then ({_LAST_TOKEN} - first_token_ns) // (tokens_out - 1) end
"""
"""As `record.model.per_output_token` has it."""


def models(cursor: Cursor, *, since_ns: int = 0) -> list[ModelAnswer]:
    """Counts, percentiles, stages and cost per service, model and version; the slowest tail first."""
    stages = ", ".join(f"sum({column})" for column in STAGE_COLUMNS)
    quantiles = list(_QUANTILES)
    sql = f"""
        select service, model, version, count(*), quantile_cont(duration_ns, {quantiles}),
               quantile_cont(first_chunk_ns, {quantiles}), quantile_cont(first_token_ns, {quantiles}),
               quantile_cont({PER_OUTPUT_TOKEN}, {quantiles}), sum(tokens_in), sum(tokens_out),
               sum(duration_ns), sum(device_ns), sum(cost), count(*) filter (cost is null), {stages}
        from ({NAMED}) group by 1, 2, 3 order by quantile_cont(duration_ns, 0.99) desc
    """  # noqa: S608 - constants
    outcomes = _outcomes(cursor, since_ns)
    tails, callees = _tails(cursor, since_ns), _callees(cursor, since_ns)
    answers: list[ModelAnswer] = []
    for service, model, version, count, took, *rest in rows(cursor, sql, since=since_ns):
        first, token, each, tokens_in, tokens_out, total, device, cost, unpriced, *parts = rest
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
                "first_chunk": _known(first),
                "first_token": _known(token),
                "time_per_output_token": _known(each),
                "tokens_in": int(tokens_in) or None,
                "tokens_out": int(tokens_out) or None,
                "stages": {name: int(part) / int(total) for name, part in shares if part} if total else {},
                "tail": tails.get(key, []),
                "callee": callees.get(key, ""),
                "device_seconds": int(device) / SECOND,
                "cost_usd": usd,
                "cost_usd_per_1k": None if usd is None else 1000 * usd / count,
            }
        )
    return answers


def _known(found: Sequence[float] | None) -> Percentiles | None:
    return None if found is None else _percentiles(found)


def _percentiles(found: Sequence[float] | None) -> Percentiles:
    p50, p95, p99, p999 = (value / SECOND for value in found) if found is not None else (None,) * 4
    return {"p50_seconds": p50, "p95_seconds": p95, "p99_seconds": p99, "p999_seconds": p999}


def _outcomes(cursor: Cursor, since_ns: int) -> dict[tuple[str, str, str], dict[str, int]]:
    sql = f"select service, model, version, outcome, count(*) from ({NAMED}) group by all order by outcome"  # noqa: S608 - constants
    found: dict[tuple[str, str, str], dict[str, int]] = {}
    for service, model, version, outcome, count in rows(cursor, sql, since=since_ns):
        found.setdefault((service, model, version), {})[OUTCOMES.get(outcome, str(outcome))] = count
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
