"""The board *Inferometer itself*: is everything seen, and what does seeing it cost?"""

from typing import Final

from inferometer import promql
from inferometer.catalog import devices, telemetry
from inferometer.catalog.labels import (
    COMPONENT,
    DEVICE,
    DROP_REASON,
    HOOK,
    HOOK_STATUS,
    KEEP_REASON,
    PORT,
    REFUSAL,
    SERVICE,
    SOURCE,
    WORKER,
)
from inferometer.catalog.model import Counter, Label
from inferometer_alerts import recorded
from inferometer_alerts.recorded import INSTANCE, INTEGRATION, JOB, RULE_GROUP
from inferometer_alerts.rule import Board as Uid
from inferometer_dashboards.panels import (
    RANGE,
    RATE_INTERVAL,
    Board,
    Colour,
    Kind,
    Panel,
    Query,
    Row,
    Show,
    State,
    Step,
    Variable,
    chosen,
    named,
)

_CHOSEN: Final = chosen(SERVICE)
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
        variables=(Variable(label=SERVICE, family=telemetry.RECORDS),),
        rows=(
            Row(title="Now", panels=(_down(), _lost(), _limited(), _failed_exports(), _lag(), _undelivered())),
            Row(title="What comes in", panels=(_targets(), _records(), _drops(), _workers())),
            Row(title="What goes out", panels=(_traces(), _exported(), _rules())),
            Row(title="Scraping", panels=(_scrapes(), _samples(), _passes())),
            Row(title="What it uses", panels=(_memory(), _cpu(), _recorder())),
            Row(title="Hooks, sources and ports", panels=(_hooks(), _hook_errors(), _sources(), _refusals())),
            Row(title="Does the ledger add up?", panels=(_residual(), _late()), collapsed=True),
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
    up = promql.select(recorded.UP)
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
        promql.sum_by(promql.increase(promql.select(recorded.UNDELIVERED), RANGE)),
    )


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
        promql=(Query(expr=promql.max_by(promql.select(recorded.UP), JOB, INSTANCE), legend=named(JOB, INSTANCE)),),
        states=(State(1, "up", Colour.GOOD), State(0, "down", Colour.ACT)),
    )


def _rate_panel(key: str, title: str, description: str, counter: Counter, *labels: Label) -> Panel:
    matchers = _CHOSEN if SERVICE in labels else ()
    spent = promql.rate(promql.select(counter, *matchers), RATE_INTERVAL)
    return Panel(
        key=key,
        title=title,
        description=description,
        unit=Show.EVENTS_PER_SECOND,
        kind=Kind.LINES,
        promql=(Query(expr=promql.sum_by(spent, *labels), legend=named(*labels)),),
    )


def _records() -> Panel:
    return _rate_panel(
        "records",
        "Records taken in",
        "Requests that arrived at the sidecar or the first worker's intake, per second. Below the requests of the "
        "fleet's board: a service is not hooked, or frames are lost on the way. 0 while users are served: look at "
        "the hooks below.",
        telemetry.RECORDS,
        SERVICE,
    )


def _drops() -> Panel:
    return _rate_panel(
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
        promql=(Query(expr=promql.sum_by(promql.select(telemetry.WORKERS, *_CHOSEN), SERVICE), legend=named(SERVICE)),),
    )


def _traces() -> Panel:
    return _rate_panel(
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
            each(telemetry.SPANS_FORWARDED, "spans of others accepted"),
            each(telemetry.EXPORT_FAILURES, "attempts that failed"),
        ),
    )


def _rules() -> Panel:
    rules = promql.rate(promql.select(recorded.RULE_FAILURES), RATE_INTERVAL)
    told = promql.rate(promql.select(recorded.UNDELIVERED), RATE_INTERVAL)
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
                expr=promql.max_by(promql.select(recorded.SCRAPE_DURATION), JOB, INSTANCE), legend=named(JOB, INSTANCE)
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
                expr=promql.max_by(promql.select(recorded.SCRAPE_SAMPLES), JOB, INSTANCE), legend=named(JOB, INSTANCE)
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


def _memory() -> Panel:
    return Panel(
        key="memory",
        title="Resident memory of workers",
        description=(
            "Of the instrumented processes, the application included. A line that rises for hours without load: a "
            "leak; restart that worker, and compare with the instrumentation off (INFEROMETER_ENABLED=0)."
        ),
        unit=Show.BYTES,
        kind=Kind.LINES,
        promql=(
            Query(
                expr=promql.sum_by(promql.select(telemetry.PROCESS_MEMORY, *_CHOSEN), SERVICE, WORKER),
                legend=named(SERVICE, WORKER),
            ),
        ),
        width=8,
    )


