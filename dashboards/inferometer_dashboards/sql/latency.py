"""Where the time goes."""

from typing import Final

from inferometer.catalog.labels import VERSION
from inferometer.catalog.stages import Stage

STAGES: Final = tuple(stage.label for stage in Stage)


def quantiles(measure: str, values: tuple[str, ...], *by: str) -> str:
    """Quantiles of a measure over time, by service and model, or by version as well.

    Args:
        measure: of the table ``spread``.
        values: quantiles, 0-1, as texts.
        by: labels that are told apart.
    """
    keys = ", ".join(by)
    named = ", ".join(f"any_value({key}) as {key}" for key in by)
    number = "version_id" if VERSION.name in by else "model_id"
    # By number: a window over names takes several times as long.
    return f"""
        with summed as (
            select time, {number}, seconds, {named}, sum(requests) as n from spread where measure = '{measure}'
            group by time, {number}, seconds
        ),
        ranked as (
            select *, sum(n) over (partition by time, {number} order by seconds) as below,
                   sum(n) over (partition by time, {number}) as total
            from summed
        ),
        wanted as (select unnest([{", ".join(values)}]) as q),
        found as (
            select time, {number}, q, {named}, min(seconds) as value
            from ranked join wanted on below >= q * total group by time, {number}, q
        )
        select time, {keys}, printf('p%g', q * 100) as quantile, value from found order by time, {keys}, q
    """  # noqa: S608 - constants


HEATMAP: Final = """
    select time, seconds, sum(requests)::DOUBLE as value from spread where measure = 'duration'
    group by all order by all
"""


def _by_stage(table: str, keys: str) -> str:
    """Rows of *keys*, ``stage`` and ``spent`` from a table that has a column for each stage."""
    columns = ", ".join(f"sum({stage}_seconds) as {stage}" for stage in STAGES)
    return f"""
        select * from (
            unpivot (select {keys}, {columns} from {table} group by all) on {", ".join(STAGES)}
            into name stage value spent
        )
    """  # noqa: S608 - constants


STAGE_SHARES: Final = f"""
    with spent as ({_by_stage("cells", "time")})
    select time, stage, spent / sum(spent) over (partition by time) as value from spent
    qualify sum(spent) over (partition by stage) > 0 and sum(spent) over (partition by time) > 0 order by time, stage
"""  # noqa: S608 - constants

STAGE_MEANS: Final = f"""
    with spent as ({_by_stage("cells", "time, service, model, sum(requests) as n")})
    select time, service, model, stage, spent / n as value from spent
    qualify sum(spent) over (partition by service, model, stage) > 0 order by all
"""  # noqa: S608 - constants

TAIL_SHARES: Final = f"""
    with spent as ({_by_stage("tail", "service, model")})
    select service, model, stage, spent / sum(spent) over (partition by service, model) as value from spent
    qualify spent > 0 order by service, model
"""  # noqa: S608 - constants

TOKENS: Final = """
    with counted as (
        select time, service, model, any_value(lasted) as lasted, sum(tokens_in) as input, sum(tokens_out) as output
        from cells group by all
    )
    select time, service, model, direction, tokens / lasted as value
    from (unpivot counted on input, output into name direction value tokens)
    qualify sum(tokens) over (partition by service, model) > 0 order by all
"""
