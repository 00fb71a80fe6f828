"""The question of `inferometer compare`, asked of the flight recorder.

DuckDB counts requests by block of time and logarithmic bin, so that a million of them are a few thousand rows here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from inferometer.catalog.stages import ANSWERED, FAILED, Stage
from inferometer.fleet.thresholds import PICODOLLARS
from inferometer.record.model import Flag
from inferometer_exporters.comparison.bootstrap import CONFIDENCE, DRAWS, LEVELS
from inferometer_exporters.comparison.lines import COST, WHOLE, Found, Line, Verdict
from inferometer_exporters.comparison.question import Question, Window
from inferometer_exporters.comparison.samples import BLOCKS, PER_DOUBLING, Binned, Ints, Pair, Rate, Side
from inferometer_exporters.comparison.verdicts import compared
from inferometer_exporters.recorder.compare_answers import CompareAnswer, GroupAnswer, LeftOutAnswer, LineAnswer
from inferometer_exporters.recorder.model_query import PER_OUTPUT_TOKEN
from inferometer_exporters.recorder.reading import SECOND, Cursor, rows

LARGEST: Final = 12
"""Services and models that are compared, those with most requests."""
SMALLEST_SHARE: Final = 0.01
"""A stage with less of the time on both sides is left out: a third more of nothing is nothing."""
_STAGES: Final = {stage.label: f"{stage.label}_ns" for stage in Stage}
_MOMENTS: Final = {
    "first_chunk": "first_chunk_ns",
    "first_token": "first_token_ns",
    "per_output_token": PER_OUTPUT_TOKEN,
}
_ANSWERED: Final = f"outcome in ({', '.join(str(int(outcome)) for outcome in sorted(ANSWERED))})"
_FAILED: Final = f"outcome in ({', '.join(str(int(outcome)) for outcome in sorted(FAILED))})"
_OF_SIDE: Final = f"""
    from requests join compared on compared.id = requests.labels
    where wall_ns >= $begin and wall_ns < $end and (flags & {int(Flag.WARMUP)}) = 0
