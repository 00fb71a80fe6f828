"""The row of the board *LLM serving* about engines: who they are, and what they cannot say."""

from inferometer import promql
from inferometer.catalog import engines
from inferometer.catalog.engines import SIGNALS
from inferometer.catalog.labels import ENGINE, ENGINE_VERSION, REPLICA, SERVICE, VERSION_FROM
from inferometer.catalog.requests import REQUEST_DURATION, REQUESTS, STAGE_DURATION
from inferometer.catalog.stages import Stage
from inferometer.fleet.model import Fleet
from inferometer_dashboards.boards.engine_quality import signals, table
from inferometer_dashboards.panels import RANGE, Kind, Panel, Query, Row, Show, chosen

_ON_SERVICE = chosen(SERVICE)
_SHOWN = (
    *signals(REQUESTS, REQUEST_DURATION),
    *signals(STAGE_DURATION, value=Stage.QUEUE.label),
    *signals(STAGE_DURATION, value=Stage.EXECUTE.label),
    *(signal for signal in SIGNALS if signal.entry not in {REQUESTS, REQUEST_DURATION, STAGE_DURATION}),
)


def who(fleet: Fleet) -> Row:
    """Which engines these are, whether their pages are read, and what they cannot say."""
    info = promql.group_by(
        promql.select(engines.INFO, *_ON_SERVICE), SERVICE, REPLICA, ENGINE, ENGINE_VERSION, VERSION_FROM
    )
    of = (SERVICE, REPLICA)
    restarts = promql.increase(promql.select(engines.RESTARTS, *_ON_SERVICE), RANGE)
    unknown = promql.select(engines.UNKNOWN, *_ON_SERVICE)
    return Row(
        title="Engines",
        panels=(
            Panel(
                key="engines",
                title="Whose pages these are",
                description=(
                    "Engine and version of each replica and who says so. Up 0: its page is not read, and what it "
                    "serves is measured by nobody. Unknown series: its version has names that the mapping does not "
                    "know; `inferometer engines check` lists them. Two versions: compare them before you go on."
                ),
                unit=Show.COUNT,
                kind=Kind.TABLE,
                promql=(
                    Query(
                        expr=promql.multiply(info, promql.max_by(promql.select(engines.UP, *_ON_SERVICE), *of), on=of),
                        legend="Up",
                        instant=True,
                    ),
                    Query(expr=promql.max_by(restarts, *of), legend="Restarts", instant=True),
                    Query(expr=promql.max_by(unknown, *of), legend="Unknown series", instant=True),
                ),
            ),
            Panel(
                key="engine-notes",
                title="What they cannot say",
                description=(
                    "How well each engine of this fleet tells each signal: exact, approximate, a lower bound, only "
                    "its mean, or not at all. An objective on a signal that is not told well enough is refused by "
                    "`inferometer generate`; the flag that switches it on is named."
                ),
                unit=Show.COUNT,
                kind=Kind.TEXT,
                text=table(fleet, _SHOWN),
            ),
        ),
    )
