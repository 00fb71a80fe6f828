"""What is left of what was promised."""

from typing import Final

BUDGET_LEFT: Final = """
    select slo, service, model, 1 - sum(bad) / nullif(sum(good + bad) * (1 - any_value(target_ratio)), 0) as value
    from events group by all order by value nulls last
"""
"""Of the time that is shown, as if that were the objective's period."""

BURN_RATE: Final = """
    select time, slo, sum(bad) / nullif(sum(good + bad) * (1 - any_value(target_ratio)), 0) as value
    from events group by all order by all
"""

OBJECTIVES: Final = """
    select slo, service, model, objective, sli, any_value(threshold_seconds) as threshold_seconds,
           any_value(target_ratio) as "Target", sum(good) / nullif(sum(good + bad), 0) as "Good",
           1 - sum(bad) / nullif(sum(good + bad) * (1 - any_value(target_ratio)), 0) as "Budget left",
           sum(good + bad)::BIGINT as "Events", sum(bad)::BIGINT as "Bad"
    from events group by all order by "Budget left" nulls last
"""

BAD_EVENTS: Final = """
    select time, slo, sum(bad) / any_value(lasted) as value from events group by all order by all
"""
