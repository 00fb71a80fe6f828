"""Series that Prometheus and Alertmanager make themselves."""

from typing import Final

from inferometer.catalog.labels import DEVICE, MODEL, REPLICA, SERVICE, SLO, TENANT
from inferometer_alerts.rule_labels import (
    ALERT_NAME,
    ALERT_STATE,
    BUDGET,
    INSTANCE,
    INTEGRATION,
    JOB,
    RULE_GROUP,
    SEVERITY,
    SLO_TIER,
    TEAM,
)
from inferometer_alerts.rule_series import Builtin

UP: Final = Builtin(name="up", help="1 while a target answers.", labels=(JOB, INSTANCE))
SCRAPE_DURATION: Final = Builtin(
    name="scrape_duration_seconds", help="How long the newest scrape of a target took.", labels=(JOB, INSTANCE)
)
SCRAPE_SAMPLES: Final = Builtin(
    name="scrape_samples_scraped", help="Samples on a target's newest page.", labels=(JOB, INSTANCE)
)
ALERTS: Final = Builtin(
    name="ALERTS",
    help="1 per alert that is pending or firing.",
    labels=(ALERT_NAME, ALERT_STATE, SEVERITY, SERVICE, MODEL, SLO, SLO_TIER, DEVICE, REPLICA, TENANT, TEAM, BUDGET),
)
RULE_FAILURES: Final = Builtin(
    name="prometheus_rule_evaluation_failures_total",
    help="Rules that could not be evaluated.",
    labels=(RULE_GROUP,),
    kind="counter",
)
UNDELIVERED: Final = Builtin(
    name="alertmanager_notifications_failed_total",
    help="Attempts to tell somebody that failed.",
    labels=(INTEGRATION,),
    kind="counter",
)
