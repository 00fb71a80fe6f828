"""Rows of the board *GPUs*: clocks and what holds them down, faults, energy."""

from inferometer import promql
from inferometer.catalog import devices, gpus
from inferometer.catalog.labels import CALL, DEVICE, DEVICE_STATE, ECC_KIND, ERROR_CODE, SOURCE, THROTTLE_REASON, XID
from inferometer.catalog.requests import ENERGY, REQUESTS
from inferometer.catalog.telemetry import SOURCE_CALL_ERRORS
from inferometer_alerts.gpu_alerts import HELD_BACK
from inferometer_alerts.rule_labels import OF_MODEL
from inferometer_dashboards.boards.gpu_series import ON_DEVICE, gauge, rate
from inferometer_dashboards.panels import (
    RANGE,
    RATE_INTERVAL,
    Colour,
    Kind,
    Panel,
    Query,
    Row,
    Show,
    Step,
    named,
)


def clocks() -> Row:
    """What the clocks are, and what holds them down."""
    return Row(
        title="Clocks, heat and power",
        panels=(
            Panel(
                key="throttle",
                title="Held back, by reason",
                description=(
                    "Share of time in which clocks were held down; several reasons may hold at once. thermal: cooling "
                    "or the place in the rack. power_cap: the limit is lower than the work asks for. hardware: power "
                    "brake or a faulty board, drain it. sync_boost: GPUs that wait for the slowest of their group."
                ),
                unit=Show.RATIO,
                kind=Kind.LINES,
                promql=(Query(expr=rate(gpus.GPU_THROTTLE, THROTTLE_REASON), legend=named(DEVICE, THROTTLE_REASON)),),
                steps=(Step(float(HELD_BACK), Colour.WATCH),),
                maximum=1.0,
            ),
            Panel(
                key="sm-clock",
                title="Clock of the SMs",
                description=(
                    "It falls when nothing runs, which is well. Lower than that of its neighbours under the same "
                    "load: that GPU is held back, the reason is beside."
                ),
                unit=Show.HERTZ,
                kind=Kind.LINES,
                promql=(Query(expr=gauge(gpus.GPU_SM_CLOCK), legend=named(DEVICE)),),
            ),
            Panel(
                key="temperature",
                title="Temperature",
                description=(
                    "Of the die. What matters is whether it holds clocks down (reason thermal). One GPU hotter than "
                    "its neighbours under the same load: its fan, its heat sink or its slot."
                ),
                unit=Show.CELSIUS,
                kind=Kind.LINES,
                promql=(Query(expr=gauge(gpus.GPU_TEMPERATURE), legend=named(DEVICE)),),
                width=8,
            ),
            Panel(
                key="memory-clock",
                title="Clock of the memory",
                description=(
                    "It should not move under load. Lower on one GPU: somebody set its application clocks, or it is "
                    "held back."
                ),
                unit=Show.HERTZ,
                kind=Kind.LINES,
                promql=(Query(expr=gauge(gpus.GPU_MEMORY_CLOCK), legend=named(DEVICE)),),
                width=8,
            ),
            Panel(
                key="power-share",
                title="Power, of its limit",
                description=(
                    "Power drawn as a share of what the driver allows. At 100 % clocks are held down: raise the limit "
                    "or spread the load. Far below it under full load: lowering the limit saves nothing."
                ),
                unit=Show.RATIO,
                kind=Kind.LINES,
                promql=(Query(expr=gauge(gpus.GPU_POWER) / (gauge(gpus.GPU_POWER_LIMIT) > 0), legend=named(DEVICE)),),
                width=8,
            ),
        ),
    )


