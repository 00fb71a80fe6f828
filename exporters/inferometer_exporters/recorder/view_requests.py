"""Tables of a view that are made of requests: sums, distributions, the tail."""

from typing import Final

from inferometer.catalog.stages import Outcome
from inferometer.fleet.thresholds import PICODOLLARS
from inferometer_exporters.recorder.levels import COUNTED, ENDED, MEASURES, PER_DOUBLING, SUMS, binned, summed
from inferometer_exporters.recorder.reading import SECOND, rows
from inferometer_exporters.recorder.schema import STAGE_COLUMNS
from inferometer_exporters.recorder.view_steps import NAMED, Steps

TAIL_OF: Final = 100_000
"""Newest requests among which the slowest are looked for: each of them is read, not a sum of many."""
_OUTCOMES: Final = " ".join(f"when {int(outcome)} then '{outcome.label}'" for outcome in Outcome)
_STAGES: Final = tuple(column.removesuffix("_ns") for column in STAGE_COLUMNS)


def cells(steps: Steps) -> None:
    """Make `cells`: what is summed, by step and label set."""
    condition, values = steps.chosen()
    sums = ", ".join(f"sum({name})::BIGINT as {name}" for name in SUMS)
    stages = ", ".join(f"{stage}_ns / {SECOND} as {stage}_seconds" for stage in ("duration", *_STAGES))
    steps.do(
        f"""
        create or replace temp table cells as
        with meant as (select * from ({NAMED}) where {condition}),
        summed as (
            select bucket, labels, outcome, entry, {sums}
            from ({steps.merged("sums", summed(steps.span.step_ns, steps.raw))}) group by all
        )
        select {steps.time}, {steps.lasted}, service, model, version, tenant, class,
               case outcome {_OUTCOMES} else outcome::VARCHAR end as outcome, entry, n as requests, {stages},
               tokens_in, tokens_out, device_ns / {SECOND} as device_seconds,
               cost / {PICODOLLARS}::DOUBLE as cost_usd, unpriced
        from summed join meant on meant.id = labels
        """,  # noqa: S608 - constants; values are parameters
        **values,
    )


def spread(steps: Steps) -> None:
    """Make `spread`: distributions, by step and model."""
    condition, values = steps.chosen()
    measures = " ".join(f"when {place} then '{name}'" for place, name in enumerate(MEASURES))
    steps.do(
        f"""
        create or replace temp table spread as
        with meant as (select * from ({NAMED}) where {condition}),
        groups as (
            select id, min(id) over (partition by service, model, version) as of_version from meant
        ),
        models as (
            select *, min(id) over (partition by service, model) as model_id from meant
        ),
        summed as (
            select bucket, of_version, measure, bin, sum(n)::BIGINT as n
            from ({steps.merged("bins", binned(steps.span.step_ns, steps.raw))}) join groups on id = labels
            group by all
        )
        select {steps.time}, service, model, version, model_id, of_version as version_id,
               case measure {measures} end as measure,
               pow(2, (bin + 0.5) / {PER_DOUBLING}) / {SECOND} as seconds, n as requests
        from summed join models on models.id = of_version
        """,  # noqa: S608 - constants; values are parameters
        **values,
    )


def tail(steps: Steps) -> None:
    """Make `tail`: what the slowest hundredth spent its time on."""
    condition, values = steps.chosen()
    stages = ", ".join(f"sum({stage}_ns) / {SECOND} as {stage}_seconds" for stage in _STAGES)
    since = _newest(steps)
    steps.do(
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
    least = rows(steps.cursor, "select coalesce(min(least), 0) from limits")[0][0]
    steps.do(
        f"""
        create or replace temp table tail as
        with meant as (
            select id, service, model, least
            from (select * from ({NAMED}) where {condition}) join limits using (service, model)
        )
        select service, model, any_value(least) / {SECOND} as least_seconds, count(*) as requests, {stages}
        from requests join meant on meant.id = labels
        where {steps.within} and pass > {steps.before(since)} and {ENDED} >= {since} and {COUNTED}
            and duration_ns >= {int(least)} and duration_ns >= least
        group by all
        """,  # noqa: S608 - constants; values are parameters
        **values,
    )


def _newest(steps: Steps) -> int:
    """Wall time (ns) since which there are at most `TAIL_OF` requests, in whole steps; the last step at least."""
    sql = f"""
        select min(time) from (
            select time, sum(sum(requests)) over (order by time desc) as n,
                   row_number() over (order by time desc) as step
            from spread where measure = 'duration' group by time
        ) where n <= {TAIL_OF} or step = 1
    """  # noqa: S608 - a number
    begin = rows(steps.cursor, sql)[0][0]
    return steps.span.since_ns if begin is None else round(begin * SECOND)
