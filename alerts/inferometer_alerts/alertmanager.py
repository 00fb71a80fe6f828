"""Configuration of Alertmanager: who is told, what waits for what, and which alert makes another one needless."""

from typing import Final

from inferometer.fleet.model import Fleet, Receiver
from inferometer_alerts.addresses import Addresses
from inferometer_alerts.policy import TIERS
from inferometer_alerts.rule import Severity
from inferometer_alerts.time_scale import TimeScale
from inferometer_alerts.yaml_text import Yaml

# One notification per thing that is in trouble: all legs of an SLO together, all alerts of a device together.
GROUP_BY: Final = ("service", "model", "slo", "device")
_TITLE: Final = "{{ .Status | toUpper }} {{ (index .Alerts 0).Annotations.summary }}"
_TEXT: Final = (
    "{{ range .Alerts }}{{ .Annotations.description }}\n"
    "{{ .Annotations.dashboard_url }}\n{{ .Annotations.runbook_url }}\n{{ end }}"
)


def configuration(fleet: Fleet, scale: TimeScale, addresses: Addresses) -> Yaml:
    """alertmanager.yml."""
    return {
        "route": {
            "receiver": fleet.routes.ticket,
            "group_by": list(GROUP_BY),
            **_waits(scale, wait="1m", interval="15m", repeat="1d"),
            "routes": [
                {
                    "receiver": fleet.routes.page,
                    "matchers": [f'severity="{Severity.PAGE}"'],
                    **_waits(scale, wait="10s", interval="2m", repeat="4h"),
                }
            ],
        },
        "inhibit_rules": _inhibitions(),
        "receivers": [_receiver(receiver, addresses) for receiver in fleet.receivers],
    }


def _waits(scale: TimeScale, *, wait: str, interval: str, repeat: str) -> dict[str, Yaml]:
    return {
        "group_wait": scale.every(wait),
        "group_interval": scale.every(interval),
        "repeat_interval": scale.every(repeat),
    }


def _inhibitions() -> list[Yaml]:
    rules: list[Yaml] = [
        # While a faster leg of the same SLO fires, the slower ones say nothing new.
        {
            "source_matchers": [f'slo_tier="{faster}"'],
            "target_matchers": [f'slo_tier=~"{"|".join(TIERS[rank + 1 :])}"'],
            "equal": ["slo"],
        }
        for rank, faster in enumerate(TIERS[:-1])
    ]
    # Nothing is measured while inferometer is down: that models do not report is no news of its own.
    blind = 'alertname=~"InferometerDown|InferometerNoTargets"'
    rules.append(
        {"source_matchers": [blind], "target_matchers": ['alertname="InferenceMetricsAbsent"'], "equal": ["fleet"]}
    )
    return rules


def _receiver(receiver: Receiver, addresses: Addresses) -> Yaml:
    if receiver.slack is not None:
        slack: Yaml = {
            "api_url_file": receiver.slack.url_file,
            "channel": receiver.slack.channel,
            "send_resolved": True,
            "title": _TITLE,
            "text": _TEXT,
        }
        return {"name": receiver.name, "slack_configs": [slack]}
    if receiver.pagerduty is not None:
        pagerduty: Yaml = {
            "routing_key_file": receiver.pagerduty.routing_key_file,
            "send_resolved": True,
            "description": _TITLE,
            "severity": '{{ if eq .CommonLabels.severity "page" }}critical{{ else }}warning{{ end }}',
        }
        return {"name": receiver.name, "pagerduty_configs": [pagerduty]}
    return {"name": receiver.name, "webhook_configs": [_webhook(receiver, addresses)]}


def _webhook(receiver: Receiver, addresses: Addresses) -> Yaml:
    if addresses.inbox is not None:
        return {"url": f"http://{addresses.inbox}/{receiver.name}", "send_resolved": True}
    if receiver.webhook is not None and receiver.webhook.url_file is not None:
        return {"url_file": receiver.webhook.url_file, "send_resolved": True}
    return {"url": receiver.webhook.url if receiver.webhook else None, "send_resolved": True}
