"""Rows of the board *Inferometer itself*: what comes in, what goes out, and how it is scraped."""

from typing import Final

from inferometer import promql
from inferometer.catalog import engines, telemetry
from inferometer.catalog.labels import (
    COMPONENT,
    DROP_REASON,
    KEEP_REASON,
    REPLICA,
    SERVICE,
)
from inferometer.catalog.model import Counter
from inferometer_alerts import prometheus_series
from inferometer_alerts.rule_labels import INSTANCE, INTEGRATION, JOB, RULE_GROUP
from inferometer_dashboards.boards.itself_events import CHOSEN, events
from inferometer_dashboards.panels import (
    RATE_INTERVAL,
    Colour,
    Kind,
    Panel,
    Query,
    Row,
    Show,
    State,
    Step,
    named,
)

_UP_OR_DOWN: Final = (State(1, "up", Colour.GOOD), State(0, "down", Colour.ACT))


def incoming() -> Row:
    """Whether everything is seen."""
    return Row(title="What comes in", panels=(_targets(), _records(), _frames(), _drops(), _workers(), _engines()))


def outgoing() -> Row:
    """Whether traces and alerts arrive."""
    return Row(title="What goes out", panels=(_traces(), _exported(), _rules()))


def scraping() -> Row:
    """Whether pages are read in time, and how large they are."""
    return Row(title="Scraping", panels=(_scrapes(), _samples(), _passes()))


def _targets() -> Panel:
    return Panel(
        key="targets",
        title="Targets",
        description=(
            "Whether each page answered, over time. Down: the process is gone, or its port is not reachable from "
            "Prometheus. Up and down: it is restarted again and again, or the scrape takes too long."
        ),
        unit=Show.COUNT,
        kind=Kind.TIMELINE,
        promql=(
            Query(expr=promql.max_by(promql.select(prometheus_series.UP), JOB, INSTANCE), legend=named(JOB, INSTANCE)),
        ),
        states=_UP_OR_DOWN,
    )


def _records() -> Panel:
    return events(
        "records",
        "Records taken in",
        "Requests that arrived at the sidecar or the first worker's intake, per second. Below the requests of the "
        "fleet's board: a service is not hooked, or frames are lost on the way. 0 while users are served: look at "
        "the hooks below.",
        telemetry.RECORDS,
        SERVICE,
    )


def _frames() -> Panel:
    return events(
        "frames",
        "Frames taken in",
        "Each worker sends about four per second, idle or not. Fewer: workers are busy for longer than a quarter of a "
        "second at a time, or few are left. Far more: frames are sent again and again, see the time of a pass.",
        telemetry.FRAMES,
        SERVICE,
    )


def _drops() -> Panel:
    return events(
        "drops",
        "Given up, by part and reason",
        "Buffers are bounded, what does not fit is counted here. buffer_full or frame_buffer_full: workers cannot "
        "reach the sidecar, or it is too slow. queue_full: the trace store does not keep up. late: a worker was "
        "silent for half a minute. undecodable: a sender of another version.",
        telemetry.DROPS,
        COMPONENT,
        DROP_REASON,
    )


def _workers() -> Panel:
    return Panel(
        key="workers",
        title="Workers that report",
        description=(
            "Workers that sent a frame in the last 30 seconds. Fewer than were started: some are not hooked, or died. "
            "None: the import line is missing, or the socket's path differs."
        ),
        unit=Show.COUNT,
        kind=Kind.LINES,
        promql=(Query(expr=promql.sum_by(promql.select(telemetry.WORKERS, *CHOSEN), SERVICE), legend=named(SERVICE)),),
    )


def _engines() -> Panel:
    return Panel(
        key="engines",
        title="Pages of engines",
        description=(
            "Whether the sidecar could read each replica's page. Down: the replica is gone, hangs or wants a token; "
            "its numbers are missing on every board, and its requests most likely fail, too."
        ),
        unit=Show.COUNT,
        kind=Kind.TIMELINE,
        promql=(
            Query(
                expr=promql.max_by(promql.select(engines.UP, *CHOSEN), SERVICE, REPLICA),
                legend=named(SERVICE, REPLICA),
            ),
        ),
        states=_UP_OR_DOWN,
        empty="no engine of fleet.yaml is only scraped",
    )


