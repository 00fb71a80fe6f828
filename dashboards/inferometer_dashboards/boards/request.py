"""The board *Request detail*: what happened to this request, what did it cost, and what did its device do then?"""

from typing import Final

from inferometer import promql
from inferometer.catalog import devices, gpus, hosts, spans
from inferometer.catalog.labels import DEVICE, DEVICE_STATE, MODEL, SERVICE, STAGE, TENANT, THROTTLE_REASON
from inferometer.catalog.requests import REQUEST_COST, REQUEST_DURATION, REQUESTS
from inferometer_alerts import recorded_costs, recorded_models
from inferometer_alerts.rule import Board as Uid
from inferometer_alerts.rule_labels import OF_MODEL
from inferometer_dashboards.boards.histograms import spread
from inferometer_dashboards.links import JAEGER_URL, LIVE_URL
from inferometer_dashboards.panels import (
    RATE_INTERVAL,
    TRACE,
    Board,
    Kind,
    Panel,
    Query,
    Row,
    Show,
    Variable,
    chosen,
    named,
)

_CHOSEN: Final = chosen(SERVICE, MODEL)
_ON_DEVICE: Final = chosen(DEVICE)
_TOLD: Final = (
    (spans.COST, "what it cost"),
    (spans.DEVICE_SECONDS, "device time it was charged with"),
    (spans.COST_METHOD, "how that was found"),
    (spans.DEVICE, "device that ran it"),
    (spans.GPU_UTILIZATION, "what the device did while it ran"),
    (spans.GPU_SM_CLOCK, "its clock"),
    (spans.GPU_THROTTLE, "what held it down"),
    (spans.THROTTLED, "for how long"),
    (spans.BATCH_SIZE, "how many shared the run"),
    (spans.KEEP_REASON, "why this trace was kept"),
)
"""Attributes of spans that say what a request cost and what its device did."""


def one_request() -> Board:
    """The waterfall of a trace, its spans with cost and device state, and its model and device at that time."""
    return Board(
        uid=Uid.REQUEST,
        title="Request detail",
        description=(
            "What happened to this request, what did it cost, and what did its device do then? Come here by a dot on "
            "a latency panel, or put a trace's id into the field above. Service, model and device narrow what stands "
            "below the waterfall."
        ),
        of_one_trace=True,
        variables=(
            Variable(label=SERVICE, family=REQUESTS),
            Variable(label=MODEL, family=REQUESTS, within=(SERVICE,)),
            Variable(label=TENANT, family=REQUESTS, within=OF_MODEL, optional=True),
            Variable(label=DEVICE, family=devices.LEDGER),
        ),
        rows=(
            Row(title="The request", panels=(_waterfall(), _spans(), _elsewhere())),
            Row(title="Is it like the others of its model?", panels=(_durations(), _stages(), _costs(), _tenant())),
            Row(title="What its device did then", panels=(_device_states(), _utilization(), _held_down())),
        ),
    )


def _waterfall() -> Panel:
    return Panel(
        key="waterfall",
        title="Waterfall",
        description=(
            "Every hop and stage of the request; stages follow each other without overlap. The longest bar is where "
            "its time went. Queue: see what the queue waited for on the board of queues. Execute: open the device "
            "below. Remote without children: that service tells nothing, instrument it. Empty: the trace was not kept "
            "(a sample is), or its three days are over; the live page has every request of its window."
        ),
        unit=Show.SECONDS,
        kind=Kind.TRACE,
        width=24,
        height=16,
    )


def _spans() -> Panel:
    return Panel(
        key="spans",
        title="Spans, with cost and device state",
        description=(
            "The same spans as a table; `tags` holds cost, device time and what the device did, as the text beside "
            "says. Cost far above the panel of costs below: the request was large, or ran in a batch of its own."
        ),
        unit=Show.SECONDS,
        kind=Kind.SPANS,
        width=16,
        height=9,
        empty="no trace of this id",
    )


def _elsewhere() -> Panel:
    told = "\n".join(f"| `{attribute.name}` | {meaning} |" for attribute, meaning in _TOLD)
    trace = f"${{{TRACE}}}"
    return Panel(
        key="elsewhere",
        title="Cost, device and batch mates",
        description=(
            "What the attributes of its spans mean, and two other views of the same trace. Look at the live page where "
            "Jaeger has no such trace: it shows any request of the recorder's window, with cost and batch mates."
        ),
        unit=Show.COUNT,
        kind=Kind.TEXT,
        text=(
            f"**[Waterfall with cost, device state and batch mates](${{{LIVE_URL}}}/trace/{trace})** (live page) · "
            f"**[Waterfall in Jaeger](${{{JAEGER_URL}}}/trace/{trace})**\n\n"
            f"| tag | says |\n|---|---|\n{told}\n"
        ),
        width=8,
        height=9,
    )


