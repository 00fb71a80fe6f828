"""The board *Cold start*: what starts, how long does it take, and what is it waiting for?"""

from typing import Final

from inferometer import promql
from inferometer.catalog import engines, spans
from inferometer.catalog.labels import SERVICE
from inferometer.catalog.requests import (
    COLD_START,
    COLD_STARTS,
    REQUESTS,
)
from inferometer.catalog.telemetry import WORKERS
from inferometer.promql import Part
from inferometer_alerts.rule import Board as Uid
from inferometer_alerts.service_alerts import RESTARTS
from inferometer_dashboards.boards import model_loads
from inferometer_dashboards.boards.histograms import spread
from inferometer_dashboards.panels import (
    RANGE,
    RATE_INTERVAL,
    Board,
    Colour,
    Kind,
    Link,
    Panel,
    Query,
    Row,
    Show,
    Step,
    Variable,
    chosen,
    named,
)

_ON_SERVICE: Final = chosen(SERVICE)
_TEN_MINUTES: Final = 600
_TRACES: Final = Link(title="Waterfalls of its starts", operation=spans.COLD_START_SPAN, labels=(SERVICE,))


def cold_starts() -> Board:
    """Starts of processes and loads of models: how many, how long, and what they cost."""
    return Board(
        uid=Uid.COLD_START,
        title="Cold start",
        description=(
            "What starts, how long does it take, and what for? Each start is a trace of its own: interpreter, "
            "imports, the application's startup, loads of models, the first answered request."
        ),
        variables=(Variable(label=SERVICE, family=REQUESTS),),
        rows=(
            Row(title="Now", panels=(_number(), _usual(), _workers(), _lost())),
            Row(title="Starts", panels=(_storms(), _how_long(), _heatmap(), _replicas())),
            model_loads.models(),
            model_loads.cost(),
        ),
    )


def _number() -> Panel:
    return Panel(
        key="starts-now",
        title="Cold starts",
        description=(
            "Processes that got ready in the time that is shown. More than you deployed or scaled: they crash or are "
            "killed; the storms below say whose."
        ),
        unit=Show.COUNT,
        kind=Kind.STAT,
        promql=(
            Query(expr=promql.sum_by(promql.increase(promql.select(COLD_STARTS, *_ON_SERVICE), RANGE)), instant=True),
        ),
        width=6,
        height=4,
    )


def _usual() -> Panel:
    total = promql.sum_by(promql.increase(promql.select(COLD_START, *_ON_SERVICE, part=Part.SUM), RANGE))
    number = promql.sum_by(promql.increase(promql.select(COLD_START, *_ON_SERVICE, part=Part.COUNT), RANGE))
    return Panel(
        key="start-mean",
        title="Mean time until ready",
        description=(
            "From a process's start, of a forked worker its fork, until it was ready to serve. Longer than a user "
            "waits: keep one replica warm, or start before the load comes."
        ),
        unit=Show.SECONDS,
        kind=Kind.STAT,
        promql=(Query(expr=total / (number > 0), instant=True),),
        width=6,
        height=4,
    )


def _workers() -> Panel:
    return Panel(
        key="workers-now",
        title="Workers",
        description=(
            "Processes that sent a frame in the last 30 seconds. Fewer than you started: some are still on their "
            "way, or they died."
        ),
        unit=Show.COUNT,
        kind=Kind.STAT,
        promql=(Query(expr=promql.sum_by(promql.select(WORKERS, *_ON_SERVICE)), instant=True),),
        width=6,
        height=4,
    )


def _lost() -> Panel:
    return Panel(
        key="engine-restarts",
        title="Restarts of engines",
        description=(
            "Times that an engine's own totals began anew in the time that is shown. Not 0 without a deploy: it "
            "crashed; its log and the XIDs on the board of GPUs say why."
        ),
        unit=Show.COUNT,
        kind=Kind.STAT,
        promql=(
            Query(
                expr=promql.sum_by(promql.increase(promql.select(engines.RESTARTS, *_ON_SERVICE), RANGE)),
                instant=True,
            ),
        ),
        width=6,
        height=4,
        steps=(Step(1, Colour.WATCH),),
    )


def _storms() -> Panel:
    pace = promql.sum_by(promql.rate(promql.select(COLD_STARTS, *_ON_SERVICE), RATE_INTERVAL), SERVICE)
    return Panel(
        key="storms",
        title="Starts per ten minutes",
        description=(
            "Pace of starts by service. A single hump is a deploy or a step of the autoscaler. Above the limit and "
            "on and on: processes crash, are killed for memory, or the autoscaler swings; each start loads its "
            "models anew, and requests wait for it."
        ),
        unit=Show.COUNT,
        kind=Kind.LINES,
        links=(_TRACES,),
        promql=(Query(expr=pace * _TEN_MINUTES, legend=named(SERVICE)),),
        steps=(Step(float(RESTARTS), Colour.WATCH),),
    )


def _how_long() -> Panel:
    return Panel(
        key="start-times",
        title="Time until ready",
        description=(
            "Mean, median and longest hundredth of the starts. It grew at a release: more is imported, or a larger "
            "model is loaded. Open the traces of its starts from a line: the longest phase is the one to shorten."
        ),
        unit=Show.SECONDS,
        kind=Kind.LINES,
        links=(_TRACES,),
        promql=spread(COLD_START, *_ON_SERVICE, by=(SERVICE,), exemplars=False),
    )


def _heatmap() -> Panel:
    merged = promql.sum_by(promql.rate(promql.select(COLD_START, *_ON_SERVICE), RATE_INTERVAL))
    return Panel(
        key="start-heatmap",
        title="How starts are spread",
        description=(
            "Starts by the time that they took. Two bands: weights from the page cache, and from the network or a "
            "disk; put them on the node beforehand."
        ),
        unit=Show.SECONDS,
        kind=Kind.HEATMAP,
        promql=(Query(expr=merged),),
    )


def _replicas() -> Panel:
    return Panel(
        key="workers",
        title="Workers and replicas",
        description=(
            "Who is there. A saw: processes die at the same age or size (memory, a health check that is too strict). "
            "A step down that stays: nobody starts them again."
        ),
        unit=Show.COUNT,
        kind=Kind.LINES,
        promql=(
            Query(
                expr=promql.sum_by(promql.select(WORKERS, *_ON_SERVICE), SERVICE), legend=named(SERVICE, then="workers")
            ),
            Query(
                expr=promql.sum_by(promql.select(engines.UP, *_ON_SERVICE), SERVICE),
                legend=named(SERVICE, then="replicas"),
            ),
        ),
    )
