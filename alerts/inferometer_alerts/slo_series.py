"""Input series of an SLO for proofs: the same events as its rules read them."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Final

from inferometer import promql
from inferometer.catalog.labels import MODEL, RESULT, SERVICE, SLO, VERSION
from inferometer.catalog.requests import SLO_EVENTS
from inferometer.fleet.slos import Slo
from inferometer_alerts.samples import Kind, Phase, counter

_VERSIONS: Final = {"v1": Decimal("0.4"), "v2": Decimal("0.6")}
"""Two versions answer, not equally often: what is not added up over them shows."""


def good(slo: Slo, phases: Iterable[Phase]) -> Mapping[str, str]:
    """Good events, of two versions."""
    made = list(phases)
    return {
        _events(slo, "good", version): counter(replace(phase, rise=phase.rise * share) for phase in made)
        for version, share in _VERSIONS.items()
    }


def bad(slo: Slo, phases: Iterable[Phase]) -> Mapping[str, str]:
    """Bad events, all of one version."""
    return {_events(slo, "bad", "v1"): counter(phases)}


def broken(slo: Slo, samples: int) -> Mapping[str, str]:
    """Events of a third version, whose page has no numbers."""
    phases = [Phase(samples, Decimal(0), Kind.NO_NUMBER)]
    return {_events(slo, result, "v3"): counter(phases) for result in RESULT.values}


def _events(slo: Slo, result: str, version: str) -> str:
    return promql.select(
        SLO_EVENTS,
        promql.equal(SERVICE, slo.service),
        promql.equal(MODEL, slo.model),
        promql.equal(SLO, slo.name),
        promql.equal(VERSION, version),
        promql.equal(RESULT, result),
    ).text