def _durations() -> Panel:
    return Panel(
        key="durations",
        title="Duration of its model's requests",
        description=(
            "Mean, median and p99 around that time. The request above p99 while all lines are calm: it is alone, its "
            "waterfall says why. All lines high: it was like all others then, go to the latency board."
        ),
        unit=Show.SECONDS,
        kind=Kind.LINES,
        promql=spread(REQUEST_DURATION, *_CHOSEN, by=OF_MODEL),
    )


def _stages() -> Panel:
    return Panel(
        key="stages",
        title="Mean time per stage then",
        description=(
            "What a usual request spent in each stage at that time. A stage that is long in the waterfall and short "
            "here is what made this request slow; long in both: the model was slow for all."
        ),
        unit=Show.SECONDS,
        kind=Kind.STACK,
        promql=(
            Query(
                expr=promql.select(recorded_models.MODEL_STAGE_MEAN, *_CHOSEN),
                legend=named(SERVICE, MODEL, STAGE),
            ),
        ),
    )


def _costs() -> Panel:
    return Panel(
        key="costs",
        title="Cost of one request of its model",
        description=(
            "Mean, median and p99 of the marginal cost; dots are kept traces. This request far above: "
            "long input, or a batch of one. All rise: batches shrank, see the board of queues."
        ),
        unit=Show.USD,
        kind=Kind.LINES,
        promql=spread(REQUEST_COST, *_CHOSEN, by=OF_MODEL),
        empty="no device of this model has a price, or none is measured",
    )


def _tenant() -> Panel:
    return Panel(
        key="tenant",
        title="What its tenant costs",
        description=(
            "Cost of 1,000 requests of the chosen tenants in the last hour, marginal and with their share of the "
            "whole bill. One far above the others: its requests are larger. Open the tenant for more."
        ),
        unit=Show.USD,
        kind=Kind.TABLE,
        promql=(
            Query(expr=promql.select(recorded_costs.TENANT_PER_1K, *chosen(TENANT)), legend="Marginal", instant=True),
            Query(
                expr=promql.select(recorded_costs.TENANT_PER_1K_LOADED, *chosen(TENANT)), legend="Loaded", instant=True
            ),
        ),
    )


def _device_states() -> Panel:
    spent = promql.rate(promql.select(devices.LEDGER, *_ON_DEVICE), RATE_INTERVAL)
    return Panel(
        key="device-states",
        title="What devices did",
        description=(
            "Share of each device's time by state. Attributed near 100 %: the request waited for a full device; add "
            "one. Loading: a model came or went just then, a cold start. Idle while the request waited: the wait was "
            "not for the device."
        ),
        unit=Show.RATIO,
        kind=Kind.STACK,
        promql=(Query(expr=promql.sum_by(spent, DEVICE, DEVICE_STATE), legend=named(DEVICE, DEVICE_STATE)),),
        width=8,
    )


def _utilization() -> Panel:
    return Panel(
        key="utilization",
        title="How busy they were",
        description=(
            "Share of time in which a kernel ran on the GPU, and in which the host's CPUs worked. The host near "
            "100 %: preprocessing and serving compete with it; move them. The GPU low while requests wait: something "
            "before it is slow."
        ),
        unit=Show.RATIO,
        kind=Kind.LINES,
        promql=(
            Query(expr=promql.select(gpus.GPU_UTILIZATION, *_ON_DEVICE), legend=named(DEVICE)),
            Query(
                expr=promql.select(hosts.HOST_CPU_UTILIZATION, *_ON_DEVICE),
                legend=named(DEVICE, then="CPUs"),
            ),
        ),
        maximum=1.0,
        width=8,
    )


def _held_down() -> Panel:
    gpu = promql.rate(promql.select(gpus.GPU_THROTTLE, *_ON_DEVICE), RATE_INTERVAL)
    host = promql.rate(promql.select(hosts.HOST_CPU_THROTTLED, *_ON_DEVICE), RATE_INTERVAL)
    return Panel(
        key="held-down",
        title="What held them down",
        description=(
            "Share of time in which clocks of the GPU, or the CPU quota of the sidecar's cgroup, were held down. Above "
            "0 at that minute: execute was slower than it is. Thermal: see to cooling. Power: a limit that may be "
            "raised. CPU quota: raise the limit."
        ),
        unit=Show.RATIO,
        kind=Kind.LINES,
        promql=(
            Query(expr=promql.sum_by(gpu, DEVICE, THROTTLE_REASON), legend=named(DEVICE, THROTTLE_REASON)),
            Query(expr=promql.sum_by(host, DEVICE), legend=named(DEVICE, then="CPU quota")),
        ),
        width=8,
        empty="no throttling is measured here",
    )
