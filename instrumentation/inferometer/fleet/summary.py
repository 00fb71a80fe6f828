"""From a fleet to thresholds.json."""

from collections.abc import Iterator

from inferometer.fleet import budget_policy, device_prices
from inferometer.fleet.budget_policy import BudgetStep
from inferometer.fleet.model import Fleet
from inferometer.fleet.objective import Objective
from inferometer.fleet.service import ScrapedBy, Service
from inferometer.fleet.slos import Source, slos
from inferometer.fleet.thresholds import EnginePages, Thresholds


def thresholds(fleet: Fleet) -> Thresholds:
    """What workers and the sidecar need to know of a fleet."""
    return Thresholds(
        fleet=fleet.name,
        objectives=tuple(
            Objective(
                slo=slo.name,
                service=slo.service,
                model=slo.model,
                name=slo.objective.name,
                sli=slo.objective.sli,
                threshold_ns=slo.objective.threshold_ns,
                target=f"{slo.objective.target.normalize():f}",
                window_ns=slo.objective.window_ns,
                stage=slo.objective.stage,
                within=slo.objective.within,
                tenant=slo.tenant,
                version=slo.version,
                request_class=slo.request_class,
            )
            for slo in slos(fleet)
            if slo.source is Source.EVENTS
        ),
        timeouts_ns={service.name: service.timeout_ns for service in fleet.services},
        tenant_header=fleet.tenants.header if fleet.tenants else None,
        known_tenants=fleet.tenants.known if fleet.tenants else (),
        prices=tuple(device_prices.prices(fleet)),
        policy=tuple(BudgetStep(below=step.below, do=step.do) for step in fleet.policy) or budget_policy.DEFAULT,
        engines=tuple(
            EnginePages(
                service=service.name,
                engine=service.engine.value,
                pages=service.pages,
                version=service.version,
                model=only_model(service),
                access=service.access,
                devices=service.devices,
            )
            for service in _with_pages(fleet, ScrapedBy.SIDECAR)
        ),
        read_elsewhere=tuple(service.name for service in _with_pages(fleet, ScrapedBy.PROMETHEUS)),
    )


def _with_pages(fleet: Fleet, by: ScrapedBy) -> Iterator[Service]:
    return (one for one in fleet.services if not one.instrumented and one.pages and one.scraped_by is by)


def only_model(service: Service) -> str:
    """The model of what does not say its own; empty where the service has several."""
    return service.models[0].name if len(service.models) == 1 else ""
