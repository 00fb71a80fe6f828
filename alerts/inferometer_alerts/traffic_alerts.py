"""Alerts on what burn rates cannot see: no traffic at all, and no measurements."""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from itertools import islice
from typing import Final

from inferometer import promql
from inferometer.catalog.labels import CLASS, COMPONENT, DROP_REASON, MODEL, OUTCOME, SERVICE, VERSION
from inferometer.catalog.requests import REQUESTS, SLO_EVENTS
from inferometer.catalog.telemetry import DROPS
from inferometer.fleet.model import Fleet
from inferometer.fleet.slos import Slo, Source, slos
from inferometer.promql import Expr
from inferometer_alerts import prometheus_series, recorded_slos, rule_labels, slo_series, traffic_proofs
from inferometer_alerts.rule import Alert, Board, Case, Severity
from inferometer_alerts.rule_labels import JOB
from inferometer_alerts.samples import Kind, Phase
from inferometer_alerts.time_scale import TimeScale

SCRAPE_JOB: Final = "inferometer"
# 240 in an hour are 20 in five minutes: that none comes by chance happens once in e^20.
_REGULAR_TRAFFIC: Final = 240

_SERVED: Final = promql.select(
    REQUESTS, promql.equal(SERVICE, "gateway"), promql.equal(MODEL, "/search"), promql.equal(OUTCOME, "ok")
).text
_SERVED_TOO: Final = promql.select(
    REQUESTS, promql.equal(SERVICE, "gateway"), promql.equal(MODEL, "/search"), promql.equal(VERSION, "v2")
).text
_BATCH: Final = promql.select(
    REQUESTS, promql.equal(SERVICE, "gateway"), promql.equal(MODEL, "/search"), promql.equal(CLASS, "batch")
).text
_SIDECAR: Final = promql.select(
    prometheus_series.UP, promql.equal(JOB, SCRAPE_JOB), promql.equal(rule_labels.INSTANCE, "sidecar:9464")
).text
_ANOTHER: Final = promql.select(
    prometheus_series.UP, promql.equal(JOB, "prometheus"), promql.equal(rule_labels.INSTANCE, "prometheus:9090")
).text
_DROPPED: Final = promql.select(DROPS, promql.equal(COMPONENT, "worker"), promql.equal(DROP_REASON, "buffer_full")).text


def alerts(fleet: Fleet, scale: TimeScale) -> Iterator[Alert]:
    """Traffic that stopped, measurements that are gone, the exporter that is down, telemetry that is dropped."""
    yield _traffic_stopped(scale)
    for example in islice((slo for slo in slos(fleet) if slo.source is not Source.SLOTS), 1):
        yield _metrics_absent(scale, example)
        yield _never_reported(scale, example)
    yield _down()
    yield _no_targets()
    yield _dropping(scale)
    if fleet.routes.heartbeat is not None:
        yield _heartbeat()


