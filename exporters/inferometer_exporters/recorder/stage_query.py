"""Stages of models by time: totals, exact, and percentiles."""

from dataclasses import dataclass
from typing import Any, Final

from inferometer.catalog.stages import Stage
from inferometer.record.model import Flag
from inferometer_exporters.recorder.answers import StageBucket, StagesAnswer, StageTime
from inferometer_exporters.recorder.reading import SECOND, Cursor, rows
from inferometer_exporters.recorder.schema import STAGE_COLUMNS

QUANTILES: Final = (0.5, 0.95, 0.99, 0.999)
MAX_BUCKETS: Final = 2_000
"""Buckets of all models together."""
BUCKETS: Final = 60
"""In the time that is asked for, unless told otherwise."""
_AT_ONCE: Final = 6
"""Columns whose percentiles are looked for in one statement: of more, a million requests would not fit the memory."""
_COLUMNS: Final = {**dict(zip((stage.label for stage in Stage), STAGE_COLUMNS, strict=True)), "": "duration_ns"}
"""By name of the stage; the empty one is the whole request."""
_Key = tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which requests, and how long a bucket is; what is None or empty leaves all."""

    since_ns: int | None = None
    """Wall time at or after which they began."""
    bucket_ns: int | None = None
    """A sixtieth of the recorded time unless given."""
    service: str = ""
    model: str = ""
    version: str = ""

    def names(self) -> dict[str, str]:
        """What is wanted by name: parameters of the SQL."""
        return {"service": self.service, "model": self.model, "version": self.version}


def stages(cursor: Cursor, wanted: Wanted) -> StagesAnswer:
    """Totals and percentiles of all stages by model and time; warm-up requests are left out.

    Percentiles are over all requests of the bucket: a stage that a request did not have took no time. They are those
    of numbers of 24 bits, so that a million requests fit the memory: right to a ten-millionth.

    Raises:
        ValueError: there would be more than `MAX_BUCKETS` buckets, or a bucket has no length.
    """
    first, last = _rows(cursor, "min(wall_ns), max(wall_ns)", wanted)[0]
    if first is None:
        return {"bucket_seconds": None, "models": []}
    width = _width(wanted, first, last)
    totals = _totals(cursor, wanted, width)
    if len(totals) > MAX_BUCKETS:
        raise ValueError(f"there are more than {MAX_BUCKETS:,} buckets: longer ones, or a single model, are right")
    used = [stage for index, stage in enumerate(_COLUMNS) if any(found[index + 1] for found in totals.values())]
    quantiles = _quantiles(cursor, wanted, width, used)
    answers: dict[int, list[StageBucket]] = {}
    for (group, number), (count, *sums) in sorted(totals.items()):
        total = dict(zip(_COLUMNS, sums, strict=True))
        times = {stage: _time(total[stage], quantiles[stage][group, number]) for stage in used}
        bucket: StageBucket = {
            "start_seconds": number * width / SECOND,
            "requests": count,
            "duration": times[""],
            "stages": {stage: time for stage, time in times.items() if stage and total[stage]},
        }
        answers.setdefault(group, []).append(bucket)
    named = rows(cursor, _MODELS, **wanted.names())
    return {
        "bucket_seconds": width / SECOND,
        "models": [
            {"service": service or "", "model": model or "", "version": version or "", "buckets": answers[group]}
            for group, service, model, version in named
            if group in answers
        ],
    }


_NAMED: Final = """
    with named as (
        select dense_rank() over (order by service, model, version) as g, service, model, version, id from (
            select id, service, coalesce(nullif(model, ''), route) as model, version from labels
            union all select 0, '', '', ''
        ) where ($service = '' or service = $service) and ($model = '' or model = $model)
            and ($version = '' or version = $version)
    )
"""
_MODELS: Final = f"{_NAMED} select distinct * exclude (id) from named order by g"  # noqa: S608 - constants


def _rows(cursor: Cursor, columns: str, wanted: Wanted, *, rest: str = "", **values: object) -> list[tuple[Any, ...]]:
    """*columns* of the requests that are wanted, each with the number ``g`` of its model."""
    # By numbers: a group by names takes ten times as long.
    sql = f"""
        {_NAMED} select {columns} from requests join (select id, g from named) as meant on meant.id = requests.labels
        where wall_ns >= $since and (flags & {int(Flag.WARMUP)}) = 0 {rest}
    """  # noqa: S608 - constants
    return rows(cursor, sql, since=wanted.since_ns or 0, **wanted.names(), **values)


def _width(wanted: Wanted, first: int, last: int) -> int:
    """Ns of a bucket: what is asked for, or whole seconds such that there are about `BUCKETS` of them."""
    if wanted.bucket_ns is None:
        seconds = -(-(last + 1 - first) // (BUCKETS * SECOND))
        return max(seconds, 1) * SECOND
    if wanted.bucket_ns <= 0:
        raise ValueError("bucket_seconds is 0, a number of seconds above 0 is right")
    return wanted.bucket_ns


def _totals(cursor: Cursor, wanted: Wanted, width: int) -> dict[_Key, tuple[int, ...]]:
    sums = ", ".join(f"sum({column})" for column in _COLUMNS.values())
    columns, rest = f"g, wall_ns // $width, count(*), {sums}", f"group by 1, 2 limit {MAX_BUCKETS + 1}"
    found = _rows(cursor, columns, wanted, rest=rest, width=width)
    return {(group, number): tuple(int(value) for value in values) for group, number, *values in found}


def _quantiles(cursor: Cursor, wanted: Wanted, width: int, used: list[str]) -> dict[str, dict[_Key, list[float]]]:
    found: dict[str, dict[_Key, list[float]]] = {stage: {} for stage in used}
    for index in range(0, len(used), _AT_ONCE):
        part = used[index : index + _AT_ONCE]
        each = ", ".join(f"quantile_cont({_COLUMNS[stage]}::FLOAT, {list(QUANTILES)})" for stage in part)
        columns = f"g, wall_ns // $width, {each}"
        for group, number, *values in _rows(cursor, columns, wanted, rest="group by 1, 2", width=width):
            for stage, value in zip(part, values, strict=True):
                found[stage][group, number] = value
    return found


def _time(total: int, quantiles: list[float]) -> StageTime:
    p50, p95, p99, p999 = (value / SECOND for value in quantiles)
    return {
        "total_seconds": total / SECOND,
        "p50_seconds": p50,
        "p95_seconds": p95,
        "p99_seconds": p99,
        "p999_seconds": p999,
    }
