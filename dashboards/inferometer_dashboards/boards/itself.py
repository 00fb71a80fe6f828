"""The board *Inferometer itself*: is everything seen, and what does seeing it cost?"""

from typing import Final

from inferometer import promql
from inferometer.catalog import devices, telemetry
from inferometer.catalog.labels import (
    DEVICE,
    SERVICE,
)
from inferometer.catalog.model import Counter
from inferometer.catalog.requests import REQUESTS
from inferometer_alerts import prometheus_series
from inferometer_alerts.rule import Board as Uid
from inferometer_dashboards.boards.itself_flow import incoming, outgoing, scraping
from inferometer_dashboards.boards.itself_parts import ledger, parts, used
from inferometer_dashboards.panels import (
    RANGE,
    Board,
    Colour,
    Kind,
    Panel,
    Query,
    Row,
    Show,
    Step,
    Variable,
)

_ANY_IS_BAD: Final = (Step(1.0, Colour.ACT),)


def itself() -> Board:
    """Whether targets answer and nothing is dropped, whether traces and alerts arrive, and what all of it uses."""
    return Board(
        uid=Uid.SELF,
        title="Inferometer itself",
        description=(
            "Is everything seen, and what does seeing it cost? When a number elsewhere looks wrong, look here first: "
            "what is dropped, late or not scraped is missing there. `inferometer doctor` walks the same way and names "
            "the cure."
        ),
        variables=(
            # Engines that are only scraped send no records.
            Variable(label=SERVICE, family=REQUESTS, optional=True),
            Variable(label=DEVICE, family=devices.LEDGER),
        ),
        rows=(
            Row(title="Now", panels=(_down(), _lost(), _limited(), _failed_exports(), _lag(), _undelivered())),
            incoming(),
            outgoing(),
            scraping(),
            used(),
            parts(),
            ledger(),
        ),
    )


def _number(key: str, title: str, description: str, expr: promql.Expr, unit: Show = Show.COUNT) -> Panel:
    return Panel(
        key=key,
        title=title,
        description=description,
        unit=unit,
        kind=Kind.STAT,
        promql=(Query(expr=expr, instant=True),),
        steps=_ANY_IS_BAD,
        width=4,
        height=4,
    )


def _in_all(counter: Counter) -> promql.Expr:
    return promql.sum_by(promql.increase(promql.select(counter), RANGE))


def _down() -> Panel:
    up = promql.select(prometheus_series.UP)
    return _number(
        "down",
        "Targets that do not answer",
        "Pages that Prometheus cannot read. Any: what they show is missing on every board; see which below, and "
        "whether the process lives.",
        promql.either(promql.count_by(up.equals(0)), promql.count_by(up) * 0),
    )


def _lost() -> Panel:
    return _number(
        "lost",
        "Given up, in the time shown",
        "Records and spans that were dropped. Any: counts and cost are too low by as much; the panel of drops says "
        "where and why.",
        _in_all(telemetry.DROPS),
    )


def _limited() -> Panel:
    return _number(
        "limited",
        "Observations without a series",
        "Counted under `other`, because a family was full. Any: a label has more values than it may; find the one "
        "that names users or ids as models or versions.",
        _in_all(telemetry.SERIES_LIMITED),
    )


def _failed_exports() -> Panel:
    return _number(
        "failed-exports",
        "Exports of traces that failed",
        "Attempts; what is not accepted is tried again, and dots appear only when it was. Many: the trace store is "
        "away or refuses; see its log.",
        _in_all(telemetry.EXPORT_FAILURES),
    )


def _lag() -> Panel:
    return Panel(
        key="lag",
        title="Oldest frame",
        description=(
            "Age of the newest frame of the worker that was silent longest. Above 5 s: a worker hangs, or the way to "
            "the sidecar is blocked; device time that comes later is counted as late."
        ),
        unit=Show.SECONDS,
        kind=Kind.STAT,
        promql=(Query(expr=promql.max_by(promql.select(telemetry.FRAME_LAG)), instant=True),),
        steps=(Step(2.0, Colour.WATCH), Step(5.0, Colour.ACT)),
        width=4,
        height=4,
        empty="no worker has sent anything",
    )


def _undelivered() -> Panel:
    return _number(
        "undelivered",
        "Notifications that failed",
        "Alerts that nobody was told of, in the time that is shown. Any: see the receiver's address and secret; the "
        "panel of rules and notifications says by which way.",
        promql.sum_by(promql.increase(promql.select(prometheus_series.UNDELIVERED), RANGE)),
    )
