"""Counts between two rounds of a rule, to the event: what tiles are made of.

``increase()`` extrapolates from the samples inside its window. What a counter rises between the last sample of one
window and the first of the next is in neither, and what it rises while nobody scrapes is in none; on average that
evens out, but one burst of failures may vanish. Tiles are added up for a month, so they are differences instead: the
counter now, less what it last was when the round before was made. They add up to what the counter rose.
"""

from typing import Final

from inferometer import promql
from inferometer.promql import Expr, Selector
from inferometer_alerts.time_scale import TimeScale

REACH: Final = "30m"
"""A gap in the samples up to this long loses no event."""


def increase(selector: Selector, every: str, scale: TimeScale) -> Expr:
    """What a counter rose since the round before, rounds being *every* so long apart.

    One that is gone counts up to its last sample. One that is lower than before began anew, and one that was not there
    is seen for the first time: of both counts what `increase()` finds. What is no number is left out, so that no sum
    over it becomes NaN.
    """
    now = promql.last_over_time(selector, scale.every(every))
    before = promql.offset(promql.last_over_time(selector, scale.over(REACH)), scale.every(every))
    anew = promql.increase(selector, scale.over(every))
    return promql.either((now - before) >= 0, anew >= 0)
