"""How models did: counts, percentiles, stages, cost, and on what their slowest requests spend their time."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from inferometer.catalog.stages import Kind, Stage
from inferometer.fleet.thresholds import PICODOLLARS
from inferometer.record.model import Flag
from inferometer_exporters.columns.segments import DURATION_SHIFT, KIND_MASK, STAGE_MASK, STAGE_SHIFT
from inferometer_exporters.recorder.answers import ModelAnswer, Percentiles, StageShare
from inferometer_exporters.recorder.reading import OUTCOMES, SECOND, Cursor, rows
from inferometer_exporters.recorder.schema import STAGE_COLUMNS

_QUANTILES: Final = (0.5, 0.95, 0.99, 0.999)
_P99: Final = 2
_STAGES: Final = {int(stage): stage.label for stage in Stage}
_KINDS: Final = {int(kind): kind.label for kind in Kind}

_LAST_TOKEN: Final = "coalesce(last_token_ns, duration_ns)"
PER_OUTPUT_TOKEN: Final = f"""
    case when tokens_out > 1 and {_LAST_TOKEN} > first_token_ns
    then ({_LAST_TOKEN} - first_token_ns) // (tokens_out - 1) end
"""
"""As `record.model.per_output_token` has it."""


_MODELS: Final = """
    select dense_rank() over (order by service, model, version) as g, service, model, version, id from (
        select id, service, coalesce(nullif(model, ''), route) as model, version from labels
        union all select 0, null, null, null
    )
"""
# By numbers: a group by names takes ten times as long.
_GROUPED: Final = f"""
    select * from requests join (select g, id from ({_MODELS})) as named on named.id = requests.labels
    where wall_ns >= $since and (flags & {int(Flag.WARMUP)}) = 0
"""  # noqa: S608 - constants


def models(cursor: Cursor, *, since_ns: int = 0) -> list[ModelAnswer]:
    """Counts, percentiles, stages and cost per service, model and version; the slowest tail first."""
    stages = ", ".join(f"sum({column})" for column in STAGE_COLUMNS)
    quantiles = list(_QUANTILES)
    sql = f"""
        select g, count(*), quantile_cont(duration_ns, {quantiles}), sum(tokens_in), sum(tokens_out),
               sum(duration_ns), sum(device_ns), sum(cost), count(*) filter (cost is null), {stages}
        from ({_GROUPED}) group by 1
    """  # noqa: S608 - constants
    names = {g: tuple(name) for g, *name in rows(cursor, f"select distinct * exclude (id) from ({_MODELS})")}  # noqa: S608 - constants
    found = sorted(rows(cursor, sql, since=since_ns), key=lambda row: -row[2][_P99])
    outcomes, streams = _outcomes(cursor, since_ns), _streams(cursor, since_ns)
    limits = {row[0]: row[2][_P99] for row in found}
    tails, callees = _tails(cursor, since_ns, limits), _callees(cursor, since_ns, limits)
    answers: list[ModelAnswer] = []
    for g, count, took, tokens_in, tokens_out, total, device, cost, unpriced, *parts in found:
        service, model, version = names[g]
        first, token, each = streams.get(g, (None, None, None))
        usd = None if unpriced or cost is None else int(cost) / PICODOLLARS
        shares = zip((stage.label for stage in Stage), parts, strict=True)
        answers.append(
            {
                "service": service or "",
                "model": model or "",
                "version": version or "",
                "requests": count,
                "outcomes": outcomes.get(g, {}),
                **_percentiles(took),
                "first_chunk": _known(first),
                "first_token": _known(token),
                "time_per_output_token": _known(each),
                "tokens_in": int(tokens_in) or None,
                "tokens_out": int(tokens_out) or None,
                "stages": {name: int(part) / int(total) for name, part in shares if part} if total else {},
                "tail": tails.get(g, []),
                "callee": callees.get(g, ""),
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


def _outcomes(cursor: Cursor, since_ns: int) -> dict[int, dict[str, int]]:
    sql = f"select g, outcome, count(*) from ({_GROUPED}) group by 1, 2 order by 2"  # noqa: S608 - constants
    found: dict[int, dict[str, int]] = {}
    for g, outcome, count in rows(cursor, sql, since=since_ns):
        found.setdefault(g, {})[OUTCOMES.get(outcome, str(outcome))] = count
    return found


def _streams(cursor: Cursor, since_ns: int) -> dict[int, tuple[Sequence[float] | None, ...]]:
    """Percentiles of what only streams have."""
    quantiles = list(_QUANTILES)
    sql = f"""
        select g, quantile_cont(first_chunk_ns, {quantiles}), quantile_cont(first_token_ns, {quantiles}),
               quantile_cont({PER_OUTPUT_TOKEN}, {quantiles})
        from ({_GROUPED}) where first_chunk_ns is not null or first_token_ns is not null group by 1
    """  # noqa: S608 - constants
    return {g: tuple(found) for g, *found in rows(cursor, sql, since=since_ns)}


_TAIL: Final = f"""
    with tail as (
        select g, span_id, segments from ({_GROUPED}) as grouped
        join (select unnest($groups) as of_group, unnest($limits) as least) as limits on g = of_group
        where duration_ns >= least
    )
"""  # noqa: S608 - constants


def _of_tail(cursor: Cursor, select: str, since_ns: int, limits: Mapping[int, float]) -> list[tuple[Any, ...]]:
    return rows(cursor, f"{_TAIL} {select}", since=since_ns, groups=list(limits), limits=list(limits.values()))


def _tails(cursor: Cursor, since_ns: int, limits: Mapping[int, float]) -> dict[int, list[StageShare]]:
    """Shares of stages in the requests whose duration is at least the limit (ns) of their group."""
    select = f"""
        select g, (s >> {STAGE_SHIFT}) & {STAGE_MASK}, s & {KIND_MASK}, sum(s >> {DURATION_SHIFT})
        from (select g, unnest(segments) as s from tail) group by all order by 4 desc
    """  # noqa: S608 - constants
    found: dict[int, list[tuple[int, int, int]]] = {}
    for g, stage, kind, ns in _of_tail(cursor, select, since_ns, limits):
        found.setdefault(g, []).append((stage, kind, int(ns)))
    answers: dict[int, list[StageShare]] = {}
    for g, parts in found.items():
        total = sum(ns for _, _, ns in parts)
        answers[g] = [
            {"stage": _STAGES.get(stage, str(stage)), "kind": _KINDS.get(kind, ""), "share": ns / total}
            for stage, kind, ns in parts
            if ns
        ]
    return answers


_CALLEES: Final = """
    , called as (
        select g, call_id, target, end_ns - calls.start_ns as took from calls join tail on tail.span_id = calls.span_id
    ), answering as (
        select parent_id, any_value(labels) as of_labels from requests
        where parent_id in (select call_id from called) group by 1
    )
    select g, coalesce(labels.service, names.name, ''), sum(took) from called
    left join answering on answering.parent_id = call_id left join labels on labels.id = of_labels
    left join names on names.id = target
    group by 1, 2 order by 3
"""


def _callees(cursor: Cursor, since_ns: int, limits: Mapping[int, float]) -> dict[int, str]:
    """On whom the tail waited longest."""
    return {g: callee for g, callee, _ in _of_tail(cursor, _CALLEES, since_ns, limits)}
