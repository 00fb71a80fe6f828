"""The row of the board *LLM serving* about engines: who they are, and what they cannot say."""

from inferometer import promql
from inferometer.catalog import engines
from inferometer.catalog.engines import SIGNALS
from inferometer.catalog.labels import ENGINE, ENGINE_VERSION, REPLICA, SCRAPE_FAILURE, SERVICE, VERSION_FROM
from inferometer.catalog.requests import REQUEST_DURATION, REQUESTS, STAGE_DURATION
from inferometer.catalog.stages import Stage
from inferometer.fleet.model import Fleet
from inferometer_dashboards.boards.engine_quality import signals, table
from inferometer_dashboards.panels import RANGE, RATE_INTERVAL, Kind, Panel, Query, Row, Show, chosen, named

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
    failures = promql.rate(promql.select(engines.SCRAPE_FAILURES, *_ON_SERVICE), RATE_INTERVAL)
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
                width=24,
                empty="no foreign engine",
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
                key="page-time",
                title="Time to read a page",
                description=(
                    "From the connection to its series, per replica. It grows with the page: high cardinality in the "
                    "engine, often a label with ids. Above 10 s the page is given up and its series end."
                ),
                unit=Show.SECONDS,
                kind=Kind.LINES,
                promql=(
                    Query(expr=promql.max_by(promql.select(engines.SCRAPE_TIME, *_ON_SERVICE), *of), legend=named(*of)),
                ),
                width=8,
            ),
            Panel(
                key="page-size",
                title="Size of pages",
                description=(
                    "Per replica. A page that grows day by day has a label whose values never end; at 64 MiB it is "
                    "not read any more. Drop that label in the engine's options."
                ),
                unit=Show.BYTES,
                kind=Kind.LINES,
                promql=(
                    Query(expr=promql.max_by(promql.select(engines.PAGE_SIZE, *_ON_SERVICE), *of), legend=named(*of)),
                ),
                width=8,
            ),
            Panel(
                key="page-failures",
                title="Pages that could not be read",
                description=(
                    "Per second, by reason. unreachable: the engine is down or its address in fleet.yaml is wrong. "
                    "other_engine: another server answers there. unreadable: `inferometer engines check URL` says "
                    "what is wrong with it."
                ),
                unit=Show.EVENTS_PER_SECOND,
                kind=Kind.LINES,
                promql=(Query(expr=promql.max_by(failures, *of, SCRAPE_FAILURE), legend=named(*of, SCRAPE_FAILURE)),),
                width=8,
                empty="none failed",
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
                width=24,
                height=12,
            ),
        ),
    )
