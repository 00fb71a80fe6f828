"""All that fleet.yaml says, as frozen dataclasses; times are nanoseconds, targets percent, money US dollars."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated

from inferometer.fleet import amounts, scalars, texts
from inferometer.fleet.budget_policy import Action
from inferometer.fleet.budgets import CostBudget
from inferometer.fleet.devices import Device
from inferometer.fleet.kubernetes import USUAL_CLUSTER, Cluster
from inferometer.fleet.maintenance import Maintenance
from inferometer.fleet.page_access import PageAccess
from inferometer.fleet.promises import NO_DEFAULTS, Defaults, ObjectiveEntry
from inferometer.fleet.receivers import Receiver
from inferometer.fleet.routing import Routes
from inferometer.fleet.schema import Key, Listing, Nested, Table
from inferometer.fleet.service import Service


@dataclass(frozen=True, slots=True, kw_only=True)
class Tenants:
    """Who is counted apart; everybody else is `other`."""

    header: Annotated[str, Key(texts.HEADER, "HTTP header that names the tenant.")]
    known: Annotated[tuple[str, ...], Key(Listing(texts.TEXT, unique=True), "Tenants that have series of their own.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyStep:
    """What is done when so little of an error budget is left."""

    below: Annotated[Decimal, Key(amounts.SHARE, "Per cent of the budget that are left: with less, it is done.")]
    do: Annotated[Action, Key(scalars.choice(Action, "action"), "freeze, slow-rollout, or page.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Links:
    """Where people open what an alert or a panel points at."""

    grafana: Annotated[str, Key(texts.URL, "Grafana.")] = "http://127.0.0.1:3000"
    jaeger: Annotated[str, Key(texts.URL, "Jaeger's UI.")] = "http://127.0.0.1:16686"
    live: Annotated[str, Key(texts.URL, "The sidecar's own pages.")] = "http://127.0.0.1:9465"
    runbooks: Annotated[
        str | None, Key(texts.URL, "Folder of the runbooks, NAME.md each; those that the sidecar shows unless said.")
    ] = None

    @property
    def runbook_folder(self) -> str:
        """Where runbooks are read."""
        return f"{self.live}/runbooks" if self.runbooks is None else self.runbooks


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """A fleet: services, promises, tenants, prices, and who is told."""

    version: Annotated[int, Key(scalars.VERSION, "Version of this file's format.")]
    name: Annotated[str, Key(texts.SLUG, "Name of the fleet.", name="fleet")]
    team: Annotated[str | None, Key(texts.SLUG, "Who is told of everything that no service's team owns.")] = None
    defaults: Annotated[Defaults, Key(Nested(Defaults), "What holds where nothing else is said.")] = NO_DEFAULTS
    services: Annotated[tuple[Service, ...], Key(Table(Service, texts.TEXT), "Services by OTEL_SERVICE_NAME.")]
    objectives: Annotated[tuple[ObjectiveEntry, ...], Key(Table(ObjectiveEntry, texts.SLUG), "Objectives by name.")]
    tenants: Annotated[Tenants | None, Key(Nested(Tenants), "Tenants.")] = None
    classes: Annotated[
        tuple[str, ...], Key(Listing(texts.TEXT, unique=True), "Classes of requests that objectives are for.")
    ] = ()
    devices: Annotated[tuple[Device, ...], Key(Listing(Nested(Device)), "Prices of devices.")] = ()
    receivers: Annotated[tuple[Receiver, ...], Key(Table(Receiver, texts.SLUG), "Receivers of alerts by name.")]
    routes: Annotated[Routes, Key(Nested(Routes), "Routes from severities to receivers.")]
    maintenance: Annotated[
        tuple[Maintenance, ...], Key(Table(Maintenance, texts.SLUG), "Times in which nobody is told, by name.")
    ] = ()
    budgets: Annotated[tuple[CostBudget, ...], Key(Table(CostBudget, texts.SLUG), "What may be spent, by name.")] = ()
    policy: Annotated[
        tuple[PolicyStep, ...],
        Key(Listing(Nested(PolicyStep), unique=True), "What is done as error budgets shrink; else a gone one freezes."),
    ] = ()
    links: Annotated[Links, Key(Nested(Links), "Addresses for people.")] = Links()
    sidecar: Annotated[
        PageAccess | None,
        Key(Nested(PageAccess), "What sidecars ask Prometheus for, where they do (--token-file, --tls-cert)."),
    ] = None
    kubernetes: Annotated[Cluster, Key(Nested(Cluster), "The cluster it runs in.")] = USUAL_CLUSTER