def _traffic_stopped(scale: TimeScale) -> Alert:
    # Batch work stops when it is done.
    requests = promql.select(REQUESTS, promql.differs(CLASS, "batch"))
    now = promql.sum_by(promql.increase(requests, scale.over("5m")), SERVICE, MODEL)
    before = promql.sum_by(promql.offset(promql.increase(requests, scale.over("1h")), scale.over("5m")), SERVICE, MODEL)
    return Alert(
        name="InferenceTrafficStopped",
        expr=promql.both(before >= _REGULAR_TRAFFIC, now.equals(0)),
        severity=Severity.PAGE,
        summary=(
            "{{ $labels.service }} {{ $labels.model }} gets no requests any more; {{ $value | humanize }} came in the "
            "hour before."
        ),
        description=(
            "No request ended in the last 5m. Either nobody asks, something in front of the service is broken, or the "
            "service takes requests and never ends them."
        ),
        board=Board.FLEET,
        variables=(SERVICE, MODEL),
        hold="5m",
        cases=(
            Case(
                series={_SERVED: "0+10x240 2400x120 2400+10x40"},
                fires=("71m",),
                quiet=("55m", "64m", "69m", "92m"),
            ),
            # 264 in the hour before, and 216.
            Case(series={_SERVED: "0+11x24 264x240"}, fires=("17m",), quiet=("14m",)),
            Case(series={_SERVED: "0+9x24 216x240"}, quiet=("17m",)),
            Case(series={_BATCH: "0+10x240 2400x120"}, quiet=("71m",)),
            # 300 in an hour, and no more than that in half of it; 216 in each of two hours.
            Case(series={_SERVED: "0+1.25x240 300x80"}, fires=("71m",)),
            Case(series={_SERVED: "0+0.9x480 432x80"}, quiet=("2h11m",)),
            # All of an hour's requests in its first minutes: they leave the window 65 minutes later.
            Case(series={_SERVED: "0+10x30 300x300"}, fires=("65m",), quiet=("69m",)),
            # Two versions, of which neither was asked often.
            Case(series={_SERVED: "0+0.7x240 168x80", _SERVED_TOO: "0+0.7x240 168x80"}, fires=("71m",)),
            # Batch work goes on where nobody asks any more; there was much of it where hardly anybody did.
            Case(series={_SERVED: "0+10x240 2400x80", _BATCH: "0+10x320"}, fires=("71m",)),
            Case(series={_SERVED: "0+0.5x240 120x80", _BATCH: "0+10x240 2400x80"}, quiet=("71m",)),
        ),
    )


def _metrics_absent(scale: TimeScale, example: Slo) -> Alert:
    seen = promql.group_by(
        promql.max_over_time(promql.select(recorded_slos.SLO_EVENTS_TILE), scale.over("1d")), SERVICE, MODEL
    )
    now, promised = _reporting(), _promised()
    return Alert(
        name="InferenceMetricsAbsent",
        expr=promql.unless(promql.where(promised, seen, on=(SERVICE, MODEL)), now, on=(SERVICE, MODEL)),
        severity=Severity.PAGE,
        summary="{{ $labels.service }} {{ $labels.model }} reports nothing any more.",
        description=(
            "Measurements of this model came within the last day and do not come now: its objectives are not "
            "watched. The service is down, or its records do not reach the sidecar."
        ),
        board=Board.SELF,
        variables=(SERVICE,),
        hold="5m",
        cases=(
            Case(
                series=_events(example, Phase(241, Decimal(10)), Phase(240, Decimal(0), Kind.MISSING)),
                only=_of(example),
                fires=("75m",),
                quiet=("55m",),
            ),
            *traffic_proofs.absent(),
        ),
    )


def _never_reported(scale: TimeScale, example: Slo) -> Alert:
    seen = promql.group_by(
        promql.max_over_time(promql.select(recorded_slos.SLO_EVENTS_TILE), scale.over("1d")), SERVICE, MODEL
    )
    return Alert(
        name="InferenceNeverReported",
        expr=promql.unless(_promised(), promql.either(seen, _reporting()), on=(SERVICE, MODEL)),
        severity=Severity.TICKET,
        summary="{{ $labels.service }} {{ $labels.model }} stands in fleet.yaml and never reported.",
        description=(
            "fleet.yaml promises objectives for this model, and no event of them came for a day. The names in "
            "fleet.yaml and those of the service differ, or the service does not import inferometer.auto."
        ),
        board=Board.SELF,
        variables=(SERVICE,),
        hold="30m",
        cases=(
            Case(
                series=_events(example, Phase(400, Decimal(0), Kind.MISSING)),
                only=_of(example),
                fires=("40m",),
                quiet=("20m",),
            ),
            Case(series=_events(example, Phase(400, Decimal(0))), only=_of(example), quiet=("40m",)),
            *traffic_proofs.never_reported(),
        ),
    )


def _promised() -> Expr:
    """Models that promise something; devices do too, and report nothing of this kind."""
    return promql.group_by(promql.select(recorded_slos.SLO_INFO, promql.differs(SERVICE, "")), SERVICE, MODEL)


