"""Rule files of Prometheus from groups of rules and alerts."""

from collections.abc import Iterable
from urllib.parse import urlencode

from inferometer.fleet.model import Links
from inferometer_alerts.recorded import SEVERITY, SLO_TIER
from inferometer_alerts.rule import Alert, Group, Rule
from inferometer_alerts.time_scale import TimeScale
from inferometer_alerts.yaml_text import Yaml


def document(groups: Iterable[Group], links: Links, scale: TimeScale) -> Yaml:
    """A rule file."""
    return {
        "groups": [
            {
                "name": group.name,
                "interval": scale.every(group.interval),
                "rules": [
                    _rule(rule) if isinstance(rule, Rule) else _alert(rule, links, scale) for rule in group.rules
                ],
            }
            for group in groups
        ]
    }


def _rule(rule: Rule) -> Yaml:
    recorded: dict[str, Yaml] = {"record": rule.series.name, "expr": rule.expr.text}
    if rule.labels:
        recorded["labels"] = dict(rule.labels)
    return recorded


def _alert(alert: Alert, links: Links, scale: TimeScale) -> Yaml:
    written: dict[str, Yaml] = {"alert": alert.name, "expr": alert.expr.text}
    if alert.hold != "0s":
        written["for"] = scale.hold(alert.hold)
    return {
        **written,
        "labels": {SEVERITY.name: alert.severity.value, SLO_TIER.name: alert.tier, **alert.labels},
        "annotations": {
            "summary": alert.summary,
            "description": alert.description + scale.note,
            "runbook_url": f"{links.runbooks}/{alert.name}.md",
            "dashboard_url": _board(alert, links),
        },
    }


def _board(alert: Alert, links: Links) -> str:
    query = urlencode({"from": "now-1h", "to": "now"})
    # The template engine of Prometheus escapes the values: a route has slashes, a name may have spaces.
    variables = "".join(f"&var-{label.name}={{{{ $labels.{label.name} | urlquery }}}}" for label in alert.variables)
    return f"{links.grafana}/d/{alert.board}?{query}{variables}"
