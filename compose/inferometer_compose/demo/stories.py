"""Alerts as the inbox got them, told in seconds of the run."""

from collections.abc import Iterable, Mapping

from inferometer.catalog import labels
from inferometer_compose.screens.figures import AlertStory
from inferometer_compose.stack.inbox import Delivered

# Labels of alerts, not of series: Alertmanager's routes and inhibitions read them.
SEVERITY, TIER = "severity", "slo_tier"


_ABOUT = (labels.SERVICE, labels.MODEL, labels.DEVICE)


def about(of: Mapping[str, str]) -> str:
    """What an alert is about, by its labels: ``embedder minilm``, a device; empty where it is about everything."""
    return " ".join(value for label in _ABOUT if (value := of.get(label.name)))


def stories(alerts: Iterable[Delivered], *, since: float) -> tuple[AlertStory, ...]:
    """The alerts in the order in which they fired.

    Args:
        alerts: As they arrived.
        since: When the load began, in seconds since 1970.
    """
    told = [
        AlertStory(
            name=alert.name,
            severity=alert.labels.get(SEVERITY, ""),
            tier=alert.labels.get(TIER, ""),
            slo=alert.labels.get(labels.SLO.name, ""),
            about=about(alert.labels),
            fired_at=alert.fired_at - since,
            received_at=alert.received_at - since,
            resolved_at=None if alert.resolved_at is None else alert.resolved_at - since,
        )
        for alert in alerts
    ]
    return tuple(sorted(told, key=lambda story: story.fired_at))


def firing(told: Iterable[AlertStory], *, now: float) -> tuple[tuple[str, float], ...]:
    """Severity and age of what fires now: one entry per severity, its oldest alert."""
    ages: dict[str, float] = {}
    for story in told:
        if story.resolved_at is None:
            ages[story.severity] = max(ages.get(story.severity, 0.0), now - story.fired_at)
    return tuple(sorted(ages.items()))
