"""Every series that a rule of ours records: ``level:subject:operation``, declared once.

The level is what a series has one of: ``slo``, ``model``, ``tenant``, ``device``, ``budget``, ``fleet``. A window in a
name is the one of production; with a time scale the same name holds the shorter window.
"""

import re
from dataclasses import dataclass
from typing import ClassVar, Final

from inferometer.catalog.labels import (
    CLASS,
    DEVICE,
    GPU_NAME,
    MODEL,
    OUTCOME,
    REPLICA,
    SERVICE,
    SLO,
    STAGE,
    TENANT,
    VERSION,
)
from inferometer.catalog.model import Label, Unit
from inferometer.errors import CatalogError
from inferometer.fleet.budget_policy import Action
from inferometer.promql import Family

_NAME = re.compile(r"(slo|model|tenant|device|fleet|budget):[a-z0-9_]+(:[a-z0-9_]+)?")

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """A recorded series; recorded values are always gauges, increases of a window among them."""

    name: str
    unit: Unit
    help: str
    labels: tuple[Label, ...] = ()
    kind: ClassVar[str] = "gauge"

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise CatalogError(f"recorded series {self.name!r} is not level:subject:operation")

    @property
    def label_names(self) -> tuple[str, ...]:
        """Names of the labels."""
        return tuple(label.name for label in self.labels)


@dataclass(frozen=True, slots=True, kw_only=True)
class Builtin:
    """A series that Prometheus or Alertmanager makes itself."""

    name: str
    help: str
    labels: tuple[Label, ...]
    kind: str = "gauge"

    @property
    def label_names(self) -> tuple[str, ...]:
        """Names of the labels."""
        return tuple(label.name for label in self.labels)


@dataclass(frozen=True, slots=True)
class Scraped:
    """A series of the catalogue with the labels that Prometheus adds when it scrapes it."""

    family: Family

    @property
    def name(self) -> str:
        """Name of the family."""
        return self.family.name

    @property
    def kind(self) -> str:
        """Kind of the family."""
        return self.family.kind

    @property
    def label_names(self) -> tuple[str, ...]:
        """Names of the labels."""
        return (*self.family.label_names, JOB.name, INSTANCE.name)


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

OF_SLO: Final = (SERVICE, MODEL, TENANT, SLO, OBJECTIVE)
"""The tenant is there where an SLO is about one; of devices there is neither service nor model."""
OF_MODEL: Final = (SERVICE, MODEL)

SLO_INFO: Final = Recorded(
    name="slo:info",
    unit=Unit.COUNT,
    help="1 per objective of a model, with what it promises and who answers for it.",
    labels=(*OF_SLO, VERSION, CLASS, SLI, TARGET, PERIOD, TEAM),
)
SLO_OBJECTIVE: Final = Recorded(
    name="slo:objective:ratio", unit=Unit.RATIO, help="Share of events that must be good.", labels=OF_SLO
)
SLO_BUDGET: Final = Recorded(
    name="slo:error_budget:ratio", unit=Unit.RATIO, help="Share of events that may be bad.", labels=OF_SLO
)
SLO_PERIOD: Final = Recorded(
    name="slo:period:seconds", unit=Unit.SECONDS, help="Time over which the objective is kept.", labels=OF_SLO
)
SLO_SLOTS: Final = Recorded(
    name="slo:slots:now",
    unit=Unit.COUNT,
    help="Looks at an objective that no request can be judged by, every half minute; of GPUs one look at each.",
    labels=OF_SLO,
)
SLO_BAD_SLOTS: Final = Recorded(
    name="slo:bad_slots:now", unit=Unit.COUNT, help="Looks that found it bad.", labels=OF_SLO
)
DEVICE_PRESENT: Final = Recorded(
    name="device:present:tile",
    unit=Unit.COUNT,
    help="1 per GPU that is there, recorded every five minutes.",
    labels=(DEVICE, GPU_NAME),
)
SLO_EVENTS_TILE: Final = Recorded(
    name="slo:events:tile",
    unit=Unit.COUNT,
    help="Events in five minutes, recorded every five minutes: tiles that long windows are the sum of.",
    labels=OF_SLO,
)
SLO_BAD_TILE: Final = Recorded(
    name="slo:bad_events:tile", unit=Unit.COUNT, help="Bad events in five minutes, a tile.", labels=OF_SLO
)
SLO_EVENTS_PERIOD: Final = Recorded(
    name="slo:events:period", unit=Unit.COUNT, help="Events in the objective's whole period.", labels=OF_SLO
)
SLO_BAD_PERIOD: Final = Recorded(
    name="slo:bad_events:period", unit=Unit.COUNT, help="Bad events in the objective's whole period.", labels=OF_SLO
)
SLO_BUDGET_LEFT: Final = Recorded(
    name="slo:budget_left:ratio",
    unit=Unit.RATIO,
    help="Share of the period's error budget that is left; below 0 when it is overdrawn.",
    labels=OF_SLO,
)


