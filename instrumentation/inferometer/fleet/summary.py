"""From a fleet to thresholds.json."""

from inferometer.fleet.model import Fleet
from inferometer.fleet.slos import slos
from inferometer.fleet.thresholds import PICODOLLARS, Objective, Price, Thresholds


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
            )
            for slo in slos(fleet)
        ),
        timeouts_ns={service.name: service.timeout_ns for service in fleet.services},
        tenant_header=fleet.tenants.header if fleet.tenants else None,
        known_tenants=fleet.tenants.known if fleet.tenants else (),
        prices=tuple(
            Price(
                kind=device.match.kind.value,
                model=device.match.model,
                picodollars_per_hour=int(device.price.usd_per_hour * PICODOLLARS),
                price_kind=device.price.kind.value,
                source=device.price.source,
                as_of=device.price.as_of.isoformat(),
            )
            for device in fleet.devices
        ),
    )
