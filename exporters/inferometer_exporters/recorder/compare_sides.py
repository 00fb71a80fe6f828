"""Both sides of a comparison as the flight recorder has them: which requests they are, and their binned figures.

DuckDB counts requests by block of time and logarithmic bin, so that a million of them are a few thousand rows here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from inferometer.catalog.stages import ANSWERED, FAILED, Stage
from inferometer.record.model import Flag
from inferometer_exporters.comparison.lines import COST, WHOLE
from inferometer_exporters.comparison.question import Question, Window
from inferometer_exporters.comparison.samples import BLOCKS, PER_DOUBLING, Binned, Ints, Pair, Rate, Side
from inferometer_exporters.recorder.model_query import PER_OUTPUT_TOKEN
from inferometer_exporters.recorder.reading import Cursor, rows

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
Key = tuple[str, str]
"""Service and model."""


@dataclass(frozen=True, slots=True)
class Labels:
    """Label sets of the recorder that belong to one side, and the group of each."""

    ids: list[int]
    groups: list[int]
    """Places of their service and model among all `Key` that match."""


@dataclass(frozen=True, slots=True)
class Extent:
    """Requests of one group on one side."""

    number: int
    first_ns: int
    last_ns: int


def labels_of(cursor: Cursor, question: Question) -> tuple[list[Key], tuple[Labels, Labels]]:
    """Groups by number, and which label sets belong to them on either side."""
    sql = "select id, service, coalesce(nullif(model, ''), route), version, tenant from labels"
    keys: dict[Key, int] = {}
    sides = Labels([], []), Labels([], [])
    for identity, service, model, version, tenant in rows(cursor, sql):
        wanted = ((question.service, service), (question.model, model), (question.tenant, tenant))
        if any(asked and asked != (there or "") for asked, there in wanted):
            continue
        for number, side in enumerate(sides):
            if question.versions is None or question.versions[number] == (version or ""):
                side.ids.append(identity)
                side.groups.append(keys.setdefault((service or "", model or ""), len(keys)))
    return list(keys), sides


def _fetched(cursor: Cursor, labels: Labels, sql: str, **values: int) -> Mapping[str, Any]:
    cursor.register("compared", {"id": np.array(labels.ids, np.uint32), "one": np.array(labels.groups, np.int32)})
    try:
        return cursor.execute(sql, values).fetchnumpy()
    finally:
        cursor.unregister("compared")


def extents_of(cursor: Cursor, labels: Labels, window: Window) -> dict[int, Extent]:
    """Requests of each group of a side in a window; without those that have none."""
    sql = f"select one, count(*) as n, min(wall_ns) as low, max(wall_ns) as high {_OF_SIDE} group by one"
    found = _fetched(cursor, labels, sql, begin=window.begin_ns, end=window.end_ns)
    columns = (found[name].tolist() for name in ("one", "n", "low", "high"))
    return {group: Extent(number, low, high) for group, number, low, high in zip(*columns, strict=True)}


def length(window: Window) -> int:
    """Of a window, ns; 1 at least."""
    return max(window.end_ns - window.begin_ns, 1)


def sides_of(
    cursor: Cursor, labels: Labels, span: Window, groups: Sequence[int], *, stage_percentiles: bool
) -> dict[int, Side]:
    """What is compared of these groups, by group.

    Args:
        cursor: of the recorder.
        labels: of the side.
        span: whose requests count.
        groups: numbers of services and models.
        stage_percentiles: whether stages are compared by percentiles, too.
    """
    if not groups:
        return {}
    measures = {WHOLE: "duration_ns"} | _MOMENTS | (_STAGES if stage_percentiles else {})
    times = {"begin": span.begin_ns, "end": span.end_ns, "first": span.begin_ns, "length": length(span)}
    sums = _sums(cursor, labels, times)
    binned = {name: _binned(cursor, labels, column, times) for name, column in measures.items()}
    return {group: _side(group, sums, binned) for group in groups}


def _sums(cursor: Cursor, labels: Labels, times: Mapping[str, int]) -> Mapping[str, Any]:
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


def _binned(cursor: Cursor, labels: Labels, column: str, times: Mapping[str, int]) -> Mapping[str, Any]:
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


def pair_of(key: Key, before: Side, after: Side) -> Pair:
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