def events(window: str) -> Recorded:
    """Events of an SLO in a window."""
    return Recorded(name=f"slo:events:increase{window}", unit=Unit.COUNT, help=f"Events in {window}.", labels=OF_SLO)


def bad_events(window: str) -> Recorded:
    """Bad events of an SLO in a window."""
    return Recorded(
        name=f"slo:bad_events:increase{window}", unit=Unit.COUNT, help=f"Bad events in {window}.", labels=OF_SLO
    )


def burn_rate(window: str) -> Recorded:
    """How many times too fast the budget was used in a window; 1 uses it up exactly."""
    return Recorded(
        name=f"slo:burn_rate:ratio{window}",
        unit=Unit.RATIO,
        help=f"Share of bad events in {window} as a multiple of the error budget.",
        labels=OF_SLO,
    )


MODEL_REQUESTS: Final = Recorded(
    name="model:requests:rate5m",
    unit=Unit.COUNT,
    help="Requests per second, by outcome.",
    labels=(*OF_MODEL, VERSION, OUTCOME),
)
MODEL_DURATION: Final = Recorded(
    name="model:request_duration_seconds:quantile5m",
    unit=Unit.SECONDS,
    help="Quantiles of the duration, from the native histograms.",
    labels=(*OF_MODEL, VERSION, QUANTILE),
)
MODEL_FIRST_CHUNK: Final = Recorded(
    name="model:time_to_first_chunk_seconds:quantile5m",
    unit=Unit.SECONDS,
    help="Quantiles of the time to the first chunk.",
    labels=(*OF_MODEL, VERSION, QUANTILE),
)
MODEL_STAGE_MEAN: Final = Recorded(
    name="model:stage_seconds:mean5m",
    unit=Unit.SECONDS,
    help="Mean time per request in each stage; the stages sum to the mean duration.",
    labels=(*OF_MODEL, STAGE),
)
COST_MODEL: Final = Recorded(
    name="model:cost_usd:increase1h", unit=Unit.USD, help="Marginal cost in an hour.", labels=(*OF_MODEL, TENANT)
)
REQUESTS_MODEL: Final = Recorded(
    name="model:requests:increase1h",
    unit=Unit.COUNT,
    help="Requests that ended in an hour, each hop counted.",
    labels=(*OF_MODEL, TENANT),
)
REQUESTS_ENTRY: Final = Recorded(
    name="tenant:entry_requests:increase1h",
    unit=Unit.COUNT,
    help="Requests from outside the fleet in an hour.",
    labels=(TENANT,),
)
BILL: Final = Recorded(
    name="device:bill_usd:increase1h", unit=Unit.USD, help="What the device cost in an hour.", labels=(DEVICE,)
)
IDLE: Final = Recorded(
    name="device:idle_usd:increase1h",
    unit=Unit.USD,
    help="Part of the bill that no request and no system work used.",
    labels=(DEVICE,),
)
IDLE_SHARE: Final = Recorded(
    name="device:idle:ratio1h", unit=Unit.RATIO, help="Share of the device's bill that is idle.", labels=(DEVICE,)
)
FLEET_IDLE_SHARE: Final = Recorded(
    name="fleet:idle:ratio1h", unit=Unit.RATIO, help="Share of the fleet's bill that is idle."
)
LOAD_FACTOR: Final = Recorded(
    name="fleet:bill_per_cost:ratio1h",
    unit=Unit.RATIO,
    help="The whole bill as a multiple of what requests used of it: what makes marginal cost fully loaded.",
)
FLEET_PER_1K: Final = Recorded(
    name="fleet:cost_per_1k_usd:marginal1h", unit=Unit.USD, help="Marginal cost of 1,000 entry requests."
)
FLEET_PER_1K_LOADED: Final = Recorded(
    name="fleet:cost_per_1k_usd:loaded1h", unit=Unit.USD, help="The whole bill per 1,000 entry requests."
)
TENANT_PER_1K: Final = Recorded(
    name="tenant:cost_per_1k_usd:marginal1h",
    unit=Unit.USD,
    help="Marginal cost of 1,000 entry requests of a tenant.",
    labels=(TENANT,),
)
TENANT_PER_1K_LOADED: Final = Recorded(
    name="tenant:cost_per_1k_usd:loaded1h",
    unit=Unit.USD,
    help="Cost of 1,000 entry requests of a tenant with its share of the whole bill.",
    labels=(TENANT,),
)
MODEL_PER_1K: Final = Recorded(
    name="model:cost_per_1k_usd:marginal1h",
    unit=Unit.USD,
    help="Marginal cost of 1,000 requests to a model.",
    labels=OF_MODEL,
)
MODEL_PER_1K_LOADED: Final = Recorded(
    name="model:cost_per_1k_usd:loaded1h",
    unit=Unit.USD,
    help="Cost of 1,000 requests to a model with its share of the whole bill.",
    labels=OF_MODEL,
)
MODEL_TENANT_PER_1K_LOADED: Final = Recorded(
    name="model:cost_per_1k_usd_by_tenant:loaded1h",
    unit=Unit.USD,
    help="Cost of 1,000 requests of a tenant to a model with its share of the whole bill.",
    labels=(*OF_MODEL, TENANT),
)

