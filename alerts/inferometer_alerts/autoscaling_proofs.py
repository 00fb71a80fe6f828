"""Proof of what autoscalers read: sums and means of replicas, quantiles of latencies, budgets that burn, who is wanted.

Two replicas, told apart by their region, and beside them what must not count: another model, another service.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Final

from inferometer import promql
from inferometer.catalog.engines import KV_CACHE
from inferometer.catalog.labels import MODEL, OUTCOME, REGION, SERVICE, VERSION
from inferometer.catalog.model import Gauge
from inferometer.catalog.requests import IN_FLIGHT, QUEUE_DEPTH, REQUEST_DURATION, REQUESTS, TIME_TO_FIRST_TOKEN
from inferometer.catalog.stages import Outcome
from inferometer.fleet import durations
from inferometer.fleet.autoscaling import Targets, Wake
from inferometer.fleet.autoscaling_checks import Scaled
from inferometer.fleet.slos import Slo
from inferometer_alerts import autoscaling_latency_proofs, recorded_models, slo_series
from inferometer_alerts.autoscaling_expected import OTHER, STEPS, expect
from inferometer_alerts.policy import DIRECT_NS, Leg, budget
from inferometer_alerts.rule import Expect, Reading
from inferometer_alerts.rule_series import Recorded
from inferometer_alerts.samples import Phase

_MINUTE_NS: Final = durations.parse("1m")
_RATE: Final = Decimal(1000)


def readings(models: Sequence[Scaled], promised: Sequence[tuple[Slo, Leg]]) -> Iterator[Reading]:
    """Proof of each signal, of the first model that uses it."""
    if model := _first(models, lambda target: target.queue):
        yield _gauge(model, QUEUE_DEPTH, recorded_models.MODEL_QUEUED, ("3", "1"), ("2", "4"), at_once=7, later=5)
    if model := _first(models, lambda target: target.in_flight):
        yield _open(model)
    if model := _first(models, lambda target: target.kv_cache):
        shares = (Decimal("0.7"), Decimal("0.6"))
        yield _gauge(
            model,
            KV_CACHE,
            recorded_models.MODEL_KV_CACHE,
            ("0.9", "0.7"),
            ("0.3", "0.5"),
            at_once=shares[0],
            later=shares[1],
        )
    for signal, histogram, series, q in (
        (lambda target: target.time_to_first_token_ns, TIME_TO_FIRST_TOKEN, recorded_models.MODEL_FIRST_TOKEN, "0.9"),
        (lambda target: target.p99_ns, REQUEST_DURATION, recorded_models.MODEL_TAIL, "0.99"),
    ):
        if model := _first(models, signal):
            yield from autoscaling_latency_proofs.readings(model, histogram, series, Decimal(q))
    if promised:
        yield from _burning(promised)
    for model in models:
        if model.autoscaling.wake is not None:
            yield _wanted(model, model.autoscaling.wake)


def _first(models: Sequence[Scaled], signal: Callable[[Targets], object]) -> Scaled | None:
    return next((model for model in models if signal(model.autoscaling.target) is not None), None)


def _gauge(
    model: Scaled,
    gauge: Gauge,
    series: Recorded,
    one: tuple[str, str],
    two: tuple[str, str],
    *,
    at_once: Decimal | int,
    later: Decimal | int,
) -> Reading:
    """Two replicas whose values change; a minute later the old ones count no more."""

    def of(service: str, name: str, region: str) -> str:
        matchers = (promql.equal(SERVICE, service), promql.equal(MODEL, name), promql.equal(REGION, region))
        return promql.select(gauge, *matchers).text

    service, name = model.service.name, model.model.name
    samples = {of(service, name, region): _changing(*values) for region, values in (("eu", one), ("us", two))}
    others = {of(service, OTHER, "eu"): "1x80", of(OTHER, name, "eu"): "1x80"}
    return Reading(
        name=f"{series.name} of two replicas",
        series={**samples, **others},
        expect=(
            expect(series, model, "10m30s", at_once),
            expect(series, model, "11m", later),
            expect(series, model, "12m", later),
            # Nobody tells it any more: nobody knows it.
            Expect(series=series, at="30m"),
        ),
    )


def _open(model: Scaled) -> Reading:
    def of(service: str, region: str) -> str:
        return promql.select(IN_FLIGHT, promql.equal(SERVICE, service), promql.equal(REGION, region)).text

    service = model.service.name
    samples = {of(service, "eu"): _changing("3", "1"), of(service, "us"): _changing("2", "4")}
    return Reading(
        name=f"{recorded_models.MODEL_OPEN.name} of two replicas",
        series={**samples, of(OTHER, "eu"): "9x80"},
        expect=(
            expect(recorded_models.MODEL_OPEN, model, "10m30s", 7),
            expect(recorded_models.MODEL_OPEN, model, "11m", 5),
            expect(recorded_models.MODEL_OPEN, model, "12m", 5),
            Expect(series=recorded_models.MODEL_OPEN, at="30m"),
        ),
    )


def _changing(before: str, after: str) -> str:
    return f"{before}x{STEPS} {after}x{STEPS}"


def _burning(promised: Sequence[tuple[Slo, Leg]]) -> Iterator[Reading]:
    """A little above the budget in both windows, a little below, only for a short while, and no more."""
    slo, leg = promised[0]
    # Where all budgets of a model burn it is 1 as well.
    together = [
        other for other, its in promised if (other.service, other.model, its.long) == (slo.service, slo.model, leg.long)
    ]
    of = (slo.service, slo.model)
    models = dict.fromkeys((other.service, other.model) for other, _ in promised)
    long, short = leg.long_ns // _MINUTE_NS, leg.short_ns // _MINUTE_NS
    # The short window burns before the long one does, and ends before it.
    begun, ended = long + long * 8 // 10, 2 * long + short + max(short // 2, 1)
    for times in (Decimal("0.9"), Decimal("1.1"), Decimal("1.5")):
        series: dict[str, str] = {}
        for one in together:
            series |= _events(one, (int(long), int(long) + 1, 3 * int(short)), times)
        at = {long: False, begun: times * (begun - long) > long, 2 * long: times > 1, ended: False}
        yield Reading(
            name=f"{recorded_models.MODEL_BURNING.name} at {times} times the budget",
            series=series,
            expect=tuple(
                Expect(
                    series=recorded_models.MODEL_BURNING,
                    at=durations.render(minute * _MINUTE_NS),
                    elements=tuple(
                        ({SERVICE.name: service, MODEL.name: name}, Decimal(int((service, name) == of and burns)))
                        for service, name in models
                    ),
                )
                for minute, burns in at.items()
            ),
            step="1m",
            evaluation="1m" if leg.long_ns <= DIRECT_NS else "5m",
        )


def _events(slo: Slo, minutes: tuple[int, int, int], times: Decimal) -> Mapping[str, str]:
    """Good for a while, then so many times the budget, then a little less than it."""
    share = budget(slo.objective)
    bad = [Phase(*phase) for phase in zip(minutes, (Decimal(0), share * times, share * Decimal("0.9")), strict=True)]
    return slo_series.inputs(
        slo,
        good=[Phase(phase.samples, (1 - phase.rise) * _RATE) for phase in bad],
        bad=[Phase(phase.samples, phase.rise * _RATE) for phase in bad],
    )


def _wanted(model: Scaled, wake: Wake) -> Reading:
    def asked(service: str, name: str) -> str:
        matchers = (promql.equal(SERVICE, service), promql.equal(MODEL, name), promql.equal(VERSION, "v1"))
        return promql.select(REQUESTS, *matchers, promql.equal(OUTCOME, Outcome.OK.label)).text

    series = recorded_models.MODEL_WANTED
    # Who calls several models that sleep wakes all of them.
    of = (promql.equal(SERVICE, model.service.name), promql.equal(MODEL, model.model.name))
    return Reading(
        name=f"{series.name} by {wake.service} {wake.model}",
        series={
            # Asked until ten minutes; somebody waits from 20 minutes on.
            asked(wake.service, wake.model): "0+1x40 40x80",
            promql.select(IN_FLIGHT, promql.equal(SERVICE, wake.service)).text: "0x80 1x40",
            asked(wake.service, OTHER): "0+1x240",
            asked(OTHER, wake.model): "0+1x240",
            promql.select(IN_FLIGHT, promql.equal(SERVICE, OTHER)).text: "1x240",
        },
        expect=(
            expect(series, model, "9m", 1, only=of),
            expect(series, model, "14m", 1, only=of),
            expect(series, model, "16m", 0, only=of),
            expect(series, model, "21m", 1, only=of),
            Expect(series=series, at="50m", only=of),
        ),
    )
