"""What is left of what was promised."""

from typing import Final

# What a day of recording does not hold is taken for good: more than this is not left.
_OF_PERIOD: Final = """
    sum(bad) / nullif(sum(good + bad) * greatest(any_value(period_seconds) / (until - since), 1)
                      * (1 - any_value(target_ratio)), 0)
"""
_BURN: Final = "sum(bad) / nullif(sum(good + bad) * (1 - any_value(target_ratio)), 0)"

BUDGET_LEFT: Final = f"""
    select slo, service, model, 1 - {_OF_PERIOD} as value
    from events cross join span group by slo, service, model, until, since order by value nulls last, slo
"""  # noqa: S608 - constants

BURN_RATE: Final = f"""
    select time, slo, {_BURN} as value from events group by all order by all
"""  # noqa: S608 - constants

BY_MODEL: Final = f"""
    select service, model, max(burn) as "Burn", min(rest) as "Budget left" from (
        select service, model, slo, {_BURN} as burn, 1 - {_OF_PERIOD} as rest
        from events cross join span group by slo, service, model, until, since
    ) group by all order by "Burn" desc nulls last
"""  # noqa: S608 - constants

OBJECTIVES: Final = f"""
    select slo, service, model, sli, any_value(threshold_seconds) as threshold_seconds,
           any_value(target_ratio) as "Target", sum(good) / nullif(sum(good + bad), 0) as "Good", {_BURN} as "Burn",
           1 - {_OF_PERIOD} as "Budget left", sum(good + bad)::BIGINT as "Events", sum(bad)::BIGINT as "Bad"
    from events cross join span group by slo, service, model, sli, until, since order by "Burn" desc nulls last, slo
"""  # noqa: S608 - constants

BAD_EVENTS: Final = """
    select time, slo, sum(bad) / any_value(lasted) as value from events group by all order by all
"""
