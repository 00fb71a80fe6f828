"""Who is served how well."""

from typing import Final

from inferometer.catalog.stages import FAILED

_FAILED: Final = "outcome in (" + ", ".join(f"'{outcome.label}'" for outcome in sorted(FAILED)) + ")"
_COUNTED: Final = f"""
    select time, service, model, any_value(lasted) as lasted, sum(requests) as n,
           sum(requests) filter ({_FAILED}) as failed
    from cells group by all
"""  # noqa: S608 - constants

REQUESTS: Final = f"""
    select time, service, model, n / lasted as value from ({_COUNTED}) order by all
"""  # noqa: S608 - constants

ERRORS: Final = f"""
    select time, service, model, coalesce(failed, 0) / n as value from ({_COUNTED}) order by all
"""  # noqa: S608 - constants

MODELS: Final = f"""
    with counted as (
        select service, model, sum(requests) as n, sum(requests) filter ({_FAILED}) as failed,
               if(sum(unpriced) = 0 and sum(device_seconds) > 0, sum(cost_usd), null) as usd
        from cells group by all
    ),
    shared as (
        select *, sum(n) over (partition by model_id order by seconds) as below,
               sum(n) over (partition by model_id) as total
        from (
            select model_id, any_value(service) as service, any_value(model) as model, seconds, sum(requests) as n
            from spread where measure = 'duration' group by model_id, seconds
        )
    ),
    slow as (
        select any_value(service) as service, any_value(model) as model, min(seconds) as p99
        from shared where below >= 0.99 * total group by model_id
    )
    select service, model, n / (until - greatest(since, (select min(time) from cells))) as "Requests/s",
           coalesce(failed, 0) / n as "Failed", p99 as "p99",
           1000 * usd / n as "Cost per 1k"
    from counted left join slow using (service, model) cross join span order by p99 desc nulls last
"""  # noqa: S608 - constants

DEVICES: Final = """
    select time, device, state, seconds / nullif(sum(seconds) over (partition by time, device), 0) as value
    from device_time order by all
"""


def tails(points: int, models: int) -> str:
    """The p99 of each model over the whole span, in parts of ``steps`` steps, numbered from 0: ``part``, ``value``.

    Args:
        points: parts at most.
        models: at most so many, those with the highest p99 of a part.
    """
    # By number: grouping by names takes longer, so they are looked up at the end.
    return f"""
        with grid as (
            select since, step, greatest(ceil(round((until - since) / step, 6) / {points}), 1)::BIGINT as steps
            from span
        ),
        summed as (
            select model_id, steps, round((time - since) / step)::BIGINT // steps as part, seconds, sum(requests) as n
            from spread cross join grid where measure = 'duration' group by all
        ),
        found as (
            select model_id, steps, part, min(seconds) as value
            from (
                select *, sum(n) over (partition by model_id, part order by seconds) as below,
                       sum(n) over (partition by model_id, part) as total
                from summed
            )
            where below >= 0.99 * total group by all
        ),
        highest as (
            select model_id from found group by model_id order by max(value) desc, model_id limit {models}
        ),
        names as (
            select model_id, any_value(service) as service, any_value(model) as model from spread
            where model_id in (from highest) group by model_id
        )
        select service, model, steps, part, value from found join names using (model_id) order by model_id, part
    """  # noqa: S608 - constants and numbers
