"""Rows of the board *Inferometer itself*: what it uses, its hooks, sources and ports, and its ledger."""

from inferometer import promql
from inferometer.catalog import devices, telemetry
from inferometer.catalog.labels import (
    COMPONENT,
    DEVICE,
    GC_GENERATION,
    HOOK,
    HOOK_STATUS,
    PORT,
    REFUSAL,
    SERVICE,
    SOURCE,
    WORKER,
)
from inferometer_dashboards.boards.itself_events import CHOSEN, events
from inferometer_dashboards.panels import (
    RATE_INTERVAL,
    Kind,
    Panel,
    Query,
    Row,
    Show,
    chosen,
    named,
)


def used() -> Row:
    """What seeing everything costs."""
    return Row(title="What it uses", panels=(_memory(), _cpu(), _collections(), _recorder(), _recorded_rows()))


def parts() -> Row:
    """Whether every part works."""
    return Row(
        title="Hooks, sources and ports",
        panels=(_hooks(), _hook_errors(), _sources(), _refusals(), _skews(), _versions()),
    )


def ledger() -> Row:
    """Whether the ledger adds up."""
    return Row(title="Does the ledger add up?", panels=(_residual(), _late()), collapsed=True)


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
                expr=promql.sum_by(promql.select(telemetry.PROCESS_MEMORY, *CHOSEN), SERVICE, WORKER),
                legend=named(SERVICE, WORKER),
            ),
        ),
        width=8,
    )


def _cpu() -> Panel:
    used = promql.rate(promql.select(telemetry.PROCESS_CPU, *CHOSEN), RATE_INTERVAL)
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


def _collections() -> Panel:
    return Panel(
        key="collections",
        title="Garbage collections of workers",
        description=(
            "Per second and generation. Many of generation 2: each stops the worker for milliseconds, which the tail "
            "of its requests shows; freeze what is loaded at the start (`gc.freeze`), or make fewer objects per "
            "request."
        ),
        unit=Show.EVENTS_PER_SECOND,
        kind=Kind.LINES,
        promql=(
            Query(
                expr=promql.sum_by(
                    promql.rate(promql.select(telemetry.GC_COLLECTIONS, *CHOSEN), RATE_INTERVAL),
                    SERVICE,
                    GC_GENERATION,
                ),
                legend=named(SERVICE, GC_GENERATION),
            ),
        ),
        width=8,
    )


def _recorded_rows() -> Panel:
    return Panel(
        key="recorder-rows",
        title="Requests in the flight recorder",
        description=(
            "What the live page, `inferometer trace` and `compare` can look at. It falls by steps where the oldest are "
            "removed. Far below the requests of its window: rows were given up, see drops."
        ),
        unit=Show.COUNT,
        kind=Kind.LINES,
        promql=(Query(expr=promql.select(telemetry.RECORDER_ROWS), legend="requests"),),
        width=12,
        empty="no sidecar with a recorder is scraped",
    )


def _skews() -> Panel:
    return events(
        "skews",
        "Waits in a proxy that were dropped",
        "The proxy's clock is ahead of this host's, or more than ten minutes behind, so that its stamp says nothing. "
        "Any: synchronise its clock; time before the server is missing until then.",
        telemetry.PROXY_SKEWS,
        SERVICE,
    )


def _versions() -> Panel:
    of = (telemetry.VERSION_LABEL, COMPONENT)
    return Panel(
        key="build",
        title="Versions of inferometer",
        description=(
            "Which version serves each page. Two versions at once: a rollout is on its way, or a part was forgotten; "
            "they understand each other, but new series come from the new one only."
        ),
        unit=Show.COUNT,
        kind=Kind.TABLE,
        promql=(Query(expr=promql.count_by(promql.select(telemetry.BUILD_INFO), *of), legend="Pages", instant=True),),
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
        width=12,
        empty="no sidecar with a recorder is scraped",
    )


def _hooks() -> Panel:
    broken = promql.select(telemetry.HOOK_STATE, *CHOSEN, promql.one_of(HOOK_STATUS, ["failed", "unsupported"]))
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
    return events(
        "hook-errors",
        "Errors that hooks caught",
        "Errors of ours, kept away from the application. Any: a hook misses some of what it should see; the worker's "
        "log has the first of each kind, please report it.",
        telemetry.HOOK_ERRORS,
        SERVICE,
        HOOK,
    )


def _sources() -> Panel:
    return events(
        "sources",
        "Readings that failed, by source",
        "GPUs, the host, pages of engines. A source that fails is asked less often, and what it would say is absent: "
        "gaps on the boards of GPUs and engines. Run `inferometer doctor` for its cause.",
        telemetry.SOURCE_ERRORS,
        SOURCE,
    )


def _refusals() -> Panel:
    return events(
        "refusals",
        "Requests that ports refused",
        "By port and reason. unauthorized: a token is missing or wrong. too_large or undecodable: a sender that is "
        "not ours, or of another version. busy or too_many: more than the sidecar takes at once.",
        telemetry.REFUSALS,
        PORT,
        REFUSAL,
    )


def _residual() -> Panel:
    missed = promql.select(devices.LEDGER_RESIDUAL, *chosen(DEVICE))
    return Panel(
        key="residual",
        title="What the ledger misses of wall time",
        description=(
            "0 when the states of a device sum to its wall time, to rounding. Anything else: cost is wrong by as "
            "much; restart the sidecar, and report it with its log."
        ),
        unit=Show.RATIO,
        kind=Kind.LINES,
        promql=(Query(expr=promql.max_by(missed, DEVICE), legend=named(DEVICE)),),
        minimum=None,
    )


def _late() -> Panel:
    late = promql.rate(promql.select(telemetry.LATE_DEVICE_SECONDS, *chosen(DEVICE)), RATE_INTERVAL)
    return Panel(
        key="late",
        title="Device time that came too late",
        description=(
            "Seconds per second that were reported after the ledger had closed them; they are never given to a "
            "request. Above 0: workers are silent for longer than 5 s; see the oldest frame above."
        ),
        unit=Show.MULTIPLE,
        kind=Kind.LINES,
        promql=(Query(expr=promql.sum_by(late, DEVICE), legend=named(DEVICE)),),
    )