def faults() -> Row:
    """What the driver reports."""
    reported = promql.increase(promql.select(gpus.GPU_XID_ERRORS, *ON_DEVICE), RANGE)
    ecc = promql.increase(promql.select(gpus.GPU_ECC_ERRORS, *ON_DEVICE), RANGE)
    failed = promql.sum_by(promql.rate(promql.select(SOURCE_CALL_ERRORS), RATE_INTERVAL), SOURCE, CALL, ERROR_CODE)
    return Row(
        title="Faults",
        panels=(
            Panel(
                key="xid",
                title="XID errors in the time shown",
                description=(
                    "NVIDIA's codes, with how often each came. 48, 62, 64, 79, 95, 119, 120, 140: nothing runs there "
                    "until the GPU is reset or replaced, drain the node. 74: an NVLink. 63, 92, 94: faulty memory was "
                    "set aside, reset it when it is idle. 13, 31, 43: most likely a program on it."
                ),
                unit=Show.COUNT,
                kind=Kind.TABLE,
                sort="Errors",
                empty="none reported",
                promql=(Query(expr=promql.max_by(reported, DEVICE, XID) > 0, legend="Errors", instant=True),),
            ),
            Panel(
                key="xid-rate",
                title="XID errors over time",
                description=(
                    "When they came. In bursts after a release: a program of yours. At any time on one GPU: the board. "
                    "On all GPUs of a node at once: its power or its driver."
                ),
                unit=Show.COUNT,
                kind=Kind.LINES,
                promql=(
                    Query(
                        expr=promql.max_by(
                            promql.increase(promql.select(gpus.GPU_XID_ERRORS, *ON_DEVICE), RATE_INTERVAL),
                            DEVICE,
                            XID,
                        ),
                        legend=named(DEVICE, XID),
                    ),
                ),
            ),
            Panel(
                key="ecc",
                title="Memory errors in the time shown",
                description=(
                    "Uncorrected: what ran there was ended or has wrong numbers; restart it and reset the GPU when it "
                    "is idle. Corrected ones that become many: the board ages, plan its replacement. Absent: memory "
                    "without ECC."
                ),
                unit=Show.COUNT,
                kind=Kind.TABLE,
                promql=(Query(expr=promql.max_by(ecc, DEVICE, ECC_KIND), legend="Errors", instant=True),),
            ),
            Panel(
                key="ecc-rate",
                title="Memory errors per second",
                description=(
                    "A steady rate of corrected errors is wear; a jump is a fault that begins. Compare it with the "
                    "temperature above before the board is sent back."
                ),
                unit=Show.EVENTS_PER_SECOND,
                kind=Kind.LINES,
                promql=(Query(expr=rate(gpus.GPU_ECC_ERRORS, ECC_KIND), legend=named(DEVICE, ECC_KIND)),),
            ),
            Panel(
                key="driver-calls",
                title="Calls of the driver that failed",
                description=(
                    "Per second, by source, call and error. deadline: the driver hangs, that GPU's readings are gone "
                    "until it answers. gpu_is_lost: it fell off the bus. lib_rm_version_mismatch: another driver was "
                    "installed, start the sidecar again."
                ),
                unit=Show.EVENTS_PER_SECOND,
                kind=Kind.LINES,
                promql=(Query(expr=failed, legend=named(SOURCE, CALL, ERROR_CODE)),),
                width=24,
                empty="none failed",
            ),
        ),
    )


def energy() -> Row:
    """What is drawn, and what for."""
    per_model = promql.sum_by(promql.rate(promql.select(ENERGY), RATE_INTERVAL), *OF_MODEL)
    requests = promql.sum_by(promql.rate(promql.select(REQUESTS), RATE_INTERVAL), *OF_MODEL)
    return Row(
        title="Energy",
        panels=(
            Panel(
                key="power",
                title="Power drawn",
                description=(
                    "Mean power of each GPU, by its counter of energy: no peak between two scrapes is missed. High "
                    "while nothing is attributed to requests: a process computes for nobody, or a server spins while "
                    "it waits."
                ),
                unit=Show.WATTS,
                kind=Kind.STACK,
                promql=(Query(expr=rate(gpus.GPU_ENERGY), legend=named(DEVICE)),),
                width=8,
            ),
            Panel(
                key="energy-states",
                title="Power by what it was for",
                description=(
                    "Energy of billed devices by the state that it went into. Warm idle large: idle GPUs draw power, "
                    "too; give some back or let them sleep."
                ),
                unit=Show.WATTS,
                kind=Kind.STACK,
                promql=(
                    Query(
                        expr=promql.sum_by(rate(devices.LEDGER_ENERGY, DEVICE_STATE), DEVICE_STATE),
                        legend=named(DEVICE_STATE),
                    ),
                ),
                width=8,
            ),
            Panel(
                key="energy-per-request",
                title="Energy per request",
                description=(
                    "By model, of all devices; absent where nobody measures energy. It rises without longer answers: "
                    "batches became smaller, or the device runs at clocks that cost more than they bring."
                ),
                unit=Show.JOULES,
                kind=Kind.LINES,
                promql=(Query(expr=per_model / (requests > 0), legend=named(*OF_MODEL)),),
                width=8,
            ),
        ),
    )
