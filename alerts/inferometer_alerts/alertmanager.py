"""Configuration of Alertmanager: who is told, what waits for what, and which alert makes another one needless."""

from typing import Final

from inferometer.fleet.model import Fleet
from inferometer_alerts import receivers
from inferometer_alerts.addresses import Addresses
from inferometer_alerts.policy import TIERS
from inferometer_alerts.rule import Severity
from inferometer_alerts.time_scale import TimeScale
from inferometer_alerts.yaml_text import Yaml

# One notification per thing that is in trouble: all legs of an SLO together, all alerts of a device together.
GROUP_BY: Final = ("service", "model", "slo", "device")


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
                },
                *_heartbeat(fleet, scale),
            ],
        },
        "inhibit_rules": _inhibitions(),
        "receivers": [receivers.configuration(receiver, addresses) for receiver in fleet.receivers],
    }


def _heartbeat(fleet: Fleet, scale: TimeScale) -> list[Yaml]:
    if fleet.routes.heartbeat is None:
        return []
    return [
        {
            "receiver": fleet.routes.heartbeat,
            "matchers": [f'severity="{Severity.HEARTBEAT}"'],
            # Alertmanager repeats at a round of the group's interval only.
            **_waits(scale, wait="1s", interval="1m", repeat="1m"),
        }
    ]


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
