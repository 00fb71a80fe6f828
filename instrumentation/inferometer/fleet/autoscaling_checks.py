"""Checks what fleet.yaml says of replicas: what cannot scale, or would break its own objective, is refused."""

from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass, fields, replace
from typing import Final

from inferometer.fleet import durations
from inferometer.fleet.autoscaling import NOTICE_NS, Autoscaler, Autoscaling, Targets
from inferometer.fleet.document import Mapping, Value, at, wrong
from inferometer.fleet.kubernetes import object_name
from inferometer.fleet.model import Fleet
from inferometer.fleet.objective import COUNTED, Sli
from inferometer.fleet.scalars import nearest
from inferometer.fleet.schema import keys
from inferometer.fleet.service import Model, Service
from inferometer.fleet.slos import Slo, slos

HURT: Final = frozenset(COUNTED) - {Sli.TIME_PER_OUTPUT_TOKEN}
"""What a request that waits for the first replica is bad for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scaled:
    """A model with an autoscaler."""

    service: Service
    model: Model
    autoscaling: Autoscaling

    @property
    def what(self) -> str:
        """Path of keys to it."""
        return f"services.{self.service.name}.models.{self.model.name}.autoscaling"


def scaled(fleet: Fleet) -> Iterator[Scaled]:
    """Every model that declares autoscaling, in the order of the file."""
    for service in fleet.services:
        for model in service.models:
            if model.autoscaling is not None:
                yield Scaled(service=service, model=model, autoscaling=model.autoscaling)


def deployment(service: Service) -> str:
    """Name of a service's Deployment."""
    return service.kubernetes.deployment or object_name(service.name)


def slos_of(fleet: Fleet, models: Iterable[tuple[str, str]], slis: Container[Sli]) -> tuple[Slo, ...]:
    """The SLOs of some models, given as service and model, of some kinds."""
    wanted = frozenset(models)
    named = {service for service, _ in wanted}
    # A fleet of hundreds of models is asked for each of them: only their services are looked at.
    few = replace(fleet, services=tuple(service for service in fleet.services if service.name in named))
    return tuple(slo for slo in slos(few) if (slo.service, slo.model) in wanted and slo.objective.sli in slis)


def wake_objectives(fleet: Fleet, model: Scaled) -> tuple[Slo, ...]:
    """Objectives that a request breaks which has to wait for the first replica: the model's and its caller's."""
    wake = model.autoscaling.wake
    of = {(model.service.name, model.model.name), *([(wake.service, wake.model)] if wake else [])}
    return slos_of(fleet, of, HURT)


def check(fleet: Fleet, root: Mapping) -> None:
    """Check every ``autoscaling``, and that no two services are one Deployment.

    Raises:
        FleetError: something cannot be right.
    """
    _deployments(fleet, root)
    first: dict[str, Scaled] = {}
    for model in scaled(fleet):
        place = at(root, "services", model.service.name, "models", model.model.name, "autoscaling")
        if (other := first.setdefault(model.service.name, model)) is not model:
            raise wrong(
                place,
                f"services.{model.service.name} is scaled by its model {other.model.name} already",
                "a Deployment has one autoscaler: keep one of the two",
            )
        _kind(first, model, place)
        _bounds(model, place)
        _targets(model, place)
        if not model.autoscaling.min:
            _sleep(fleet, model, place)
        elif model.autoscaling.wake is not None:
            raise wrong(
                _part(place, "wake"), f"{model.what}.wake is for models that sleep", "remove it, or write min: 0"
            )


def _deployments(fleet: Fleet, root: Mapping) -> None:
    first: dict[str, Service] = {}
    for service in fleet.services:
        name = deployment(service)
        if (other := first.setdefault(name, service)) is not service:
            raise wrong(
                at(root, "services", service.name, "kubernetes", "deployment"),
                f"services.{service.name} and services.{other.name} are both the Deployment {name!r}",
                f"write `kubernetes: {{deployment: {name}-2}}`, or as it is called",
            )


