"""Whose alert it is: the label ``team``, from the service that an alert is about."""

from inferometer.catalog.labels import SERVICE
from inferometer.fleet.model import Fleet
from inferometer.fleet.teams import services_by_team
from inferometer.promql import quote
from inferometer_alerts.rule import Alert
from inferometer_alerts.rule_labels import TEAM


def labels(alert: Alert, fleet: Fleet) -> dict[str, str]:
    """The label ``team`` of an alert; none where fleet.yaml names no team.

    One rule watches all services, so the value is a template: a choice by the service's name. Where an alert is about
    no service, or about one that is not in fleet.yaml, it is the fleet's own team.
    """
    if TEAM.name in alert.labels or TEAM.name in alert.expr.labels:
        return {}
    owned = services_by_team(fleet)
    default = fleet.team or ""
    others = {team: services for team, services in owned.items() if team != default}
    if not others or SERVICE.name not in alert.expr.labels:
        return {TEAM.name: default} if default else {}
    # A string literal of PromQL is one of Go's template language, too.
    cases = [f"if eq $labels.service {' '.join(map(quote, services))} }}}}{team}" for team, services in others.items()]
    return {TEAM.name: f"{{{{ {'{{ else '.join(cases)}{{{{ else }}}}{default}{{{{ end }}}}"}