def _reporting() -> Expr:
    """Models of which somebody tells now: requests that are judged one by one, or those that an engine counts."""
    judged = promql.group_by(promql.select(SLO_EVENTS), SERVICE, MODEL)
    return promql.either(judged, promql.group_by(promql.select(REQUESTS), SERVICE, MODEL))


def _of(slo: Slo) -> tuple[promql.Matcher, ...]:
    return promql.equal(SERVICE, slo.service), promql.equal(MODEL, slo.model)


def _events(slo: Slo, *phases: Phase) -> Mapping[str, str]:
    return slo_series.inputs(slo, good=phases)


def _down() -> Alert:
    up = promql.select(prometheus_series.UP, promql.equal(JOB, SCRAPE_JOB))
    return Alert(
        name="InferometerDown",
        expr=up.equals(0),
        severity=Severity.PAGE,
        summary="inferometer on {{ $labels.instance }} does not answer: what it watches is not watched.",
        description=(
            "Prometheus cannot scrape this sidecar, or worker. Requests are still served; their records wait in the "
            "workers, bounded, and are taken in when it is back."
        ),
        board=Board.SELF,
        hold="2m",
        cases=(
            Case(
                series={_SIDECAR: "1x40 0x40 1x20"},
                fires=("13m", "20m"),
                quiet=("8m", "12m", "21m"),
            ),
            # Not ours: its own rules watch it.
            Case(series={_ANOTHER: "0x80"}, quiet=("13m",)),
        ),
    )


def _no_targets() -> Alert:
    return Alert(
        name="InferometerNoTargets",
        expr=promql.absent(promql.select(prometheus_series.UP, promql.equal(JOB, SCRAPE_JOB))),
        severity=Severity.PAGE,
        summary="Prometheus has no inferometer to scrape: nothing is watched.",
        description="The list of targets is empty or cannot be read: prometheus/targets/inferometer.json.",
        board=Board.SELF,
        # A Prometheus that has just started takes a while to read its targets.
        hold="10m",
        cases=(
            Case(series={_SIDECAR: "_x80"}, fires=("12m",), quiet=("8m",)),
            # One that does not answer is there: that is another alert.
            Case(series={_SIDECAR: "0x80"}, quiet=("12m",)),
            Case(series={_ANOTHER: "1x80"}, fires=("12m",)),
        ),
    )


def _dropping(scale: TimeScale) -> Alert:
    dropped = promql.increase(promql.select(DROPS), scale.over("10m"))
    return Alert(
        name="InferometerDropping",
        expr=promql.sum_by(dropped, COMPONENT, DROP_REASON) > 0,
        severity=Severity.TICKET,
        summary="inferometer dropped {{ $value | humanize }} records or spans: {{ $labels.reason }}.",
        description=(
            "A bounded buffer of the {{ $labels.component }} was full or something could not be read. Counts of "
            "requests are too low by what was dropped."
        ),
        board=Board.SELF,
        hold="0s",
        cases=(
            Case(
                series={_DROPPED: "0x60 5x60"},
                fires=("16m", "24m"),
                quiet=("10m", "28m"),
            ),
            Case(series={_DROPPED: "0+0.02x120"}, fires=("12m",)),
            # The sidecar was started without its state.
            Case(series={_DROPPED: "7x40 0x60"}, quiet=("16m",)),
        ),
    )


def _heartbeat() -> Alert:
    return Alert(
        name="InferometerHeartbeat",
        expr=promql.scalar(1),
        severity=Severity.HEARTBEAT,
        summary="Alerting works.",
        description=(
            "This alert always fires, and its receiver is told every minute. Where it hears nothing, Prometheus, "
            "Alertmanager or the way to them is broken, and no other alert arrives either."
        ),
        board=Board.SELF,
        cases=(Case(series={_SIDECAR: "1x40"}, fires=("1m", "9m")),),
    )
