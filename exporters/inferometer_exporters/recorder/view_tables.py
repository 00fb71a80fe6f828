"""What the panels of a view are asked of: small tables in base units, made once for all panels of one answer.

``cells``
    Requests by time, label set, outcome and ``entry``: number, seconds of each stage, tokens, device seconds, dollars.
``spread``
    Distributions of a ``measure`` by time and model: number of requests at so many ``seconds``, right to 2.2 %.
``tail``
    Of the newest `TAIL_OF` requests those at and above the p99 of their model: number, and seconds of their stages.
``events``
    Good and bad events of each objective by time, and the share that may be bad.
``device_time``
    What each device did and cost by time and state.
``prices``
    What is known of each device's price.
``span``
    One row: when the view begins and ends, and how long a step is, in seconds.

Times are seconds since the epoch, of the begin of a step; ``lasted`` is how long the step is as far as it has passed.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from inferometer.catalog.stages import Outcome
from inferometer.fleet.thresholds import PICODOLLARS, Thresholds
from inferometer_exporters.ledger.account import State
from inferometer_exporters.recorder.levels import (
    COUNTED,
    LEVELS_NS,
    MEASURES,
    PER_DOUBLING,
    SUMS,
    Levels,
    binned,
    judged,
    summed,
)
from inferometer_exporters.recorder.reading import SECOND, Cursor, rows
from inferometer_exporters.recorder.schema import STAGE_COLUMNS

TABLES: Final = ("cells", "spread", "tail", "events", "device_time", "prices")
TAIL_OF: Final = 250_000
"""Newest requests among which the slowest are looked for: each of them is read, not a sum of many."""
_OUTCOMES: Final = " ".join(f"when {int(outcome)} then '{outcome.label}'" for outcome in Outcome)
_STAGES: Final = tuple(column.removesuffix("_ns") for column in STAGE_COLUMNS)
_NAMED: Final = """
    select id, service, coalesce(nullif(model, ''), route) as model, version, tenant, class from labels
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """The stretch of time that a view shows."""

    since_ns: int
    """Wall time of its begin: a multiple of the step."""
    until_ns: int
    step_ns: int
    chosen: Mapping[str, str] = field(default_factory=dict)
    """Of ``service``, ``model``, ``version``, ``tenant``: the one that is shown; empty or missing shows all."""


def make(cursor: Cursor, levels: Levels, thresholds: Thresholds, span: Span, names: Sequence[str]) -> None:
    """Make the tables *names* for a span, for this cursor alone."""
    maker = _Maker(cursor, levels, thresholds, span)
    cursor.execute(
        f"""
        create or replace temp table span as
        select {span.since_ns / SECOND}::DOUBLE as since, {span.until_ns / SECOND}::DOUBLE as until,
               {span.step_ns / SECOND}::DOUBLE as step
        """
    ).fetchall()
    for name in TABLES:
        if name in names:
            getattr(maker, name)()


def named_in(statements: Sequence[str]) -> list[str]:
    """Which of the tables statements read; ``tail`` is made of ``spread``."""
    found = {name for name in TABLES if any(re.search(rf"\b{name}\b", statement) for statement in statements)}
    return [name for name in TABLES if name in found | ({"spread"} if "tail" in found else set())]


