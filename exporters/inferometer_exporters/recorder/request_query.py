"""Requests of the recorder: the slowest, and those that match, page by page."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from inferometer.catalog.labels import METHOD
from inferometer.catalog.stages import Outcome, Stage
from inferometer.fleet.thresholds import PICODOLLARS
from inferometer.record.model import Flag
from inferometer_exporters.recorder.answers import ListedRequest, RequestAnswer, RequestsAnswer
from inferometer_exporters.recorder.reading import OUTCOMES, SECOND, Cursor, rows
from inferometer_exporters.recorder.schema import STAGE_COLUMNS

MICROJOULES: Final = 10**6
ROW: Final = """
    r.trace_hi, r.trace_lo, r.span_id, labels.service, coalesce(nullif(labels.model, ''), labels.route), labels.version,
    labels.tenant, labels.method, labels.route, r.outcome, r.status, r.wall_ns, r.duration_ns, names.name, r.device_ns,
    r.cost, r.method, r.energy
"""
"""Columns of one request of `NAMES`; ``request_answer`` reads them."""
WIDTH: Final = 18
"""Number of those columns."""
NAMES: Final = "left join labels on labels.id = r.labels left join names on names.id = r.device"
"""Behind a table of requests that is called ``r``."""
SORTS: Final = {"newest": "wall_ns", "slowest": "duration_ns", "dearest": "cost"}
"""Orders of requests, the largest first, by what is compared."""
_COLUMN: Final = dict(zip((stage.label for stage in Stage), STAGE_COLUMNS, strict=True))
_HEX: Final = 16


def request_answer(row: Sequence[Any]) -> RequestAnswer:
    """An answer of a row of the columns `ROW`."""
    hi, lo, span, service, model, version, tenant, http, route, outcome, status, wall, duration, *rest = row
    device, device_ns, cost, method, energy = rest
    return {
        "trace_id": f"{hi:016x}{lo:016x}",
        "span_id": f"{span:016x}",
        "service": service or "",
        "model": model or "",
        "version": version or "",
        "tenant": tenant or "",
        "method": http or "",
        "route": route or "",
        "outcome": OUTCOMES.get(outcome, str(outcome)),
        "status": status,
        "wall_seconds": wall / SECOND,
        "duration_seconds": duration / SECOND,
        "device": device or "",
        "device_seconds": device_ns / SECOND,
        "cost_usd": None if cost is None else cost / PICODOLLARS,
        "cost_method": "" if method is None else METHOD.values[method],
        "energy_joules": None if energy is None else energy / MICROJOULES,
    }


def slowest(cursor: Cursor, count: int, *, since_ns: int = 0) -> list[RequestAnswer]:
    """The slowest requests of the fleet, slowest first."""
    sql = f"""
        select {ROW} from (
            select * from requests
            where wall_ns >= $since and (flags & {int(Flag.ENTRY)}) != 0 and (flags & {int(Flag.WARMUP)}) = 0
            order by duration_ns desc limit $count
        ) as r {NAMES} order by r.duration_ns desc
    """  # noqa: S608 - constants
    return [request_answer(row) for row in rows(cursor, sql, since=since_ns, count=count)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Matching:
    """Which requests are wanted; what is None or empty leaves all."""

    since_ns: int = 0
    """Wall time at or after which they began."""
    until_ns: int | None = None
    """Wall time before which they began."""
    ended_from_ns: int | None = None
    """Wall time at or after which they ended."""
    ended_until_ns: int | None = None
    """Wall time before which they ended."""
    service: str = ""
    model: str = ""
    """As series name it: the route where a request names no model."""
    version: str = ""
    tenant: str = ""
    request_class: str = ""
    outcome: str = ""
    min_duration_ns: int | None = None
    max_duration_ns: int | None = None
    min_cost: int | None = None
    """Picodollars; requests whose cost is unknown do not match."""
    stage: str = ""
    """A stage that took at least `min_share` of the duration."""
    min_share: float = 0.5
    device: str = ""
    """Of its longest run."""
    batch: int | None = None
    """Id of a batch that it was a member of."""
    sort: str = "newest"

    def order(self) -> str:
        """SQL of the order.

        Raises:
            ValueError: there is no such order.
        """
        if self.sort not in SORTS:
            raise ValueError(f"sort is {self.sort!r:.64}; there are {', '.join(SORTS)}")
        return f"{SORTS[self.sort]} desc nulls last, span_id desc"

    def code(self) -> int | None:
        """The number of the outcome.

        Raises:
            ValueError: there is no such outcome.
        """
        if not self.outcome:
            return None
        code = Outcome.__members__.get(self.outcome.upper())
        if code is None:
            raise ValueError(f"no outcome {self.outcome!r}; there are {', '.join(OUTCOMES.values())}")
        return int(code)

    def column(self) -> str:
        """The recorder's column of the stage; empty without one.

        Raises:
            ValueError: there is no such stage.
        """
        if self.stage and self.stage not in _COLUMN:
            raise ValueError(f"no stage {self.stage!r}; there are {', '.join(_COLUMN)}")
        return _COLUMN.get(self.stage, "")


def matching(cursor: Cursor, wanted: Matching, *, count: int = 100, after: str = "") -> RequestsAnswer:
    """The newest requests that match, warm-up requests left out.

    Args:
        cursor: of the recorder.
        wanted: which.
        count: how many at most.
        after: ``next`` of the page before. A request that was recorded before the first page was asked for is on one
            page, once, whatever is recorded meanwhile.

    Raises:
        ValueError: an outcome, a stage or *after* is none.
    """
    values: dict[str, object] = {"count": count + 1}
    conditions, order = " and ".join(_conditions(wanted, after, values)), wanted.order()
    stages = ", ".join(f"r.{column}" for column in STAGE_COLUMNS)
    sql = f"""
        select {ROW}, {stages} from (
            select * from requests where {conditions} order by {order} limit $count
        ) as r {NAMES} order by {order}
    """  # noqa: S608 - constants; values are parameters
    found = rows(cursor, sql, **values)
    more = len(found) > count and wanted.sort == "newest"
    return {"requests": [_listed(row) for row in found[:count]], "next": _mark(found[count - 1]) if more else None}


def _listed(row: Sequence[Any]) -> ListedRequest:
    spent = {stage.label: ns / SECOND for stage, ns in zip(Stage, row[WIDTH:], strict=True) if ns}
    return {**request_answer(row[:WIDTH]), "stages": spent}


def _conditions(wanted: Matching, after: str, values: dict[str, object]) -> Iterator[str]:
    """SQL of each condition; its values go into *values*."""
    yield f"(flags & {int(Flag.WARMUP)}) = 0"
    compared = (
        ("wall_ns >=", "since", wanted.since_ns or None),
        ("wall_ns <", "until", wanted.until_ns),
        ("wall_ns + duration_ns >=", "ended_from", wanted.ended_from_ns),
        ("wall_ns + duration_ns <", "ended_until", wanted.ended_until_ns),
        ("outcome =", "outcome", wanted.code()),
        ("duration_ns >=", "least", wanted.min_duration_ns or None),
        ("duration_ns <=", "most", wanted.max_duration_ns),
        ("cost >=", "cost", wanted.min_cost),
        ("span_id in (select span_id from executes where batch_id =", "batch", wanted.batch),
    )
    for condition, name, value in compared:
        if value is not None:
            values[name] = value
            yield f"{condition} ${name}" + ")" * condition.count("(")
    if wanted.device:
        values["device"] = wanted.device
        yield "device in (select id from names where name = $device)"
    if column := wanted.column():
        values["share"] = wanted.min_share
        yield f"duration_ns > 0 and {column} >= $share * duration_ns"
    named = (
        ("service", wanted.service),
        ("coalesce(nullif(model, ''), route)", wanted.model),
        ("version", wanted.version),
        ("tenant", wanted.tenant),
        ("class", wanted.request_class),
    )
    given = [(f"name{index}", source, text) for index, (source, text) in enumerate(named) if text]
    if given:
        values.update({name: text for name, _, text in given})
        texts = " and ".join(f"{source} = ${name}" for name, source, _ in given)
        yield f"labels in (select id from labels where {texts})"  # noqa: S608 - constants; values are parameters
    if after:
        values["wall"], values["span"] = _place(after)
        yield "(wall_ns < $wall or (wall_ns = $wall and span_id < $span))"


_WALL: Final = 11
_SPAN: Final = 2


def _mark(row: Sequence[Any]) -> str:
    return f"{row[_WALL]:0{_HEX}x}{row[_SPAN]:0{_HEX}x}"


def _place(mark: str) -> tuple[int, int]:
    try:
        if len(mark) != 2 * _HEX or not mark.isalnum():
            raise ValueError(mark)  # noqa: TRY301 - one place says what is right
        wall, span = int(mark[:_HEX], 16), int(mark[_HEX:], 16)
    except ValueError:
        raise ValueError(f"after is {mark!r}, the `next` of the page before is right") from None
    if wall >= 1 << 63:
        raise ValueError(f"after is {mark!r}, the `next` of the page before is right")
    return wall, span
