"""The board *GPUs*: what does each device do, what holds it back, and is it well?"""

from typing import Final

from inferometer import promql
from inferometer.catalog import devices, gpus
from inferometer.catalog.labels import DEVICE, DEVICE_STATE, DRIVER, GPU_NAME, READING_SOURCE, XID
from inferometer_alerts.rule import Board as Uid
from inferometer_dashboards.boards import gpu_health, gpu_hosts, gpu_parts, gpu_work
from inferometer_dashboards.boards.gpu_series import BUSY, HELD, IDLE, ON_DEVICE, gauge, held_back, state, working
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
    State,
    Step,
    Variable,
    named,
)

_STATES: Final = (
    State(IDLE, "idle", Colour.CALM),
    State(BUSY, "busy", Colour.GOOD),
    State(HELD, "held back", Colour.WATCH),
)
_COSTS: Final = Link(title="What it costs", board=Uid.COST, labels=(DEVICE,))


def health() -> Board:
    """Every device over time, what it worked on, and what its driver reports."""
    return Board(
        uid=Uid.GPU,
        title="GPUs",
        description=(
            "What does each device do, what holds it back, and is it well? A device is a GPU, a MIG instance or, at "
            "the bottom, a CPU host that serves."
        ),
        variables=(Variable(label=DEVICE, family=devices.LEDGER),),
        rows=(
            Row(title="Now", panels=(_present(), _busy(), _held_back(), _faults())),
            Row(title="Over time", panels=(_timeline(), _ledger(), _which())),
            gpu_work.activity(),
            gpu_work.memory(),
            gpu_health.clocks(),
            gpu_health.faults(),
            gpu_health.energy(),
            gpu_parts.links(),
            gpu_parts.mig(),
            gpu_parts.sharing(),
            gpu_hosts.cpu_hosts(),
        ),
    )


def _present() -> Panel:
    return Panel(
        key="present",
        title="GPUs that answer",
        description=(
            "GPUs and MIG instances whose driver tells of them now. Fewer than there should be: one fell off the bus "
            "or its sidecar is down; the timeline below ends where it did."
        ),
        unit=Show.COUNT,
        kind=Kind.STAT,
        promql=(Query(expr=promql.count_by(working()), instant=True),),
        width=6,
        height=4,
    )


def _busy() -> Panel:
    return Panel(
        key="busy",
        title="Busy",
        description=(
            "Mean share of time in which something ran on the chosen GPUs. Low day and night: fewer or smaller ones "
            "do. It says nothing of how well they are used: look at the tensor cores below."
        ),
        unit=Show.RATIO,
        kind=Kind.STAT,
        promql=(Query(expr=promql.average_by(working()), instant=True),),
        width=6,
        height=4,
    )


def _held_back() -> Panel:
    # 0 only where GPUs are there and none is held back.
    number = promql.either(promql.count_by(held_back()), promql.count_by(working()) * 0)
    return Panel(
        key="held-back-now",
        title="Held back",
        description=(
            "GPUs whose clocks are held down for longer than the alert allows. Not 0: every request on them takes "
            "longer; the row about clocks says whether heat, power or the board itself is the cause."
        ),
        unit=Show.COUNT,
        kind=Kind.STAT,
        promql=(Query(expr=number, instant=True),),
        width=6,
        height=4,
        steps=(Step(1, Colour.WATCH),),
    )


def _faults() -> Panel:
    reported = promql.increase(promql.select(gpus.GPU_XID_ERRORS, *ON_DEVICE), RANGE)
    return Panel(
        key="faults-now",
        title="XID errors",
        description=(
            "Errors that the driver reported in the time that is shown. Not 0: the row about faults has the codes; "
            "some mean that nothing runs on that GPU until it is reset."
        ),
        unit=Show.COUNT,
        kind=Kind.STAT,
        promql=(Query(expr=promql.sum_by(promql.max_by(reported, DEVICE, XID)), instant=True),),
        width=6,
        height=4,
        steps=(Step(1, Colour.ACT),),
    )


def _timeline() -> Panel:
    return Panel(
        key="state",
        title="What each GPU does",
        description=(
            "Idle: nothing ran. Busy: something did. Held back: it worked, and its clocks were held down for longer "
            "than the alert allows. A gap: nobody could read it. Idle beside busy ones: requests are not spread "
            "evenly. Held back again and again: cool it, or raise its power limit."
        ),
        unit=Show.COUNT,
        kind=Kind.TIMELINE,
        links=(_COSTS,),
        promql=(Query(expr=state(), legend=named(DEVICE)),),
        states=_STATES,
        width=24,
    )


def _ledger() -> Panel:
    spent = promql.rate(promql.select(devices.LEDGER, *ON_DEVICE), RATE_INTERVAL)
    every = promql.sum_by(spent)
    return Panel(
        key="ledger-states",
        title="What they are paid for",
        description=(
            "Share of the billed time of the chosen devices by what it went into. Attributed: requests. Warm idle: "
            "ready and unused. Loading: models come and go too often. Unallocated: no worker holds the device. "
            "Unobserved: nobody measured; see to the sidecar first."
        ),
        unit=Show.RATIO,
        kind=Kind.STACK,
        promql=(
            Query(
                expr=promql.divide(promql.sum_by(spent, DEVICE_STATE), every > 0, on=()),
                legend=named(DEVICE_STATE),
            ),
        ),
        maximum=1.0,
    )


def _which() -> Panel:
    info = promql.group_by(promql.select(gpus.GPU_INFO, *ON_DEVICE), DEVICE, GPU_NAME, DRIVER, READING_SOURCE)
    return Panel(
        key="which",
        title="Which they are",
        description=(
            "Name, driver and source of the readings of each GPU, its memory and how busy it is. Two drivers in one "
            "fleet: expect two speeds. Source `replay` is a recording and no GPU of yours."
        ),
        unit=Show.RATIO,
        kind=Kind.TABLE,
        links=(_COSTS,),
        sort="Busy",
        promql=(
            Query(
                expr=promql.multiply(info, gauge(gpus.GPU_MEMORY_TOTAL), on=(DEVICE,)),
                legend="Memory",
                instant=True,
                show=Show.BYTES,
            ),
            Query(expr=working(), legend="Busy", instant=True),
        ),
    )
