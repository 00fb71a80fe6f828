"""Objectives of foreign engines: what their pages can tell, and at which boundaries."""

from typing import Final

from inferometer.catalog.stages import FAILED
from inferometer.fleet import durations, engines
from inferometer.fleet.document import Mapping, Sequence, Value, at, wrong
from inferometer.fleet.engine_signals import SERIES, signal
from inferometer.fleet.engines import Boundaries, Quality
from inferometer.fleet.model import Fleet
from inferometer.fleet.objective import Sli
from inferometer.fleet.service import Service
from inferometer.fleet.slos import Slo

_ENOUGH: Final = {
    True: frozenset({Quality.EXACT, Quality.APPROXIMATE}),
    # What is counted may be too little, but what is counted is right.
    False: frozenset({Quality.EXACT, Quality.APPROXIMATE, Quality.LOWER_BOUND}),
}
"""How good a signal has to be for an objective, with a threshold and without one."""
_TIMED: Final = frozenset({Sli.LATENCY, Sli.TIME_TO_FIRST_CHUNK, Sli.TIME_TO_FIRST_TOKEN, Sli.TIME_PER_OUTPUT_TOKEN})
"""Those with a threshold."""
_OF_PAGES: Final = ("version", "pages", "scraped_by", "access", "devices", "buckets")
_MILLISECOND_NS: Final = 10**6
_FAILURES: Final = frozenset(outcome.label for outcome in FAILED)


def check(service: Service, slo: Slo, root: Mapping, place: Value) -> None:
    """Check an SLO of a foreign engine; of others nothing is asked.

    Args:
        service: that promises it.
        slo: what it promises.
        root: the document.
        place: where it promises it.

    Raises:
        FleetError: the engine's page cannot tell it.
    """
    if service.instrumented or slo.objective.sli is Sli.COST_PER_1K:
        return
    spec, engine = slo.objective, service.engine.value
    scope = {"tenant": slo.tenant, "version": slo.version, "class": slo.request_class}
    for name in (name for name, value in scope.items() if value):
        raise wrong(place, f"{spec.name} is for a {name}, but the page of {engine} has none", "promise it of all")
    told_by = signal(spec)
    if told_by is None:
        raise wrong(
            place,
            f"{spec.sli} cannot be read from {engine}: its page has each time by itself, not all of one request",
            "promise availability, time_to_first_token and time_per_output_token one by one",
        )
    told = engines.boundaries(engine, service.version, service.buckets).get(told_by, Boundaries(quality=Quality.ABSENT))
    threshold_ns = spec.threshold_ns if spec.sli is not Sli.FRESHNESS else None
    if told.quality not in _ENOUGH[threshold_ns is not None]:
        raise wrong(
            place,
            f"{spec.sli} cannot be read from {engine}: {_why(told)}",
            f"switch it on: {told.flag}" if told.flag else _instead(service),
        )
    if not told.by_model and len(service.models) > 1:
        raise wrong(
            place,
            f"{spec.sli} of one model cannot be read from {engine}: its page tells it of all models together",
            "write one model for all of them, `models: {all: …}`: what does not say its model is of that",
        )
    if spec.sli is Sli.AVAILABILITY and not _FAILURES.intersection(told.outcomes):
        raise wrong(place, f"{spec.sli} cannot be read from {engine}: its page tells no failures", "promise a time")
    if threshold_ns is not None:
        _check_bucket(
            threshold_ns, told, _threshold(root, slo), f"{spec.sli} ≤ {durations.render(threshold_ns)}", engine
        )


def check_pages(fleet: Fleet, root: Mapping) -> None:
    """Check what services say of their engines' pages.

    Raises:
        FleetError: a service is no foreign engine, so it has none, two have the same page, or it is not clear which
            devices are whose.
    """
    of: dict[str, str] = {}
    for service in fleet.services:
        written = at(root, "services", service.name)
        for name in _OF_PAGES if service.instrumented else ():
            if isinstance(written, Mapping) and written.get(name) is not None:
                raise wrong(
                    at(written, name),
                    f"services.{service.name}.{name} is for foreign engines, {service.engine} is instrumented",
                    "remove it, or name the engine whose page is read",
                )
        if len(service.devices) > 1 and len(service.devices) != len(service.pages):
            raise wrong(
                at(written, "devices"),
                f"services.{service.name}.devices has {len(service.devices)} entries for {len(service.pages)} pages",
                "one entry for each page or one for all; devices of one engine stand in one entry, with commas",
            )
        for number, page in enumerate(service.pages):
            if of.setdefault(page, service.name) != service.name:
                place = at(written, "pages")
                item = place.items[number] if isinstance(place, Sequence) else place
                raise wrong(item, f"{page} is a page of {of[page]}, too", "a page is of one service")


def _why(told: Boundaries) -> str:
    if told.quality is Quality.ABSENT:
        return told.reason or "its page does not tell it."
    return f"{told.quality.value.replace('_', ' ')}: {told.reason}"


def _instead(service: Service) -> str:
    """What the engine can carry, for who promised something else."""
    told = engines.boundaries(service.engine.value, service.version, service.buckets)
    absent = Boundaries(quality=Quality.ABSENT)
    could = [
        sli.value
        for sli, series in SERIES.items()
        if (of := told.get(series.name, absent)).quality in _ENOUGH[sli in _TIMED]
        and (sli is not Sli.AVAILABILITY or _FAILURES.intersection(of.outcomes))
    ]
    return f"promise what it tells: {', '.join(could)}; or measure it in the server itself: import inferometer.auto"


def _threshold(root: Mapping, slo: Slo) -> Value:
    """The threshold as it is written, where it is written nearest to the model."""
    service = at(root, "services", slo.service)
    owners = (at(service, "models", slo.model), service)
    for owner in owners:
        place = at(owner, "overrides", slo.promise)
        if isinstance(place, Mapping) and place.get("threshold") is not None:
            return at(place, "threshold")
    return at(root, "objectives", slo.promise, "threshold")


def _check_bucket(threshold_ns: int, told: Boundaries, place: Value, what: str, engine: str) -> None:
    bounds = [round(bound * 1e9) for bound in told.le]
    if threshold_ns in bounds:
        return
    below = [bound for bound in bounds if bound < threshold_ns]
    above = [bound for bound in bounds if bound > threshold_ns]
    near = [*below[-1:], *above[:1]]
    # A duration is written in whole milliseconds.
    could = [durations.render(bound) for bound in near if not bound % _MILLISECOND_NS]
    shown = ", ".join(_milliseconds(bound) for bound in near)
    raise wrong(
        place,
        f"{what} cannot be read from {engine}: its buckets are {f'… {shown} …' if near else 'not known'}",
        " or ".join(("write " + could[0], *could[1:])) if could else "",
    )


def _milliseconds(ns: int) -> str:
    return durations.render(ns) if not ns % _MILLISECOND_NS else f"{ns / _MILLISECOND_NS:.4g}ms"
