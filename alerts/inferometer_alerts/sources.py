"""Where the events of SLOs come from, as PromQL: requests judged one by one, buckets of engines, half minutes.

Each source gives two vectors with the labels of an SLO: events, and bad ones among them. A source that no SLO of the
fleet has is not in the expressions.
"""

from collections.abc import Callable, Iterable, Iterator
from functools import reduce
from typing import Final

from inferometer import promql
from inferometer.catalog import requests
from inferometer.catalog.labels import OUTCOME, RESULT, SERVICE, SLO, STAGE, TENANT
from inferometer.catalog.requests import SLO_EVENTS
from inferometer.catalog.stages import ANSWERED, FAILED
from inferometer.fleet.engine_signals import SERIES
from inferometer.fleet.objective import Sli
from inferometer.fleet.slos import ObjectiveSpec, Slo, Source
from inferometer.promql import Expr, Matcher, Part, Selector
from inferometer_alerts import recorded_slos
from inferometer_alerts.rule_labels import LE, OBJECTIVE, OF_MODEL, OF_SLO

BAD: Final = "bad"
_COUNTED: Final = promql.one_of(OUTCOME, [outcome.label for outcome in (*ANSWERED, *FAILED)])
_FAILED: Final = promql.one_of(OUTCOME, [outcome.label for outcome in FAILED])
_NANOSECONDS: Final = 10**9

Rise = Callable[[Selector], Expr]
"""What a counter rose by."""
Over = Callable[[Selector], Expr]
"""Half minutes of a window, added up."""


def counted(slos: Iterable[Slo], rise: Rise, over: Over, users: tuple[Matcher, ...]) -> tuple[Expr, Expr]:
    """Events and bad events of all SLOs, from wherever each has them.

    Args:
        slos: of the fleet, at least one.
        rise: what a counter rose by in the window.
        over: sum of half minutes over the window.
        users: which objectives watch the window.
    """
    by_source: dict[Source, list[Slo]] = {}
    for slo in slos:
        by_source.setdefault(slo.source, []).append(slo)
    pairs: list[tuple[Expr, Expr]] = []
    if Source.EVENTS in by_source:
        pairs.append(_judged(rise, users))
    pairs.extend(_of_engines(made, rise) for made in _by_objective(by_source.get(Source.BUCKETS, ())))
    if Source.SLOTS in by_source:
        pairs.append(
            (
                over(promql.select(recorded_slos.SLO_SLOTS, *users)),
                over(promql.select(recorded_slos.SLO_BAD_SLOTS, *users)),
            )
        )
    return reduce(promql.either, (events for events, _ in pairs)), reduce(promql.either, (bad for _, bad in pairs))


def _judged(rise: Rise, users: tuple[Matcher, ...]) -> tuple[Expr, Expr]:
    """Of the SLOs that fleet.yaml knows, with their objective and tenant as labels."""
    info = promql.select(recorded_slos.SLO_INFO, *users)
    keep = (OBJECTIVE, TENANT)
    of = tuple(label for label in OF_SLO if label not in keep)
    everything = promql.sum_by(rise(promql.select(SLO_EVENTS)), *of)
    bad = promql.sum_by(rise(promql.select(SLO_EVENTS, promql.equal(RESULT, BAD))), *of)
    return (
        promql.multiply(everything, info, on=(SLO,), keep=keep),
        promql.multiply(bad, info, on=(SLO,), keep=keep),
    )


def _by_objective(slos: Iterable[Slo]) -> Iterator[list[Slo]]:
    made: dict[str, list[Slo]] = {}
    for slo in slos:
        made.setdefault(slo.objective.name, []).append(slo)
    yield from made.values()


def _of_engines(slos: list[Slo], rise: Rise) -> tuple[Expr, Expr]:
    spec = slos[0].objective
    info = promql.select(
        recorded_slos.SLO_INFO,
        promql.equal(OBJECTIVE, spec.name),
        promql.one_of(SERVICE, (slo.service for slo in slos)),
    )

    def each(of_model: Expr) -> Expr:
        return promql.sum_by(promql.multiply(info, of_model, on=OF_MODEL), *OF_SLO)

    if spec.sli is Sli.AVAILABILITY:
        return (
            each(_sum(rise(promql.select(requests.REQUESTS, _COUNTED)))),
            each(_sum(rise(promql.select(requests.REQUESTS, _FAILED)))),
        )
    everything = _sum(rise(_times(spec, Part.COUNT)))
    in_time = _sum(rise(_times(spec, Part.BUCKET, _bound(spec))))
    # Where the engine has no such bucket nothing is known, rather than that all was good.
    known = promql.where(everything, in_time, on=OF_MODEL)
    return each(known), each(everything - in_time)


def _sum(expr: Expr) -> Expr:
    return promql.sum_by(expr, *OF_MODEL)


def _times(spec: ObjectiveSpec, part: Part, *matchers: Matcher) -> Selector:
    if spec.stage is not None:
        stage = promql.equal(STAGE, spec.stage.label)
        return promql.select(requests.STAGE_DURATION, stage, *matchers, part=part)
    return promql.select(SERIES[spec.sli], *matchers, part=part)


def boundaries(spec: ObjectiveSpec) -> tuple[str, ...]:
    """How a threshold may stand in `le`: Prometheus 3 writes whole numbers with a point, older ones as they come."""
    whole, rest = divmod(spec.threshold_ns or 0, _NANOSECONDS)
    if not rest:
        return f"{whole}.0", f"{whole}"
    return (f"{whole}.{rest:09d}".rstrip("0"),)


def _bound(spec: ObjectiveSpec) -> Matcher:
    return promql.one_of(LE, boundaries(spec))