def _kind(earlier: dict[str, Scaled], model: Scaled, place: Value) -> None:
    other = next(iter(earlier.values()))
    if other.autoscaling.kind is not model.autoscaling.kind:
        raise wrong(
            _part(place, "kind"),
            f"{model.what} is scaled by {model.autoscaling.kind}, {other.what} by {other.autoscaling.kind}",
            "write one kind everywhere: only one of KEDA and prometheus-adapter can serve a cluster's external metrics",
        )


def _bounds(model: Scaled, place: Value) -> None:
    said = model.autoscaling
    if said.max < max(said.min, 1):
        raise wrong(
            _part(place, "max"),
            f"{model.what}: at most {said.max} replicas, but at least {said.min}",
            f"write max: {max(said.min, 1)} or more",
        )
    if not said.min and said.kind is Autoscaler.HPA:
        raise wrong(
            _part(place, "min"),
            f"{model.what}: a HorizontalPodAutoscaler keeps at least one replica",
            "write min: 1, or kind: keda",
        )


def _targets(model: Scaled, place: Value) -> None:
    targets, where = model.autoscaling.target, _part(place, "target")
    if all(getattr(targets, field.name) is None for field in fields(targets)):
        known = ", ".join(entry.name for entry in keys(Targets))
        raise wrong(where, f"{model.what}.target names no signal", f"write one or more of {known}")
    if targets.kv_cache is not None and model.service.instrumented:
        raise wrong(
            _part(where, "kv_cache"),
            f"{model.what}.target.kv_cache: {model.service.engine} has no KV cache, so that the signal never comes",
            "remove it; queue and in_flight are known of every service",
        )
    for name, nanoseconds in (("time_to_first_token", targets.time_to_first_token_ns), ("p99", targets.p99_ns)):
        if nanoseconds is not None and nanoseconds >= model.service.timeout_ns:
            raise wrong(
                _part(where, name),
                f"{model.what}.target.{name}: {durations.render(nanoseconds)} is never reached, the service gives up "
                f"after {durations.render(model.service.timeout_ns)}",
                "write a time that users still like",
            )


def _sleep(fleet: Fleet, model: Scaled, place: Value) -> None:
    said = model.autoscaling
    if said.cold_start_ns is None:
        raise wrong(place, f"{model.what} sleeps (min: 0), but lacks the key 'cold_start'", "add `cold_start: 40s`")
    if said.wake is None:
        raise wrong(
            place,
            f"{model.what} sleeps (min: 0), but lacks the key 'wake': nothing runs that could see a request",
            "add `wake: {service: gateway, model: /search}`: who is asked first",
        )
    _caller(fleet, model, _part(place, "wake"))
    waits = NOTICE_NS + said.cold_start_ns
    for slo in wake_objectives(fleet, model):
        allowed = int((1 - slo.objective.target / 100) * slo.objective.window_ns)
        if waits > allowed:
            raise wrong(
                _part(place, "min"),
                f"{model.what}: one cold start takes up to {durations.render(waits)}, but {slo.name} allows "
                f"{durations.render(allowed)} in {durations.render(slo.objective.window_ns)}",
                "write min: 1, or promise less",
            )


def _caller(fleet: Fleet, model: Scaled, place: Value) -> None:
    wake = model.autoscaling.wake
    if wake is None:
        return
    service = next((service for service in fleet.services if service.name == wake.service), None)
    if service is None:
        known = tuple(service.name for service in fleet.services)
        raise wrong(_part(place, "service"), f"there is no service {wake.service!r}", nearest(wake.service, known))
    caller = next((entry for entry in service.models if entry.name == wake.model), None)
    if caller is None:
        known = tuple(entry.name for entry in service.models)
        raise wrong(
            _part(place, "model"), f"services.{wake.service} has no model {wake.model!r}", nearest(wake.model, known)
        )
    if any(entry.autoscaling is not None and not entry.autoscaling.min for entry in service.models):
        raise wrong(
            place, f"{model.what}.wake: services.{wake.service} sleeps itself", "name a service that always runs"
        )


def _part(place: Value, name: str) -> Value:
    found = place.get(name) if isinstance(place, Mapping) else None
    return place if found is None else found
