"""Alerts on alerting itself, and those that only keep others quiet."""

from collections.abc import Iterator
from typing import Final

from inferometer import promql
from inferometer.catalog import gpus
from inferometer.catalog.labels import DEVICE, MODEL, SERVICE, XID
from inferometer.catalog.requests import DEVICE_SECONDS
from inferometer_alerts import prometheus_series, rule_labels, rule_series
from inferometer_alerts.gpu_alerts import BROKEN
from inferometer_alerts.rule import Alert, Board, Case, Severity
from inferometer_alerts.rule_labels import INTEGRATION, RULE_GROUP
from inferometer_alerts.time_scale import TimeScale
from inferometer_alerts.traffic_alerts import SCRAPE_JOB

DEVICE_TROUBLE: Final = "InferenceDeviceTrouble"


def alerts(scale: TimeScale) -> Iterator[Alert]:
    """Rules that fail, and people who cannot be told."""
    yield _rules_fail(scale)
    yield _undelivered(scale)


def _rules_fail(scale: TimeScale) -> Alert:
    failed = promql.sum_by(
        promql.increase(promql.select(prometheus_series.RULE_FAILURES), scale.over("5m")), RULE_GROUP
    )
    series = promql.select(prometheus_series.RULE_FAILURES, promql.equal(RULE_GROUP, "slo.yml;slo-now")).text
    return Alert(
        name="AlertingRulesFail",
        expr=failed > 0,
        severity=Severity.TICKET,
        summary="{{ $value | humanize }} rules of {{ $labels.rule_group }} could not be evaluated.",
        description=(
            "In the last 5m. What these rules record is missing, and their alerts cannot fire. Prometheus's log and "
            "its page of rules say why: too many samples, or series that match twice."
        ),
        board=Board.SELF,
        hold="5m",
        cases=_proved(series),
    )


def _undelivered(scale: TimeScale) -> Alert:
    failed = promql.sum_by(promql.increase(promql.select(prometheus_series.UNDELIVERED), scale.over("5m")), INTEGRATION)
    series = promql.select(prometheus_series.UNDELIVERED, promql.equal(INTEGRATION, "slack")).text
    return Alert(
        name="AlertingUndelivered",
        expr=failed > 0,
        severity=Severity.PAGE,
        summary="{{ $value | humanize }} messages by {{ $labels.integration }} did not reach anybody.",
        description=(
            "In the last 5m, and it goes on: alerts fire, and who gets them that way is not told. Alertmanager's log "
            "says why: the address, the secret or the network."
        ),
        board=Board.SELF,
        hold="5m",
        cases=_proved(series),
    )


def _proved(series: str) -> tuple[Case, ...]:
    """Of a counter of what goes wrong: one in five minutes is enough, and it has to go on for five."""
    return (
        Case(series={series: "0x20 0+1x60 60x60"}, fires=("12m",), quiet=("4m", "9m", "27m")),
        Case(series={series: "7x20 0x100"}, quiet=("12m",)),
        # One in four minutes; less than one in five, as a rate between two samples may say.
        Case(series={series: "0x20 1x16 2x16 3x16 4x16 5x40"}, fires=("16m",)),
        Case(series={series: "0+0.03x120"}, fires=("12m",)),
    )


def device_trouble(scale: TimeScale) -> Alert:
    """Models that ran on a GPU of which another alert says that nothing runs there: their latency is a symptom."""
    ran = promql.increase(promql.select(DEVICE_SECONDS), scale.over("1h")) > 0
    broken = promql.select(
        prometheus_series.ALERTS,
        promql.one_of(rule_labels.ALERT_NAME, BROKEN),
        promql.equal(rule_labels.ALERT_STATE, "firing"),
    )
    gpu = promql.equal(DEVICE, "GPU-0b5b1c4e")
    model = (promql.equal(SERVICE, "chat"), promql.equal(MODEL, "llama"))
    work = promql.select(DEVICE_SECONDS, *model, gpu).text
    elsewhere = promql.select(DEVICE_SECONDS, *model, promql.equal(DEVICE, "GPU-1")).text
    sidecar = promql.equal(rule_labels.INSTANCE, "sidecar:9464")
    info = promql.select(rule_series.Scraped(gpus.GPU_INFO), gpu, sidecar).text
    answers = promql.select(prometheus_series.UP, promql.equal(rule_labels.JOB, SCRAPE_JOB), sidecar).text
    xids = promql.select(gpus.GPU_XID_ERRORS, gpu, promql.equal(XID, "79")).text
    others = promql.select(gpus.GPU_XID_ERRORS, gpu, promql.equal(XID, "31")).text
    return Alert(
        name=DEVICE_TROUBLE,
        expr=promql.where(promql.group_by(ran, SERVICE, MODEL, DEVICE), broken, on=(DEVICE,)),
        severity=Severity.NONE,
        summary="{{ $labels.service }} {{ $labels.model }} ran on {{ $labels.device }}, which is broken.",
        description=(
            "Nobody is told of this. While it fires ({{ $value }}), alerts on the latency of this model wait: the page "
            "on the device says what is to be done."
        ),
        board=Board.MODEL,
        variables=(SERVICE, MODEL),
        cases=(
            Case(series={work: "0+1x400", xids: "0x40 1x360"}, fires=("12m", "1h5m"), quiet=("9m", "1h13m")),
            Case(series={work: "50x400", xids: "0x40 1x360"}, quiet=("12m",)),
            Case(series={work: "0+1x400", others: "0x40 1x360"}, quiet=("12m",)),
            Case(series={work: "0+0.004x400", xids: "0x40 1x360"}, fires=("12m",)),
            # It ran elsewhere.
            Case(series={elsewhere: "0+1x400", xids: "0x40 1x360"}, quiet=("12m",)),
            # The GPU is gone, and that is not sure yet.
            Case(
                series={work: "0+1x400", info: "1x40 _x360", answers: "1x400"},
                fires=("19m",),
                quiet=("16m",),
            ),
            # Half an hour ago it still worked.
            Case(series={work: "0+1x40 40x360", xids: "0x160 1x240"}, fires=("42m",), quiet=("1h15m",)),
        ),
    )
