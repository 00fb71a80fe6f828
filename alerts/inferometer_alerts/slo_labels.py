"""What recorded series of an SLO carry as labels; a label without a value is not there."""

from inferometer.catalog.labels import CLASS, MODEL, SERVICE, SLO, TENANT, VERSION
from inferometer.fleet import durations
from inferometer.fleet.slos import Slo
from inferometer_alerts import rule_labels
from inferometer_alerts.rule_labels import OBJECTIVE


def labels(slo: Slo) -> dict[str, str]:
    """What every recorded series of an SLO carries."""
    return _there(
        {
            SERVICE.name: slo.service,
            MODEL.name: slo.model,
            TENANT.name: slo.tenant,
            SLO.name: slo.name,
            OBJECTIVE.name: slo.objective.name,
        }
    )


def promised(slo: Slo) -> dict[str, str]:
    """What ``slo:info`` says besides."""
    return _there(
        {
            VERSION.name: slo.version,
            CLASS.name: slo.request_class,
            rule_labels.SLI.name: slo.objective.sli.value,
            rule_labels.TARGET.name: f"{slo.objective.target.normalize():f}",
            rule_labels.PERIOD.name: durations.render(slo.objective.window_ns),
            rule_labels.TEAM.name: slo.team,
        }
    )


def _there(values: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in values.items() if value}
