"""The row of the board *Batching & queues* that says which queue it is: one panel for each."""

from inferometer import promql
from inferometer.catalog.engines import of_engine
from inferometer.catalog.labels import REPLICA, SERVICE
from inferometer.catalog.requests import (
    ACCEPT_QUEUE,
    EVENT_LOOP_LAG,
    PROXY_WAIT,
    QUEUE_DEPTH,
    THREADS,
    THREADS_BUSY,
    THREADS_WAITED_FOR,
)
from inferometer_alerts.rule_labels import OF_MODEL
from inferometer_dashboards.boards.histograms import spread
from inferometer_dashboards.boards.waiting import CHOSEN, ON_SERVICE
from inferometer_dashboards.panels import (
    Kind,
    Panel,
    Query,
    Row,
    Show,
    named,
)


def places() -> Row:
    """Which queue it is."""
    threads = promql.sum_by(promql.select(THREADS, *ON_SERVICE), SERVICE)
    return Row(
        title="In which queue",
        panels=(
            Panel(
                key="accept-queue",
                title="Kernel: connections nobody accepted",
                description=(
                    "In the fullest listening socket of a service. Not 0 for long: its workers are too busy to "
                    "accept; add workers. Near the backlog's size (often 2048): connections are refused."
                ),
                unit=Show.COUNT,
                kind=Kind.LINES,
                promql=(
                    Query(expr=promql.max_by(promql.select(ACCEPT_QUEUE, *ON_SERVICE), SERVICE), legend=named(SERVICE)),
                ),
                width=8,
            ),
            Panel(
                key="event-loop",
                title="Event loop: its longest delay",
                description=(
                    "How late a timer was in the worst worker. Above a few milliseconds something blocks the loop: "
                    "a model that is called in an async endpoint, a large JSON, a synchronous client. Move it to a "
                    "thread or a batch queue."
                ),
                unit=Show.SECONDS,
                kind=Kind.LINES,
                promql=(
                    Query(
                        expr=promql.max_by(promql.select(EVENT_LOOP_LAG, *ON_SERVICE), SERVICE), legend=named(SERVICE)
                    ),
                ),
                width=8,
            ),
            Panel(
                key="threads-waiting",
                title="Threads: calls that wait for one",
                description=(
                    "Synchronous endpoints that have no thread yet. Not 0: all threads are in use; raise their number "
                    "(AnyIO's limiter, 40 by default), or make the endpoint asynchronous."
                ),
                unit=Show.COUNT,
                kind=Kind.LINES,
                promql=(
                    Query(
                        expr=promql.sum_by(promql.select(THREADS_WAITED_FOR, *ON_SERVICE), SERVICE),
                        legend=named(SERVICE),
                    ),
                ),
                width=8,
            ),
            Panel(
                key="threads-busy",
                title="Threads in use",
                description=(
                    "Share of the threads that synchronous endpoints may use. At 100 % the next call waits. High "
                    "without load: calls hang in a dependency without a timeout."
                ),
                unit=Show.RATIO,
                kind=Kind.LINES,
                promql=(
                    Query(
                        expr=promql.sum_by(promql.select(THREADS_BUSY, *ON_SERVICE), SERVICE) / (threads > 0),
                        legend=named(SERVICE),
                    ),
                ),
                width=8,
                maximum=1.0,
            ),
            Panel(
                key="queue-depth",
                title="Batch and engine queues",
                description=(
                    "Requests that wait for a batch or inside an engine, per replica where it is an engine's. It "
                    "should come back to 0 between bursts. Growing without end: more arrives than the model can do. "
                    "Long on one replica only: the router does not look at queues."
                ),
                unit=Show.COUNT,
                kind=Kind.LINES,
                promql=(
                    Query(
                        expr=promql.sum_by(promql.select(of_engine(QUEUE_DEPTH), *CHOSEN), *OF_MODEL, REPLICA),
                        legend=named(*OF_MODEL, REPLICA),
                    ),
                ),
                width=8,
            ),
            Panel(
                key="proxy-wait",
                title="In front: the proxy",
                description=(
                    "Time in a proxy before the request came here, by the proxy's clock; it is outside the duration. "
                    "It grows while queues here are empty: the proxy or its connections are too few. Absent where "
                    "the proxy sends no X-Request-Start."
                ),
                unit=Show.SECONDS,
                kind=Kind.LINES,
                promql=spread(PROXY_WAIT, *CHOSEN, by=OF_MODEL, exemplars=False),
                width=8,
            ),
        ),
    )
