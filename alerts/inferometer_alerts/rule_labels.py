"""Labels that rules, Prometheus and Alertmanager know besides those of the catalogue, and sets of them."""

from typing import Final

from inferometer.catalog.labels import MODEL, SERVICE, SLO, TENANT
from inferometer.catalog.model import Label
from inferometer.fleet.budget_policy import Action

OBJECTIVE: Final = Label(name="objective", help="Name of an objective in fleet.yaml.", max_values=500)
SLI: Final = Label(name="sli", help="What an objective measures.", max_values=10)
TARGET: Final = Label(name="target", help="Target of an objective in percent.", max_values=50)
PERIOD: Final = Label(name="period", help="Time over which an objective is kept.", max_values=20)
LE: Final = Label(name="le", help="Prometheus: upper bound of a classic histogram's bucket.", max_values=200)
ACTION: Final = Label(
    name="action", help="What the error-budget policy asks for.", values=tuple(action.value for action in Action)
)
QUANTILE: Final = Label(name="quantile", help="Quantile of a distribution.", values=("0.5", "0.95", "0.99", "0.999"))
SEVERITY: Final = Label(
    name="severity", help="Whether an alert pages or waits.", values=("page", "ticket", "heartbeat", "none")
)
SLO_TIER: Final = Label(
    name="slo_tier",
    help="How fast the budget burns, or `cause` for what is no SLO itself.",
    values=("outage", "fast", "medium", "slow", "long", "cause"),
)
TEAM: Final = Label(name="team", help="Who is told: the team of the service in fleet.yaml.", max_values=50)
BUDGET: Final = Label(name="budget", help="Name of a budget of money in fleet.yaml.", max_values=200)
RULE_GROUP: Final = Label(name="rule_group", help="Prometheus: file and name of a group of rules.", max_values=200)
INTEGRATION: Final = Label(name="integration", help="Alertmanager: way by which somebody is told.", max_values=20)
ALERT_NAME: Final = Label(name="alertname", help="Prometheus: name of an alert.", max_values=100)
ALERT_STATE: Final = Label(name="alertstate", help="Prometheus: state of an alert.", values=("pending", "firing"))
JOB: Final = Label(name="job", help="Prometheus: name of a scrape configuration.", max_values=20)
INSTANCE: Final = Label(name="instance", help="Prometheus: address of a target.", max_values=1000)

OF_SLO: Final = (SERVICE, MODEL, TENANT, SLO, OBJECTIVE)
"""The tenant is there where an SLO is about one; of devices there is neither service nor model."""
OF_MODEL: Final = (SERVICE, MODEL)
OF_BUDGET: Final = (BUDGET, SERVICE, TEAM, TENANT)