OF_BUDGET: Final = (BUDGET, SERVICE, TEAM, TENANT)
BUDGET_SPENT: Final = Recorded(
    name="budget:spent_usd:increase1h",
    unit=Unit.USD,
    help="What was spent of a budget of money in an hour, idle time of the devices included.",
    labels=OF_BUDGET,
)
BUDGET_ALLOWED: Final = Recorded(
    name="budget:allowed_usd:hour",
    unit=Unit.USD,
    help="What an hour may cost so that the budget is used up exactly.",
    labels=OF_BUDGET,
)


def spending(window: str) -> Recorded:
    """How many times too fast a budget of money was spent in a window; 1 spends it exactly."""
    return Recorded(
        name=f"budget:burn_rate:ratio{window}",
        unit=Unit.RATIO,
        help=f"What was spent in {window} as a multiple of what may be.",
        labels=OF_BUDGET,
    )


MODEL_QUEUED: Final = Recorded(
    name="model:queue_depth:sum1m",
    unit=Unit.COUNT,
    help="Requests that wait, of all replicas; the most of a minute in each.",
    labels=OF_MODEL,
)
MODEL_OPEN: Final = Recorded(
    name="model:requests_in_flight:sum1m",
    unit=Unit.COUNT,
    help="Requests that are open in the model's service, of all replicas; the most of a minute in each.",
    labels=OF_MODEL,
)
MODEL_KV_CACHE: Final = Recorded(
    name="model:kv_cache_usage:mean1m",
    unit=Unit.RATIO,
    help="Mean use of the replicas' KV caches; the most of a minute in each.",
    labels=OF_MODEL,
)
MODEL_FIRST_TOKEN: Final = Recorded(
    name="model:time_to_first_token_seconds:p90_2m",
    unit=Unit.SECONDS,
    help="90 % of first tokens came within this time; 0 where nobody asked.",
    labels=OF_MODEL,
)
MODEL_TAIL: Final = Recorded(
    name="model:request_duration_seconds:p99_2m",
    unit=Unit.SECONDS,
    help="99 % of requests took no longer; 0 where nobody asked.",
    labels=OF_MODEL,
)
MODEL_BURNING: Final = Recorded(
    name="model:burning:any",
    unit=Unit.COUNT,
    help="1 while a budget of the model is used faster than it may be, else 0: no replica is taken away then.",
    labels=OF_MODEL,
)
MODEL_WANTED: Final = Recorded(
    name="model:wanted:any",
    unit=Unit.COUNT,
    help="1 while somebody asks the service in front of a model that sleeps, else 0.",
    labels=OF_MODEL,
)
BUDGET_POLICY: Final = Recorded(
    name="fleet:budget_policy:ratio",
    unit=Unit.RATIO,
    help="Rest of an error budget from which on something is done.",
    labels=(ACTION,),
)

SERIES: Final = tuple(value for value in list(globals().values()) if isinstance(value, Recorded | Builtin))
"""Those whose name does not depend on the fleet's objectives."""
