"""Input series of an SLO for proofs: the same events as its rules read them, from wherever it has them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Final

from inferometer import promql
from inferometer.catalog.labels import MODEL, OUTCOME, RESULT, SERVICE, SLO, STAGE, VERSION
from inferometer.catalog.requests import REQUESTS, SLO_EVENTS, STAGE_DURATION
from inferometer.catalog.stages import Outcome
from inferometer.fleet.engine_signals import SERIES
from inferometer.fleet.objective import Sli
from inferometer.fleet.slos import Slo, Source
from inferometer.promql import Matcher, Part, equal
from inferometer_alerts import recorded_slos, slo_labels, sources
from inferometer_alerts.rule_labels import LE, OF_SLO
from inferometer_alerts.samples import Kind, Phase, counter, gauge

_VERSIONS: Final = {"v1": Decimal("0.4"), "v2": Decimal("0.6")}
"""Two versions answer, not equally often: what is not added up over them shows."""


def inputs(slo: Slo, *, good: Sequence[Phase] = (), bad: Sequence[Phase] = ()) -> Mapping[str, str]:
    """Good events and bad ones, of two versions; none of a kind that is not given.

    Both have the same phases, with other rises.
    """
    if slo.source is Source.SLOTS:
        return dict(_slots(slo, good, bad))
    if slo.source is Source.BUCKETS and slo.objective.sli is not Sli.AVAILABILITY:
        return dict(_buckets(slo, good, bad))
    made = {_events(slo, version, good=True): counter(_share(good, share)) for version, share in _versions(good)}
    return made | {_events(slo, version, good=False): counter(_share(bad, share)) for version, share in _versions(bad)}


def broken(slo: Slo, samples: int) -> Mapping[str, str]:
    """Events of a third version, whose page has no numbers; none of what is looked at."""
    phases = [Phase(samples, Decimal(0), Kind.NO_NUMBER)]
    if slo.source is Source.SLOTS:
        return {}
    if slo.source is Source.BUCKETS and slo.objective.sli is not Sli.AVAILABILITY:
        return {_histogram(slo, "v3", part): counter(phases) for part in (Part.COUNT, Part.BUCKET)}
    return {_events(slo, "v3", good=result): counter(phases) for result in (True, False)}


def about(slo: Slo) -> frozenset[str]:
    """What the series of an SLO are about: itself, and where requests are not judged for it alone, its model."""
    return frozenset({slo.name} if slo.source is Source.EVENTS else {slo.name, f"{slo.service} {slo.model}"})


def _versions(phases: Sequence[Phase]) -> list[tuple[str, Decimal]]:
    return list(_VERSIONS.items()) if phases else []


def _share(phases: Sequence[Phase], share: Decimal) -> list[Phase]:
    return [replace(phase, rise=phase.rise * share) for phase in phases]


def _none(phases: Sequence[Phase]) -> list[Phase]:
    return _share(phases, Decimal(0))


def _sum(some: Sequence[Phase], others: Sequence[Phase]) -> list[Phase]:
    return [replace(one, rise=one.rise + other.rise) for one, other in zip(some, others, strict=True)]


def _slots(slo: Slo, good: Sequence[Phase], bad: Sequence[Phase]) -> Iterator[tuple[str, str]]:
    good, bad = good or _none(bad), bad or _none(good)
    said = slo_labels.labels(slo)
    of = [equal(label, said[label.name]) for label in OF_SLO if label.name in said]
    yield promql.select(recorded_slos.SLO_SLOTS, *of).text, gauge(_sum(good, bad))
    yield promql.select(recorded_slos.SLO_BAD_SLOTS, *of).text, gauge(bad)


def _buckets(slo: Slo, good: Sequence[Phase], bad: Sequence[Phase]) -> Iterator[tuple[str, str]]:
    good, bad = good or _none(bad), bad or _none(good)
    for version, share in _VERSIONS.items():
        in_time = _share(good, share)
        yield _histogram(slo, version, Part.BUCKET), counter(in_time)
        yield _histogram(slo, version, Part.COUNT), counter(_sum(in_time, _share(bad, share)))


def _histogram(slo: Slo, version: str, part: Part) -> str:
    spec = slo.objective
    matchers: list[Matcher] = [*_of(slo), equal(VERSION, version)]
    if spec.stage is not None:
        matchers.append(equal(STAGE, spec.stage.label))
    if part is Part.BUCKET:
        matchers.append(equal(LE, sources.boundaries(spec)[0]))
    series = SERIES[spec.sli] if spec.stage is None else STAGE_DURATION
    return promql.select(series, *matchers, part=part).text


def _events(slo: Slo, version: str, *, good: bool) -> str:
    of = (*_of(slo), equal(VERSION, version))
    if slo.source is Source.BUCKETS:
        outcome = Outcome.OK if good else Outcome.SERVER_ERROR
        return promql.select(REQUESTS, *of, equal(OUTCOME, outcome.label)).text
    result = RESULT.values[0] if good else RESULT.values[1]
    return promql.select(SLO_EVENTS, *of, equal(SLO, slo.name), equal(RESULT, result)).text


def _of(slo: Slo) -> tuple[Matcher, ...]:
    return equal(SERVICE, slo.service), equal(MODEL, slo.model)
