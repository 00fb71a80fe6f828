"""Rule files of Prometheus from groups of rules and alerts."""

from collections.abc import Iterable

from inferometer.fleet.model import Fleet
from inferometer_alerts import facts, links, ownership
from inferometer_alerts.rule import Alert, Group, Rule
from inferometer_alerts.rule_labels import SEVERITY, SLO_TIER
from inferometer_alerts.time_scale import TimeScale
from inferometer_alerts.yaml_text import Yaml


def document(groups: Iterable[Group], fleet: Fleet, scale: TimeScale) -> Yaml:
    """A rule file."""
    return {
        "groups": [
            {
                "name": group.name,
                "interval": scale.every(group.interval),
                "rules": [
                    _rule(rule) if isinstance(rule, Rule) else _alert(rule, fleet, scale) for rule in group.rules
                ],
            }
            for group in groups
        ]
    }


def _rule(rule: Rule) -> Yaml:
    recorded: dict[str, Yaml] = {"record": rule.series.name, "expr": rule.expr.text}
    # A label without a value is no label.
    if labels := {name: value for name, value in rule.labels.items() if value}:
        recorded["labels"] = labels
    return recorded


def _alert(alert: Alert, fleet: Fleet, scale: TimeScale) -> Yaml:
    written: dict[str, Yaml] = {"alert": alert.name, "expr": alert.expr.text}
    if alert.hold != "0s":
        written["for"] = scale.hold(alert.hold)
    return {
        **written,
        "labels": {
            SEVERITY.name: alert.severity.value,
            SLO_TIER.name: alert.tier,
            **ownership.labels(alert, fleet),
            **alert.labels,
        },
        "annotations": {
            "summary": alert.summary,
            "description": alert.description + scale.note,
            **facts.annotations(alert, scale),
            **links.annotations(alert, fleet.links, scale),
        },
    }