def _cpu() -> Panel:
    used = promql.rate(promql.select(telemetry.PROCESS_CPU, *_CHOSEN), RATE_INTERVAL)
    return Panel(
        key="cpu",
        title="CPU of workers",
        description=(
            "CPU seconds per second; 1 is a whole core. A worker at 1 with an event loop that lags: it is the bottle"
            "neck, add workers. All at 1 while requests wait: more cores."
        ),
        unit=Show.MULTIPLE,
        kind=Kind.LINES,
        promql=(Query(expr=promql.sum_by(used, SERVICE, WORKER), legend=named(SERVICE, WORKER)),),
        width=8,
    )


def _recorder() -> Panel:
    return Panel(
        key="recorder",
        title="Flight recorder's file",
        description=(
            "Bounded by size and age. At its bound all the time: it holds less time than you may want, see how far "
            "back the live page goes. It does not grow under load: the recorder is off, or its disk is full."
        ),
        unit=Show.BYTES,
        kind=Kind.LINES,
        promql=(Query(expr=promql.select(telemetry.RECORDER_BYTES), legend="file"),),
        width=8,
        empty="no sidecar with a recorder is scraped",
    )


def _hooks() -> Panel:
    broken = promql.select(telemetry.HOOK_STATE, *_CHOSEN, promql.one_of(HOOK_STATUS, ["failed", "unsupported"]))
    return Panel(
        key="hooks",
        title="Hooks that do not work",
        description=(
            "A hook that failed or does not know the library's version measures nothing; the application is not "
            "touched by it. Update inferometer or pin the library; stages it would show are `handler` until then."
        ),
        unit=Show.COUNT,
        kind=Kind.TABLE,
        promql=(
            Query(expr=promql.group_by(broken > 0, SERVICE, HOOK, HOOK_STATUS), legend="In some worker", instant=True),
        ),
        empty="every hook works, or its library is not there",
    )


def _hook_errors() -> Panel:
    return _rate_panel(
        "hook-errors",
        "Errors that hooks caught",
        "Errors of ours, kept away from the application. Any: a hook misses some of what it should see; the worker's "
        "log has the first of each kind, please report it.",
        telemetry.HOOK_ERRORS,
        SERVICE,
        HOOK,
    )


def _sources() -> Panel:
    return _rate_panel(
        "sources",
        "Readings that failed, by source",
        "GPUs, the host, pages of engines. A source that fails is asked less often, and what it would say is absent: "
        "gaps on the boards of GPUs and engines. Run `inferometer doctor` for its cause.",
        telemetry.SOURCE_ERRORS,
        SOURCE,
    )


def _refusals() -> Panel:
    return _rate_panel(
        "refusals",
        "Requests that ports refused",
        "By port and reason. unauthorized: a token is missing or wrong. too_large or undecodable: a sender that is "
        "not ours, or of another version. busy or too_many: more than the sidecar takes at once.",
        telemetry.REFUSALS,
        PORT,
        REFUSAL,
    )


def _residual() -> Panel:
    return Panel(
        key="residual",
        title="What the ledger misses of wall time",
        description=(
            "0 when the states of a device sum to its wall time, to rounding. Anything else: cost is wrong by as "
            "much; restart the sidecar, and report it with its log."
        ),
        unit=Show.RATIO,
        kind=Kind.LINES,
        promql=(Query(expr=promql.max_by(promql.select(devices.LEDGER_RESIDUAL), DEVICE), legend=named(DEVICE)),),
        minimum=None,
    )


def _late() -> Panel:
    return Panel(
        key="late",
        title="Device time that came too late",
        description=(
            "Seconds per second that were reported after the ledger had closed them; they are never given to a "
            "request. Above 0: workers are silent for longer than 5 s; see the oldest frame above."
        ),
        unit=Show.MULTIPLE,
        kind=Kind.LINES,
        promql=(
            Query(
                expr=promql.sum_by(promql.rate(promql.select(telemetry.LATE_DEVICE_SECONDS), RATE_INTERVAL), DEVICE),
                legend=named(DEVICE),
            ),
        ),
    )