class _Maker:
    def __init__(self, cursor: Cursor, levels: Levels, thresholds: Thresholds, span: Span) -> None:
        self._cursor = cursor
        self._thresholds = thresholds
        self._span = span
        self._mark = levels.mark(cursor)
        self._level = next(
            (
                width
                for width in LEVELS_NS
                if span.step_ns % width == 0 and levels.oldest(cursor, width) <= span.since_ns and self._mark
            ),
            None,
        )

    def _do(self, sql: str, **values: object) -> None:
        self._cursor.execute(sql, values or None).fetchall()

    @property
    def _raw(self) -> str:
        """Which requests are read one by one: all, or those that no level has yet."""
        within = f"wall_ns >= {self._span.since_ns} and wall_ns < {self._span.until_ns}"
        return within if self._level is None else f"{within} and pass > {self._mark}"

    def _merged(self, table: str, raw: str) -> str:
        """SQL of the rows of a level's table by steps of the view, and of what is behind the mark."""
        if self._level is None:
            return raw
        factor, span = self._span.step_ns // self._level, self._span
        begin, end = span.since_ns // self._level, -(-span.until_ns // self._level)
        kept = f"""
            select * replace (bucket // {factor} as bucket) from memory.main.level_{table}_{self._level // SECOND}
            where bucket >= {begin} and bucket < {end}
        """  # noqa: S608 - numbers
        return f"{kept} union all {raw}"

    @property
    def _time(self) -> str:
        return f"(bucket * {self._span.step_ns / SECOND}::DOUBLE) as time"

    @property
    def _lasted(self) -> str:
        step, until = self._span.step_ns / SECOND, self._span.until_ns / SECOND
        return f"least({step}, greatest({until} - bucket * {step}, 1))::DOUBLE as lasted"

    def _chosen(self) -> tuple[str, dict[str, str]]:
        given = {name: text for name, text in self._span.chosen.items() if text}
        return " and ".join(f"{name} = ${name}" for name in given) or "true", given

    def cells(self) -> None:
        condition, values = self._chosen()
        sums = ", ".join(f"sum({name})::BIGINT as {name}" for name in SUMS)
        stages = ", ".join(f"{stage}_ns / {SECOND} as {stage}_seconds" for stage in ("duration", *_STAGES))
        self._do(
            f"""
            create or replace temp table cells as
            with meant as (select * from ({_NAMED}) where {condition}),
            summed as (
                select bucket, labels, outcome, entry, {sums}
                from ({self._merged("sums", summed(self._span.step_ns, self._raw))}) group by all
            )
            select {self._time}, {self._lasted}, service, model, version, tenant, class,
                   case outcome {_OUTCOMES} else outcome::VARCHAR end as outcome, entry, n as requests, {stages},
                   tokens_in, tokens_out, device_ns / {SECOND} as device_seconds,
                   cost / {PICODOLLARS}::DOUBLE as cost_usd, unpriced
            from summed join meant on meant.id = labels
            """,  # noqa: S608 - constants; values are parameters
            **values,
        )

    def spread(self) -> None:
        condition, values = self._chosen()
        measures = " ".join(f"when {place} then '{name}'" for place, name in enumerate(MEASURES))
        self._do(
            f"""
            create or replace temp table spread as
            with meant as (select * from ({_NAMED}) where {condition}),
            groups as (
                select id, min(id) over (partition by service, model, version) as of_version from meant
            ),
            models as (
                select *, min(id) over (partition by service, model) as model_id from meant
            ),
            summed as (
                select bucket, of_version, measure, bin, sum(n)::BIGINT as n
                from ({self._merged("bins", binned(self._span.step_ns, self._raw))}) join groups on id = labels
                group by all
            )
            select {self._time}, service, model, version, model_id, of_version as version_id,
                   case measure {measures} end as measure,
                   pow(2, (bin + 0.5) / {PER_DOUBLING}) / {SECOND} as seconds, n as requests
            from summed join models on models.id = of_version
            """,  # noqa: S608 - constants; values are parameters
            **values,
        )

    def tail(self) -> None:
        condition, values = self._chosen()
        stages = ", ".join(f"sum({stage}_ns) / {SECOND} as {stage}_seconds" for stage in _STAGES)
        since = self._newest()
        self._do(
            f"""
            create or replace temp table limits as
            with shared as (
                select model_id, service, model, seconds, sum(n) over (partition by model_id order by seconds) as below,
                       sum(n) over (partition by model_id) as total
                from (
                    select model_id, any_value(service) as service, any_value(model) as model, seconds,
                           sum(requests) as n
                    from spread where measure = 'duration' and time >= {since / SECOND} group by model_id, seconds
                )
            )
            select any_value(service) as service, any_value(model) as model,
                   (min(seconds) * pow(2, -0.5 / {PER_DOUBLING}) * {SECOND})::BIGINT as least
            from shared where below >= 0.99 * total group by model_id
            """  # noqa: S608 - constants
        )
        # As a number in the statement it is looked at before the stages of a row are read.
        least = rows(self._cursor, "select coalesce(min(least), 0) from limits")[0][0]
        self._do(
            f"""
            create or replace temp table tail as
            with meant as (
                select id, service, model, least
                from (select * from ({_NAMED}) where {condition}) join limits using (service, model)
            )
            select service, model, any_value(least) / {SECOND} as least_seconds, count(*) as requests, {stages}
            from requests join meant on meant.id = labels
            where wall_ns >= {since} and wall_ns < {self._span.until_ns}
                and duration_ns >= {int(least)} and duration_ns >= least and {COUNTED}
            group by all
            """,  # noqa: S608 - constants; values are parameters
            **values,
        )

    def _newest(self) -> int:
        """Wall time (ns) since which there are at most `TAIL_OF` requests, in whole steps; the last step at least."""
        sql = f"""
            select min(time) from (
                select time, sum(sum(requests)) over (order by time desc) as n,
                       row_number() over (order by time desc) as step
                from spread where measure = 'duration' group by time
            ) where n <= {TAIL_OF} or step = 1
        """  # noqa: S608 - a number
        begin = rows(self._cursor, sql)[0][0]
        return self._span.since_ns if begin is None else round(begin * SECOND)

    def events(self) -> None:
        self._do(
            """
            create or replace temp table events
            (time DOUBLE, lasted DOUBLE, service VARCHAR, model VARCHAR, slo VARCHAR, objective VARCHAR, sli VARCHAR,
             threshold_seconds DOUBLE, target_ratio DOUBLE, period_seconds DOUBLE, good BIGINT, bad BIGINT)
            """
        )
        chosen = self._span.chosen
        for place, objective in enumerate(self._thresholds.objectives):
            named = {"service": objective.service, "model": objective.model}
            if any(chosen.get(name) and chosen[name] != text for name, text in named.items()):
                continue
            raw, values = judged(place, objective, self._span.step_ns, self._raw)
            threshold = objective.threshold_ns
            facts: dict[str, object] = {
                "of_service": objective.service,
                "of_model": objective.model,
                "slo": objective.slo,
                "named": objective.name,
                "sli": objective.sli.value,
                "threshold": None if threshold is None else threshold / SECOND,
                "target": float(objective.target) / 100,
                "period": objective.window_ns / SECOND,
            }
            self._do(
                f"""
                insert into events
                select {self._time}, {self._lasted}, $of_service, $of_model, $slo, $named, $sli, $threshold, $target,
                       $period, sum(good), sum(bad)
                from ({self._merged("verdicts", raw)}) where objective = {place} group by bucket
                """,  # noqa: S608 - constants; values are parameters
                **facts,
                **values,
            )

    def device_time(self) -> None:
        """The last entry of each step, less the one before it."""
        step, since, until = self._span.step_ns, self._span.since_ns, self._span.until_ns
        found = rows(
            self._cursor,
            f"""
            select max(pass) from ledger
            where state = '{State.ATTRIBUTED}' and wall_ns >= {since} and wall_ns < {until} group by wall_ns // {step}
            union select max(pass) from ledger where state = '{State.ATTRIBUTED}' and wall_ns < {since}
            """,  # noqa: S608 - numbers and constants
        )
        passes = ", ".join(str(int(number)) for (number,) in found if number is not None) or "0"
        self._do(
            f"""
            create or replace temp table device_time as
            with entries as (
                select names.name as device, state, wall_ns // {step} as bucket, max(wall_ns) as moment, max(ns) as ns,
                       max(span_ns) as span_ns, max(bill) as bill, max(idle_cost) as idle,
                       bool_and(picodollars_per_hour is not null) as priced
                from ledger join names on names.id = device where ledger.pass in ({passes}) group by all
            ),
            compared as (
                select *, lag(moment) over account as moment_before, lag(ns) over account as ns_before,
                       lag(span_ns) over account as span_before, lag(bill) over account as bill_before,
                       lag(idle) over account as idle_before
                from entries window account as (partition by device, state order by moment)
            ),
            -- An account that began anew begins at 0.
            passed as (
                select *, ns - if(span_ns < span_before, 0, ns_before) as spent,
                       span_ns - if(span_ns < span_before, 0, span_before) as spanned,
                       bill - if(span_ns < span_before, 0, bill_before) as billed,
                       idle - if(span_ns < span_before, 0, idle_before) as idled
                from compared where moment_before is not null and bucket >= {since // step}
            )
            select {self._time}, device, state, spent / {SECOND} as seconds, spanned / {SECOND} as span_seconds,
                   if(priced, billed / {PICODOLLARS}::DOUBLE, null) as bill_usd,
                   if(priced, idled / {PICODOLLARS}::DOUBLE, null) as idle_usd
            from passed
            """  # noqa: S608 - numbers
        )

    def prices(self) -> None:
        self._do(
            f"""
            create or replace temp table prices as
            select names.name as device, picodollars_per_hour / {PICODOLLARS}::DOUBLE as usd_per_hour, price_kind,
                   price_source, price_as_of
            from ledger join names on names.id = device
            where state = '{State.ATTRIBUTED}' and ledger.pass = (select max(pass) from ledger)
            """  # noqa: S608 - constants
        )


def choices(cursor: Cursor) -> Iterator[tuple[str, str, str]]:
    """Service, model and version of everything that is recorded, for the page's menus; the busiest first."""
    sql = f"""
        with counted as (select labels, count(*) as n from requests where {COUNTED} group by all)
        select service, model, version from ({_NAMED}) join counted on labels = id
        group by all order by sum(n) desc, service, model, version
    """  # noqa: S608 - constants
    yield from rows(cursor, sql)
