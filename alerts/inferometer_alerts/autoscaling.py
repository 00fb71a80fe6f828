"""Signals of autoscaling: what is asked of Prometheus for a model, and how many replicas its answer means.

Two kinds, as Kubernetes has them. An *average value* is a sum over all replicas, divided by what one shall bear. A
*value* is a multiple of the target, by which the number of replicas is multiplied: latencies and shares.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from inferometer import promql
from inferometer.catalog.labels import MODEL, SERVICE
from inferometer.fleet import durations
from inferometer.fleet.autoscaling_checks import Scaled
from inferometer.fleet.model import Fleet
from inferometer.promql import Expr, Matcher
from inferometer_alerts import recorded_models
from inferometer_alerts.autoscaling_rules import guarded
from inferometer_alerts.rule_series import Recorded

# One round at most doubles the replicas, however slow things are: a queue that stands makes any latency (llm-d).
MOST_AT_ONCE: Final = 2
_SECOND_NS: Final = 10**9


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """One number that an autoscaler reads of a model.

    Attributes:
        name: Unique among the model's signals.
        series: The recorded series.
        query: What Prometheus is asked: one element, or none where nobody knows.
        target: Of an average value per replica; of a value the multiple that is right, which is 1.
        per_replica: Whether it is an average value.
        means: For people.
    """

    name: str
    series: promql.Selector
    query: Expr
    target: Decimal
    per_replica: bool
    means: str

    @property
    def metric_type(self) -> str:
        """As Kubernetes calls it."""
        return "AverageValue" if self.per_replica else "Value"


def signals(fleet: Fleet, model: Scaled) -> tuple[Signal, ...]:
    """The signals of a model; the one that asks for most replicas counts."""
    return tuple(_signals(fleet, model))


def _signals(fleet: Fleet, model: Scaled) -> Iterator[Signal]:
    target = model.autoscaling.target
    if target.queue is not None:
        yield _per_replica(model, "queue", recorded_models.MODEL_QUEUED, target.queue, "requests wait per replica")
    if target.in_flight is not None:
        yield _per_replica(
            model, "in-flight", recorded_models.MODEL_OPEN, target.in_flight, "requests are open per replica"
        )
    if target.kv_cache is not None:
        means = f"the KV caches are {target.kv_cache.normalize():f} % full"
        yield _multiple(model, "kv-cache", recorded_models.MODEL_KV_CACHE, target.kv_cache / 100, means)
    if (nanoseconds := target.time_to_first_token_ns) is not None:
        means = f"90 % of first tokens come within {durations.render(nanoseconds)}"
        yield _multiple(model, "first-token", recorded_models.MODEL_FIRST_TOKEN, _seconds(nanoseconds), means)
    if (nanoseconds := target.p99_ns) is not None:
        means = f"99 % of requests take {durations.render(nanoseconds)} or less"
        yield _multiple(model, "p99", recorded_models.MODEL_TAIL, _seconds(nanoseconds), means)
    if guarded(fleet, (model,)):
        # 1 keeps as many replicas as there are, 0 asks for none: it never adds one, and lets none go while it is 1.
        yield Signal(
            name="burning",
            series=(burning := promql.select(recorded_models.MODEL_BURNING, *_of(model))),
            query=promql.max_by(burning),
            target=Decimal(1),
            per_replica=False,
            means="no replica goes while an error budget burns",
        )
    if model.autoscaling.wake is not None:
        yield Signal(
            name="wanted",
            series=(wanted := promql.select(recorded_models.MODEL_WANTED, *_of(model))),
            query=promql.max_by(wanted),
            target=Decimal(1),
            per_replica=True,
            means="one replica while somebody asks for it",
        )


def _per_replica(model: Scaled, name: str, series: Recorded, target: Decimal, means: str) -> Signal:
    return Signal(
        name=name,
        series=(now := promql.select(series, *_of(model))),
        query=promql.max_by(_known(model, now)),
        target=target,
        per_replica=True,
        means=f"{target.normalize():f} {means}",
    )


def _multiple(model: Scaled, name: str, series: Recorded, target: Decimal, means: str) -> Signal:
    selected = promql.select(series, *_of(model))
    now = promql.at_most(selected / target, MOST_AT_ONCE)
    return Signal(
        name=name,
        series=selected,
        query=promql.max_by(_known(model, now)),
        target=Decimal(1),
        per_replica=False,
        means=means,
    )


def _known(model: Scaled, now: Expr) -> Expr:
    """The signal; of a model that sleeps 0 while nobody asks for it: then there is no replica that could say it."""
    if model.autoscaling.wake is None:
        return now
    return promql.either(now, promql.select(recorded_models.MODEL_WANTED, *_of(model)).equals(0))


def _of(model: Scaled) -> tuple[Matcher, Matcher]:
    return promql.equal(SERVICE, model.service.name), promql.equal(MODEL, model.model.name)


def _seconds(nanoseconds: int) -> Decimal:
    return Decimal(nanoseconds) / _SECOND_NS
