"""The SLOs of a fleet: every objective of every model, under a name of its own."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from inferometer.fleet.model import Fleet, ObjectiveSpec

_OTHER = re.compile(r"[^A-Za-z0-9._]+")


def slo_name(service: str, model: str, objective: str) -> str:
    """The value of the label `slo`: service, model and objective, joined by hyphens.

    Runs of other characters become one hyphen: the route ``/search`` of ``gateway`` gives ``gateway-search-available``.
    The loader refuses a fleet in which two models get the same name.
    """
    parts = (_OTHER.sub("-", part).strip("-") for part in (service, model, objective))
    return "-".join(part for part in parts if part)


@dataclass(frozen=True, slots=True, kw_only=True)
class Slo:
    """An objective of one model."""

    name: str
    service: str
    model: str
    objective: ObjectiveSpec


def slos(fleet: Fleet) -> Iterator[Slo]:
    """Every SLO, in the order of the file."""
    specs = {spec.name: spec for spec in fleet.objectives}
    for service in fleet.services:
        for model in service.models:
            for objective in model.objectives:
                yield Slo(
                    name=slo_name(service.name, model.name, objective),
                    service=service.name,
                    model=model.name,
                    objective=specs[objective],
                )
