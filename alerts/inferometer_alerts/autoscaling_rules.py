"""Recording rules of what autoscalers read: one number per model and signal, absent where nobody knows it.

An autoscaler that takes an absent signal for 0 takes replicas away when Prometheus has lost them. So nothing here is 0
unless it is known to be: no request in a histogram that is there is 0 seconds, a histogram that is gone is nothing.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import reduce
from typing import Final

from inferometer import promql
from inferometer.catalog.engines import KV_CACHE
from inferometer.catalog.labels import MODEL, SERVICE, SLO
from inferometer.catalog.model import Histogram
from inferometer.catalog.requests import IN_FLIGHT, QUEUE_DEPTH, REQUEST_DURATION, REQUESTS, TIME_TO_FIRST_TOKEN
from inferometer.fleet.autoscaling import Targets
from inferometer.fleet.autoscaling_checks import Scaled, scaled, slos_of
from inferometer.fleet.model import Fleet
from inferometer.fleet.objective import COUNTED
from inferometer.fleet.slos import Slo
from inferometer.promql import Expr, Matcher, Part
from inferometer_alerts import autoscaling_proofs, recorded_models, recorded_slos
from inferometer_alerts.policy import Leg, legs
from inferometer_alerts.rule import Group, Rule
from inferometer_alerts.rule_labels import LE, OF_MODEL
from inferometer_alerts.time_scale import TimeScale

INTERVAL: Final = "15s"
"""As often as samples come; KEDA asks as often."""
# The most of a minute: a peak between two polls counts, as in llm-d's saturation scaling.
PEAK: Final = "1m"
LATENCY: Final = "2m"
WANTED: Final = "5m"
_FAST: Final = "fast"


def groups(fleet: Fleet, scale: TimeScale) -> tuple[Group, ...]:
    """One group; none where nothing is scaled."""
    models = tuple(scaled(fleet))
    if not models:
        return ()
    promised = [(slo, fast(slo)) for slo in guarded(fleet, models)]
    return (
        Group(
            name="autoscaling",
            interval=INTERVAL,
            rules=tuple(_rules(fleet, models, scale)),
            readings=tuple(autoscaling_proofs.readings(models, promised)),
        ),
    )


def _rules(fleet: Fleet, models: Sequence[Scaled], scale: TimeScale) -> Iterator[Rule]:
    if queued := _using(models, lambda target: target.queue):
        peak = promql.max_over_time(promql.select(QUEUE_DEPTH, *_of(queued)), scale.over(PEAK))
        yield Rule(series=recorded_models.MODEL_QUEUED, expr=promql.sum_by(peak, *OF_MODEL))
    for model in _using(models, lambda target: target.in_flight):
        of = promql.equal(SERVICE, model.service.name)
        peak = promql.max_over_time(promql.select(IN_FLIGHT, of), scale.over(PEAK))
        # Known per service: all that is open in its replicas is theirs to bear, whichever model it is for.
        yield Rule(
            series=recorded_models.MODEL_OPEN, expr=promql.sum_by(peak, SERVICE), labels={MODEL.name: model.model.name}
        )
    if cached := _using(models, lambda target: target.kv_cache):
        peak = promql.max_over_time(promql.select(KV_CACHE, *_of(cached)), scale.over(PEAK))
        yield Rule(series=recorded_models.MODEL_KV_CACHE, expr=promql.average_by(peak, *OF_MODEL))
    if streamed := _using(models, lambda target: target.time_to_first_token_ns):
        expr = _quantile(TIME_TO_FIRST_TOKEN, 0.9, _of(streamed), scale.over(LATENCY))
        yield Rule(series=recorded_models.MODEL_FIRST_TOKEN, expr=expr)
    if timed := _using(models, lambda target: target.p99_ns):
        expr = _quantile(REQUEST_DURATION, 0.99, _of(timed), scale.over(LATENCY))
        yield Rule(series=recorded_models.MODEL_TAIL, expr=expr)
    if promised := guarded(fleet, models):
        yield Rule(series=recorded_models.MODEL_BURNING, expr=_burning(promised))
    yield from (_wanted(model, scale) for model in models if model.autoscaling.wake is not None)


def _using(models: Sequence[Scaled], signal: Callable[[Targets], object]) -> list[Scaled]:
    return [model for model in models if signal(model.autoscaling.target) is not None]


def _of(models: Sequence[Scaled]) -> tuple[Matcher, Matcher]:
    return (
        promql.one_of(SERVICE, (model.service.name for model in models)),
        promql.one_of(MODEL, (model.model.name for model in models)),
    )


def _quantile(histogram: Histogram, q: float, of: Sequence[Matcher], window: str) -> Expr:
    """A quantile from native histograms, else from classic buckets; 0 where there was no request."""
    native = promql.sum_by(promql.rate(promql.select(histogram, *of), window), *OF_MODEL)
    buckets = promql.rate(promql.select(histogram, *of, part=Part.BUCKET), window)
    classic = promql.sum_by(buckets, *OF_MODEL, LE)
    ended = promql.sum_by(promql.rate(promql.select(histogram, *of, part=Part.COUNT), window), *OF_MODEL)
    # Without a request a quantile is NaN, which is not above 0.
    known = promql.either(promql.quantile(q, native) > 0, promql.quantile(q, classic) > 0)
    return promql.either(known, ended.equals(0))


def guarded(fleet: Fleet, models: Sequence[Scaled]) -> tuple[Slo, ...]:
    """The SLOs of scaled models that more replicas can help."""
    return slos_of(fleet, ((model.service.name, model.model.name) for model in models), COUNTED)


def _burning(promised: Sequence[Slo]) -> Expr:
    """1 where some budget burns in the long and in the short window of the fast leg, 0 where none does."""
    windows: dict[tuple[str, str], list[Slo]] = {}
    for slo in promised:
        leg = fast(slo)
        windows.setdefault((leg.long, leg.short), []).append(slo)
    burning = reduce(promql.either, (_both(long, short, of) for (long, short), of in windows.items()))
    quiet = promql.select(recorded_slos.SLO_BUDGET, promql.one_of(SLO, (slo.name for slo in promised)))
    return promql.max_by(promql.either(burning * 0 + 1, quiet * 0), *OF_MODEL)


def _both(long: str, short: str, promised: Sequence[Slo]) -> Expr:
    of = promql.one_of(SLO, (slo.name for slo in promised))
    return promql.both(
        promql.select(recorded_slos.burn_rate(long), of) > 1,
        promql.select(recorded_slos.burn_rate(short), of) > 1,
    )


def fast(slo: Slo) -> Leg:
    """The leg whose windows say whether a budget burns now."""
    return next(leg for leg in legs(slo.objective) if leg.tier == _FAST)


def _wanted(model: Scaled, scale: TimeScale) -> Rule:
    wake = model.autoscaling.wake
    if wake is None:
        raise ValueError(f"{model.what} does not sleep")
    asked = promql.select(REQUESTS, promql.equal(SERVICE, wake.service), promql.equal(MODEL, wake.model))
    ended = promql.sum_by(promql.increase(asked, scale.over(WANTED)))
    # What waits for the sleeper has not ended yet.
    waiting = promql.sum_by(promql.select(IN_FLIGHT, promql.equal(SERVICE, wake.service)))
    return Rule(
        series=recorded_models.MODEL_WANTED,
        expr=promql.either((ended + waiting > 0) * 0 + 1, ended * 0),
        labels={SERVICE.name: model.service.name, MODEL.name: model.model.name},
    )