def _traces() -> Panel:
    return events(
        "traces",
        "Traces kept, by reason",
        "Slow, failed, dear and rare ones, and a baseline. Much more of one reason: something changed, or its limit "
        "is too low for this fleet. None at all: no dots will open.",
        telemetry.TRACES_KEPT,
        KEEP_REASON,
    )


def _exported() -> Panel:
    def each(counter: Counter, name: str) -> Query:
        return Query(expr=promql.sum_by(promql.rate(promql.select(counter), RATE_INTERVAL)), legend=name)

    return Panel(
        key="exported",
        title="Spans sent, and attempts that failed",
        description=(
            "Ours and those of others that came in. Failures while spans go on: the store was away for a moment, "
            "nothing is lost. Failures only: Jaeger or the Collector is down or refuses; what waits is bounded, see "
            "drops."
        ),
        unit=Show.EVENTS_PER_SECOND,
        kind=Kind.LINES,
        promql=(
            each(telemetry.SPANS_EXPORTED, "our spans accepted"),
            each(telemetry.SPANS_RECEIVED, "spans of others taken in"),
            each(telemetry.SPANS_STORED, "spans of others in waterfalls"),
            each(telemetry.SPANS_LATE, "spans of others that came too late"),
            each(telemetry.SPANS_LET_GO, "spans of others that went for newer ones"),
            each(telemetry.SPANS_FORWARDED, "spans of others accepted"),
            each(telemetry.EXPORT_FAILURES, "attempts that failed"),
        ),
    )


def _rules() -> Panel:
    rules = promql.rate(promql.select(prometheus_series.RULE_FAILURES), RATE_INTERVAL)
    told = promql.rate(promql.select(prometheus_series.UNDELIVERED), RATE_INTERVAL)
    return Panel(
        key="rules",
        title="Rules and notifications that failed",
        description=(
            "Anything above 0 means that alerts do not work as they should. A group of rules: its expressions do not "
            "fit the data, run `inferometer generate --check`. A way of notification: see Alertmanager's log, its "
            "address and its secret."
        ),
        unit=Show.EVENTS_PER_SECOND,
        kind=Kind.LINES,
        promql=(
            Query(expr=promql.sum_by(rules, RULE_GROUP), legend=named(RULE_GROUP)),
            Query(expr=promql.sum_by(told, INTEGRATION), legend=named(INTEGRATION)),
        ),
    )


def _scrapes() -> Panel:
    return Panel(
        key="scrapes",
        title="Time of a scrape",
        description=(
            "How long each page takes. Near its timeout (10 s unless said): gaps come next; look at the number of "
            "samples. A step up: a source of readings hangs."
        ),
        unit=Show.SECONDS,
        kind=Kind.LINES,
        promql=(
            Query(
                expr=promql.max_by(promql.select(prometheus_series.SCRAPE_DURATION), JOB, INSTANCE),
                legend=named(JOB, INSTANCE),
            ),
        ),
        width=8,
    )


def _samples() -> Panel:
    return Panel(
        key="samples",
        title="Samples on a page",
        description=(
            "Every series of every target. Growing without end: a label takes ever new values; the number of limited "
            "observations above says when a bound was reached. A fall to a few: the page is another one."
        ),
        unit=Show.COUNT,
        kind=Kind.LINES,
        promql=(
            Query(
                expr=promql.max_by(promql.select(prometheus_series.SCRAPE_SAMPLES), JOB, INSTANCE),
                legend=named(JOB, INSTANCE),
            ),
        ),
        width=8,
    )


def _passes() -> Panel:
    merged = promql.sum_by(promql.rate(promql.select(telemetry.PASS_DURATION), RATE_INTERVAL))
    return Panel(
        key="passes",
        title="Time of a pass",
        description=(
            "Each pass takes in frames, stores them and shows new numbers; four in a second are planned. p99 above a "
            "quarter of a second: the disk of the state file is slow, or one core is not enough."
        ),
        unit=Show.SECONDS,
        kind=Kind.LINES,
        promql=tuple(
            Query(expr=promql.quantile(q, merged) >= 0, legend=name) for q, name in ((0.5, "p50"), (0.99, "p99"))
        ),
        steps=(Step(0.25, Colour.WATCH),),
        width=8,
    )
