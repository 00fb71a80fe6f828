"""A panel of a counter of inferometer itself."""

from typing import Final

from inferometer import promql
from inferometer.catalog.labels import (
    SERVICE,
)
from inferometer.catalog.model import Counter, Label
from inferometer_dashboards.panels import (
    RATE_INTERVAL,
    Kind,
    Panel,
    Query,
    Show,
    chosen,
    named,
)

CHOSEN: Final = chosen(SERVICE)


def events(key: str, title: str, description: str, counter: Counter, *labels: Label) -> Panel:
    """A counter per second, by labels; of the chosen services, where it has them."""
    matchers = CHOSEN if SERVICE in labels else ()
    spent = promql.rate(promql.select(counter, *matchers), RATE_INTERVAL)
    return Panel(
        key=key,
        title=title,
        description=description,
        unit=Show.EVENTS_PER_SECOND,
        kind=Kind.LINES,
        promql=(Query(expr=promql.sum_by(spent, *labels), legend=named(*labels)),),
    )