"""
_BLOCK: Final = f"((wall_ns - $first) * {BLOCKS}) // $length"
_Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class _Labels:
    """Label sets of the recorder that belong to one side, and the group of each."""

    ids: list[int]
    groups: list[int]


@dataclass(frozen=True, slots=True)
class _Extent:
    """Requests of one group on one side."""

    number: int
    first_ns: int
    last_ns: int


def compare(cursor: Cursor, question: Question) -> CompareAnswer:
    """Both sides of every service and model that match, and what differs."""
    keys, labels = _labels(cursor, question)
    windows = (question.before, question.after)
    extents = [_extents(cursor, of_side, window) for of_side, window in zip(labels, windows, strict=True)]
    both = sorted(extents[0].keys() & extents[1].keys(), key=lambda group: -extents[0][group].number)[:LARGEST]
    paired = False
    if question.versions is not None and both:
        shared = _shared(extents, both)
        inside = [_extents(cursor, of_side, shared) for of_side in labels]
        paired = _served_together(extents, inside, both)
        if paired:
            windows, extents = (shared, shared), inside
            both = [group for group in both if group in inside[0] and group in inside[1]]
    spans = [_span(of_side, both) for of_side in extents]
    if paired:
        spans = [windows[0], windows[1]]
    measures = {WHOLE: "duration_ns"} | _MOMENTS | (_STAGES if question.stage_percentiles else {})
    sides = [_sides(cursor, of_side, span, both, measures) for of_side, span in zip(labels, spans, strict=True)]
    pairs = [_pair(keys[group], sides[0][group], sides[1][group]) for group in both]
    found = compared(pairs, paired=paired, least=question.least, seed=question.seed)
    names = question.versions or ("before", "after")
    numbers = [sum(of_side[group].number for group in both) for of_side in extents]
    shown = windows if paired else (question.before, question.after)
    return {
        "before": _side_answer(names[0], shown[0], numbers[0]),
        "after": _side_answer(names[1], shown[1], numbers[1]),
        "paired": paired,
        "block_seconds": [max(_length(span) for span in spans) / blocks / SECOND for blocks in LEVELS],
        "draws": DRAWS,
        "seed": question.seed,
        "confidence": CONFIDENCE,
        "least": question.least,
        "verdict": _overall(found),
        "models": [_group_answer(one) for one in found],
        "left_out": _left_out(keys, extents, both),
    }


def _labels(cursor: Cursor, question: Question) -> tuple[list[_Key], tuple[_Labels, _Labels]]:
    """Groups by number, and which label sets belong to them on either side."""
    sql = "select id, service, coalesce(nullif(model, ''), route), version, tenant from labels"
    keys: dict[_Key, int] = {}
    sides = _Labels([], []), _Labels([], [])
    for identity, service, model, version, tenant in rows(cursor, sql):
        wanted = ((question.service, service), (question.model, model), (question.tenant, tenant))
        if any(asked and asked != (there or "") for asked, there in wanted):
            continue
        for number, side in enumerate(sides):
            if question.versions is None or question.versions[number] == (version or ""):
                side.ids.append(identity)
                side.groups.append(keys.setdefault((service or "", model or ""), len(keys)))
    return list(keys), sides


def _fetched(cursor: Cursor, labels: _Labels, sql: str, **values: int) -> Mapping[str, Any]:
    cursor.register("compared", {"id": np.array(labels.ids, np.uint32), "one": np.array(labels.groups, np.int32)})
    try:
        return cursor.execute(sql, values).fetchnumpy()
    finally:
        cursor.unregister("compared")


def _extents(cursor: Cursor, labels: _Labels, window: Window) -> dict[int, _Extent]:
    sql = f"select one, count(*) as n, min(wall_ns) as low, max(wall_ns) as high {_OF_SIDE} group by one"
    found = _fetched(cursor, labels, sql, begin=window.begin_ns, end=window.end_ns)
    columns = (found[name].tolist() for name in ("one", "n", "low", "high"))
    return {group: _Extent(number, low, high) for group, number, low, high in zip(*columns, strict=True)}


def _span(extents: Mapping[int, _Extent], groups: Sequence[int]) -> Window:
    """From the first to the last request of these groups."""
    if not groups:
        return Window(0, 1)
    return Window(min(extents[group].first_ns for group in groups), max(extents[group].last_ns for group in groups) + 1)


def _shared(extents: Sequence[Mapping[int, _Extent]], groups: Sequence[int]) -> Window:
    """The time in which both versions may have served; empty where one came after the other."""
    spans = [_span(of_side, groups) for of_side in extents]
    begin = max(span.begin_ns for span in spans)
    return Window(begin, max(min(span.end_ns for span in spans), begin))


def _served_together(
    extents: Sequence[Mapping[int, _Extent]], inside: Sequence[Mapping[int, _Extent]], groups: Sequence[int]
) -> bool:
    """Whether each version has half as many requests in the shared time as the rarer one has in all, at least."""
    rarer = min(sum(of_side[group].number for group in groups) for of_side in extents)
    least = min(sum(of_side[group].number for group in groups if group in of_side) for of_side in inside)
    return 2 * least >= rarer


def _length(window: Window) -> int:
    return max(window.end_ns - window.begin_ns, 1)


def _sides(
    cursor: Cursor, labels: _Labels, span: Window, groups: Sequence[int], measures: Mapping[str, str]
) -> dict[int, Side]:
    if not groups:
        return {}
    times = {"begin": span.begin_ns, "end": span.end_ns, "first": span.begin_ns, "length": _length(span)}
    sums = _sums(cursor, labels, times)
    binned = {name: _binned(cursor, labels, column, times) for name, column in measures.items()}
    return {group: _side(group, sums, binned) for group in groups}


def _sums(cursor: Cursor, labels: _Labels, times: Mapping[str, int]) -> Mapping[str, Any]:
    stages = ", ".join(
        f"sum({column}) filter ({_ANSWERED})::double as {name}"
        for name, column in ({WHOLE: "duration_ns"} | _STAGES).items()
    )
    sql = f"""
        select one, {_BLOCK} as block, count(*) as n, count(*) filter ({_ANSWERED}) as answered,
               count(*) filter ({_FAILED}) as failed, count(cost) as costed, sum(cost)::double as cost, {stages}
        {_OF_SIDE} group by all
    """
    return _fetched(cursor, labels, sql, **times)


def _binned(cursor: Cursor, labels: _Labels, column: str, times: Mapping[str, int]) -> Mapping[str, Any]:
    sql = f"""
        select one, block, floor(log2(value) * {PER_DOUBLING})::integer as bin, count(*) as n from (
            select one, {_BLOCK} as block, {column} as value {_OF_SIDE} and {_ANSWERED}
        ) where value > 0 group by all
    """  # noqa: S608 - constants
    return _fetched(cursor, labels, sql, **times)


def _side(group: int, sums: Mapping[str, Any], binned: Mapping[str, Mapping[str, Any]]) -> Side:
    mine = sums["one"] == group
    block = sums["block"][mine].astype(np.int64)

    def by_block(name: str) -> Any:
        filled = np.zeros(BLOCKS)
        filled[block] = np.ma.filled(sums[name][mine], 0)
        return filled

    answered, failed, costed = by_block("answered"), by_block("failed"), by_block("costed")
    measures = {}
    for name, found in binned.items():
        of_group = found["one"] == group
        columns: list[Ints] = [found[column][of_group].astype(np.int64) for column in ("block", "bin", "n")]
        measures[name] = Binned.of(*columns)
    return Side(
        requests=int(by_block("n").sum()),
        binned=measures,
        means={name: Rate(by_block(name), answered) for name in (WHOLE, *_STAGES)},
        errors=Rate(failed, answered + failed),
        cost=Rate(by_block(COST), costed) if costed.any() else None,
    )


def _pair(key: _Key, before: Side, after: Side) -> Pair:
    """Both sides with the measures that matter on one of them at least."""
    measured = dict.fromkeys((*before.binned, *before.means))
    shown = [name for name in measured if _matters(name, before) or _matters(name, after)]
    sides = (
        replace(
            side,
            binned={name: side.binned[name] for name in shown if name in side.binned},
            means={name: side.means[name] for name in shown if name in side.means},
        )
        for side in (before, after)
    )
    return Pair(*key, *sides)


def _matters(name: str, side: Side) -> bool:
    if name not in _STAGES:
        return bool(side.binned[name].number)
    return bool(side.means[name].over.sum() >= SMALLEST_SHARE * max(side.means[WHOLE].over.sum(), 1.0))


def _side_answer(name: str, window: Window, requests: int) -> Any:
    return {
        "name": name,
        "begin_seconds": window.begin_ns / SECOND,
        "end_seconds": window.end_ns / SECOND,
        "requests": requests,
    }


def _overall(found: Sequence[Found]) -> str:
    said = {one.verdict for one in found}
    ranked = (Verdict.WORSE, Verdict.BETTER, Verdict.SLIGHT, Verdict.NOT_SHOWN, Verdict.SAME)
    return next((verdict for verdict in ranked if verdict in said), Verdict.TOO_FEW).value


def _group_answer(found: Found) -> GroupAnswer:
    return {
        "service": found.service,
        "model": found.model,
        "requests_before": found.requests[0],
        "requests_after": found.requests[1],
        "verdict": found.verdict.value,
        "lines": [_line_answer(line) for line in found.lines],
    }


def _line_answer(line: Line) -> LineAnswer:
    # Errors are a ratio as they stand; cost is one of a thousand requests; everything else is ns.
    factor = 1000 / PICODOLLARS if line.measure == COST else 1.0 if line.figure == "ratio" else 1 / SECOND
    return {
        "measure": line.measure,
        "figure": "usd_per_1k" if line.measure == COST else line.figure,
        "before": None if line.before is None else line.before * factor,
        "after": None if line.after is None else line.after * factor,
        "change": line.change,
        "low": line.low,
        "high": line.high,
        "verdict": line.verdict.value,
        "needed": line.needed,
    }


def _left_out(
    keys: Sequence[_Key], extents: Sequence[Mapping[int, _Extent]], compared_groups: Sequence[int]
) -> list[LeftOutAnswer]:
    nothing = _Extent(0, 0, 0)
    return [
        {
            "service": service,
            "model": model,
            "requests_before": extents[0].get(group, nothing).number,
            "requests_after": extents[1].get(group, nothing).number,
        }
        for group, (service, model) in enumerate(keys)
        if group not in compared_groups and (group in extents[0] or group in extents[1])
    ]
