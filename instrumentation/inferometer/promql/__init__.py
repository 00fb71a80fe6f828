"""PromQL from catalogue entries: a series, label or type that does not fit is an error when the query is built.

::

    errors = promql.increase(promql.select(SLO_EVENTS, promql.equal(RESULT, "bad")), "5m")
    promql.sum_by(errors, SERVICE, MODEL).text
"""

from inferometer.promql.expression import Expr
from inferometer.promql.functions import (
    absent,
    absolute,
    at_most,
    average_by,
    average_over_time,
    count_by,
    group_by,
    increase,
    last_over_time,
    max_by,
    max_over_time,
    min_by,
    offset,
    quantile,
    rate,
    rounded,
    scalar,
    sum_by,
    sum_over_time,
    time,
    top,
)
from inferometer.promql.operators import both, divide, either, multiply, unless, where
from inferometer.promql.selector import (
    Family,
    Matcher,
    Part,
    Selector,
    differs,
    equal,
    matching,
    one_of,
    quote,
    quote_regex,
    select,
)

__all__ = [
    "Expr",
    "Family",
    "Matcher",
    "Part",
    "Selector",
    "absent",
    "absolute",
    "at_most",
    "average_by",
    "average_over_time",
    "both",
    "count_by",
    "differs",
    "divide",
    "either",
    "equal",
    "group_by",
    "increase",
    "last_over_time",
    "matching",
    "max_by",
    "max_over_time",
    "min_by",
    "multiply",
    "offset",
    "one_of",
    "quantile",
    "quote",
    "quote_regex",
    "rate",
    "rounded",
    "scalar",
    "select",
    "sum_by",
    "sum_over_time",
    "time",
    "top",
    "unless",
    "where",
]
