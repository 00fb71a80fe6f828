"""What fleet.yaml says, as frozen dataclasses; times are nanoseconds, targets percent, money US dollars."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, ClassVar, Final

from inferometer.catalog.stages import Stage
from inferometer.fleet import scalars
from inferometer.fleet.autoscaling import Autoscaling
from inferometer.fleet.budget_policy import Action
from inferometer.fleet.engines.kinds import NUMBER, SIGNAL_NAME, VERSION_TEXT
from inferometer.fleet.kubernetes import USUAL_CLUSTER, USUAL_WORKLOAD, Cluster, Workload
from inferometer.fleet.objective import Sli
from inferometer.fleet.page_access import PageAccess
from inferometer.fleet.promises import EVERYTHING, NO_DEFAULTS, Defaults, ObjectiveEntry, Override, Scope
from inferometer.fleet.schema import Dictionary, Key, Listing, Nested, Table
from inferometer.fleet.thresholds import DEFAULT_TIMEOUT_NS


class Engine(StrEnum):
    """Servers whose requests the SDK sees itself, and foreign ones whose pages are read (docs/engines.md)."""

    FASTAPI = "fastapi"
    STARLETTE = "starlette"
    ASGI = "asgi"
    BENTOML = "bentoml"
    DYNAMO = "dynamo"
    DYNAMO_WORKER = "dynamo-worker"
    KSERVE = "kserve"
    LITELLM = "litellm"
    LITSERVE = "litserve"
    LLM_D_EPP = "llm-d-epp"
    MLSERVER = "mlserver"
    NIM = "nim"
    PRODUCTION_STACK = "production-stack"
    RAY_SERVE = "ray-serve"
    SELDON = "seldon"
    SGLANG = "sglang"
    SGLANG_ROUTER = "sglang-router"
    TENSORRT_LLM = "tensorrt-llm"
    TF_SERVING = "tf-serving"
    TGI = "tgi"
    TORCHSERVE = "torchserve"
    TRITON = "triton"
    VLLM = "vllm"


INSTRUMENTED: Final = frozenset({Engine.FASTAPI, Engine.STARLETTE, Engine.ASGI})
"""Engines whose requests are judged one by one."""


class ScrapedBy(StrEnum):
    """Who reads a foreign engine's page."""

    SIDECAR = "sidecar"
    PROMETHEUS = "prometheus"


class DeviceKind(StrEnum):
    """Kinds of billed devices."""

    CPU = "cpu"
    GPU = "gpu"


class PriceKind(StrEnum):
    """How a price came about; the values of the label `price_kind`."""

    ON_DEMAND = "on_demand"
    SPOT = "spot"
    RESERVED = "reserved"
    OWNED = "owned"


class Weekday(StrEnum):
    """Days of the week, as Alertmanager names them."""

    MONDAY = "monday"
    TUESDAY = "tuesday"
    WEDNESDAY = "wednesday"
    THURSDAY = "thursday"
    FRIDAY = "friday"
    SATURDAY = "saturday"
    SUNDAY = "sunday"


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A model of a service and what it promises."""

    name: str
    objectives: Annotated[
        tuple[str, ...] | None,
        Key(Listing(scalars.SLUG, unique=True), "Objectives of this model, by name; else those of its service."),
    ] = None
    overrides: Annotated[
        tuple[Override, ...], Key(Table(Override, scalars.SLUG), "What it promises otherwise, by objective.")
    ] = ()
    autoscaling: Annotated[Autoscaling | None, Key(Nested(Autoscaling), "How many replicas there are.")] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A service: what serves it, and its models by the name that stands in the label `model`."""

    name: str
    engine: Annotated[Engine, Key(scalars.choice(Engine, "engine"), "What serves the models.")]
    timeout_ns: Annotated[
        int,
        Key(
            scalars.DURATION,
            "After this time a request that the client gave up counts as timed out; 30s unless said otherwise.",
            name="timeout",
        ),
    ] = DEFAULT_TIMEOUT_NS
    objectives: Annotated[
        tuple[str, ...] | None,
        Key(Listing(scalars.SLUG, unique=True), "Objectives of each model that names none; else those of `defaults`."),
    ] = None
    overrides: Annotated[
        tuple[Override, ...], Key(Table(Override, scalars.SLUG), "What its models promise otherwise, by objective.")
    ] = ()
    team: Annotated[str | None, Key(scalars.SLUG, "Who is told of its alerts; the fleet's team unless said.")] = None
    kubernetes: Annotated[Workload, Key(Nested(Workload), "Its Deployment.")] = USUAL_WORKLOAD
    version: Annotated[
        str | None, Key(VERSION_TEXT, "Version of a foreign engine, where its page does not say it.")
    ] = None
    pages: Annotated[
        tuple[str, ...], Key(Listing(scalars.URL, unique=True), "Pages of a foreign engine, one per replica.")
    ] = ()
    scraped_by: Annotated[
        ScrapedBy,
        Key(scalars.choice(ScrapedBy, "reader of pages"), "Who reads the pages: sidecar unless said otherwise."),
    ] = ScrapedBy.SIDECAR
    access: Annotated[PageAccess | None, Key(Nested(PageAccess), "What the pages ask for; secrets by their files.")] = (
        None
    )
    devices: Annotated[
        tuple[str, ...],
        Key(
            Listing(scalars.TEXT),
            "What the engine of each page runs on, in the pages' order, or one for all: UUIDs of GPUs with commas.",
        ),
    ] = ()
    buckets: Annotated[
        tuple[tuple[str, tuple[Decimal, ...]], ...],
        Key(
            Dictionary(SIGNAL_NAME, Listing(NUMBER, unique=True)),
            "Boundaries that a foreign engine was started with, by signal and in base units, where not its usual ones.",
        ),
    ] = ()
    models: Annotated[tuple[Model, ...], Key(Table(Model, scalars.TEXT), "Models by name.")]

    @property
    def instrumented(self) -> bool:
        """Whether the SDK sees its requests; otherwise its own page is read."""
        return self.engine in INSTRUMENTED


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectiveSpec:
    """An objective worked out: nothing is left to a default. ``target`` in percent; one name, one promise."""

    name: str
    sli: Sli
    threshold_ns: int | None = None
    target: Decimal
    window_ns: int
    stage: Stage | None = None
    within: tuple[tuple[Sli, int], ...] = ()
    """Limits of a goodput, in ns."""
    usd_per_1k: Decimal | None = None
    scope: Scope = EVERYTHING
    """The requests that it is about, where it says so itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tenants:
    """Who is counted apart; everybody else is `other`."""

    header: Annotated[str, Key(scalars.HEADER, "HTTP header that names the tenant.")]
    known: Annotated[tuple[str, ...], Key(Listing(scalars.TEXT, unique=True), "Tenants that have series of their own.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """Which devices a price is for: all that is said must be so; `*` and `?` as in file names."""

    kind: Annotated[DeviceKind, Key(scalars.choice(DeviceKind, "kind of device"), "Kind of device.")]
    model: Annotated[str, Key(scalars.TEXT, "Name of the hardware, as the driver gives it.")] = "*"
    name: Annotated[str, Key(scalars.TEXT, "The device itself: UUID of a GPU or MIG slice, name of a CPU host.")] = "*"
    host: Annotated[str, Key(scalars.TEXT, "The host that it is in, as the sidecar there calls it.")] = "*"
    region: Annotated[str, Key(scalars.TEXT, "INFEROMETER_REGION of that sidecar.")] = "*"


@dataclass(frozen=True, slots=True, kw_only=True)
class Owned:
    """Hardware that was bought: its price spread over its life, and what runs it."""

    purchase_usd: Annotated[
        Decimal, Key(scalars.USD, "What one device cost, with its share of the server, network and installation.")
    ]
    years: Annotated[Decimal, Key(scalars.YEARS, "Years of 8760 hours over which that is spread.")]
    salvage_percent: Annotated[Decimal, Key(scalars.SHARE, "Part of it that the device is worth in the end.")] = (
        Decimal(0)
    )
    watts: Annotated[Decimal, Key(scalars.WATTS, "Mean power of one device, with its share of the server.")]
    pue: Annotated[Decimal, Key(scalars.PUE, "Power of the whole site per power of its computers.")] = Decimal(1)
    usd_per_kwh: Annotated[Decimal, Key(scalars.USD, "Price of electricity.")]
    usd_per_hour_other: Annotated[Decimal, Key(scalars.USD, "Space, people, support: per device.")] = Decimal(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Instance:
    """A type of instance in the price book; its price is divided by its GPUs."""

    type: Annotated[str, Key(scalars.TEXT, "As its provider calls it: p5.48xlarge.")]
    region: Annotated[str, Key(scalars.TEXT, "As its provider calls it: us-east-1.")]
    kind: Annotated[
        PriceKind, Key(scalars.choice(PriceKind, "kind of price"), "on_demand, or spot where it is known.")
    ] = PriceKind.ON_DEMAND


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """What an hour of a device costs, and how that is known."""

    EXACTLY_ONE: ClassVar = ("usd_per_hour", "owned", "instance")
    usd_per_hour: Annotated[Decimal | None, Key(scalars.USD, "US dollars per hour and device.")] = None
    owned: Annotated[Owned | None, Key(Nested(Owned), "Hardware of one's own.")] = None
    instance: Annotated[Instance | None, Key(Nested(Instance), "What the price book says of an instance.")] = None
    kind: Annotated[
        PriceKind | None, Key(scalars.choice(PriceKind, "kind of price"), "Kind of price; with usd_per_hour.")
    ] = None
    source: Annotated[
        str | None, Key(scalars.TEXT, "Where the price comes from: list, contract, invoice; not with instance.")
    ] = None
    as_of: Annotated[date | None, Key(scalars.DATE, "Date of the price; not with instance.")] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Bill:
    """What a provider's bill calls these devices, for `inferometer cost true-up`."""

    resources: Annotated[
        tuple[str, ...], Key(Listing(scalars.TEXT, unique=True), "ResourceId or ResourceName, with wildcards.")
    ] = ()
    skus: Annotated[
        tuple[str, ...], Key(Listing(scalars.TEXT, unique=True), "SkuId or SkuPriceId, with wildcards.")
    ] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """A kind of device and its price; the first entry that matches counts."""

    match: Annotated[Match, Key(Nested(Match), "Which devices.")]
    price: Annotated[Price, Key(Nested(Price), "Their price.")]
    bill: Annotated[Bill | None, Key(Nested(Bill), "What their bill calls them.")] = None
    objectives: Annotated[
        tuple[str, ...], Key(Listing(scalars.SLUG, unique=True), "Objectives of these devices, by name.")
    ] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """An HTTP endpoint that takes Alertmanager's JSON."""

    EXACTLY_ONE: ClassVar = ("url", "url_file")
    url: Annotated[str | None, Key(scalars.URL, "Address, where it is no secret.")] = None
    url_file: Annotated[str | None, Key(scalars.FILE, "File that holds the address.")] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Slack:
    """A Slack channel."""

    url_file: Annotated[str, Key(scalars.FILE, "File that holds the webhook's address.")]
    channel: Annotated[str, Key(scalars.TEXT, "Channel: #inference.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class PagerDuty:
    """A PagerDuty service."""

    routing_key_file: Annotated[str, Key(scalars.FILE, "File that holds the integration key (Events API v2).")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Teams:
    """A Microsoft Teams channel, by the address of a workflow."""

    url_file: Annotated[str, Key(scalars.FILE, "File that holds the workflow's address.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Opsgenie:
    """An Opsgenie team."""

    api_key_file: Annotated[str, Key(scalars.FILE, "File that holds the API key.")]
    api_url: Annotated[str | None, Key(scalars.URL, "API of another region: https://api.eu.opsgenie.com.")] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Email:
    """A mailbox."""

    to: Annotated[str, Key(scalars.MAIL, "Address that mail goes to.")]
    sender: Annotated[str, Key(scalars.MAIL, "Address that it comes from.", name="from")]
    smarthost: Annotated[str, Key(scalars.HOST_PORT, "Mail server: smtp.example.com:587.")]
    username: Annotated[str | None, Key(scalars.TEXT, "User at the mail server.")] = None
    password_file: Annotated[str | None, Key(scalars.FILE, "File that holds the user's password.")] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Receiver:
    """Somebody who is told; one way to reach them."""

    EXACTLY_ONE: ClassVar = ("webhook", "slack", "pagerduty", "teams", "opsgenie", "email")
    name: str
    webhook: Annotated[Webhook | None, Key(Nested(Webhook), "By HTTP.")] = None
    slack: Annotated[Slack | None, Key(Nested(Slack), "In Slack.")] = None
    pagerduty: Annotated[PagerDuty | None, Key(Nested(PagerDuty), "By PagerDuty.")] = None
    teams: Annotated[Teams | None, Key(Nested(Teams), "In Microsoft Teams.")] = None
    opsgenie: Annotated[Opsgenie | None, Key(Nested(Opsgenie), "By Opsgenie.")] = None
    email: Annotated[Email | None, Key(Nested(Email), "By mail.")] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnRoute:
    """Receivers of one team or tenant; what is not said goes where everything goes."""

    name: str
    page: Annotated[str | None, Key(scalars.SLUG, "Receiver of what cannot wait.")] = None
    ticket: Annotated[str | None, Key(scalars.SLUG, "Receiver of what can wait until tomorrow.")] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Routes:
    """Who is told of what."""

    page: Annotated[str, Key(scalars.SLUG, "Receiver of what cannot wait.")]
    ticket: Annotated[str, Key(scalars.SLUG, "Receiver of what can wait until tomorrow.")]
    heartbeat: Annotated[
        str | None, Key(scalars.SLUG, "Receiver that is told every minute that alerting works; silence is its alarm.")
    ] = None
    teams: Annotated[
        tuple[OwnRoute, ...], Key(Table(OwnRoute, scalars.SLUG), "Teams that are told instead, by their name.")
    ] = ()
    tenants: Annotated[
        tuple[OwnRoute, ...],
        Key(Table(OwnRoute, scalars.TEXT), "Who is told besides, where an alert is about one tenant."),
    ] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Maintenance:
    """A time in which nobody is told; what still fires when it ends is told then."""

    name: str
    weekdays: Annotated[
        tuple[Weekday, ...],
        Key(Listing(scalars.choice(Weekday, "day of the week"), unique=True), "Days on which it begins; else each."),
    ] = ()
    dates: Annotated[
        tuple[date, ...], Key(Listing(scalars.DATE, unique=True), "Dates on which it begins, instead of weekdays.")
    ] = ()
    start: Annotated[int, Key(scalars.TIME, "When it begins: 22:00.", name="from")]
    end: Annotated[int, Key(scalars.TIME, "When it ends: 02:00 is the next day, where it began at 22:00.", name="to")]
    timezone: Annotated[str, Key(scalars.TIMEZONE, "Zone of these times; UTC unless said otherwise.")] = "UTC"
    services: Annotated[
        tuple[str, ...], Key(Listing(scalars.TEXT, unique=True), "Services that are worked on; all unless said.")
    ] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CostBudget:
    """What may be spent: by the whole fleet, or by one service, team or tenant with its share of the bill."""

    EXACTLY_ONE: ClassVar = ("usd_per_day", "usd_per_month")
    name: str
    usd_per_day: Annotated[Decimal | None, Key(scalars.BUDGET_USD, "US dollars in 24 hours.")] = None
    usd_per_month: Annotated[Decimal | None, Key(scalars.BUDGET_USD, "US dollars in 730 hours.")] = None
    service: Annotated[str | None, Key(scalars.TEXT, "A service of this file.")] = None
    team: Annotated[str | None, Key(scalars.SLUG, "A team of this file: all of its services.")] = None
    tenant: Annotated[str | None, Key(scalars.TEXT, "A known tenant.")] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyStep:
    """What is done when so little of an error budget is left."""

    below: Annotated[Decimal, Key(scalars.SHARE, "Per cent of the budget that are left: with less, it is done.")]
    do: Annotated[Action, Key(scalars.choice(Action, "action"), "freeze, slow-rollout, or page.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Links:
    """Where people open what an alert or a panel points at."""

    grafana: Annotated[str, Key(scalars.URL, "Grafana.")] = "http://127.0.0.1:3000"
    jaeger: Annotated[str, Key(scalars.URL, "Jaeger's UI.")] = "http://127.0.0.1:16686"
    live: Annotated[str, Key(scalars.URL, "The sidecar's own pages.")] = "http://127.0.0.1:9465"
    runbooks: Annotated[
        str | None, Key(scalars.URL, "Folder of the runbooks, NAME.md each; those that the sidecar shows unless said.")
    ] = None

    @property
    def runbook_folder(self) -> str:
        """Where runbooks are read."""
        return f"{self.live}/runbooks" if self.runbooks is None else self.runbooks


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """A fleet: services, promises, tenants, prices, and who is told."""

    version: Annotated[int, Key(scalars.VERSION, "Version of this file's format.")]
    name: Annotated[str, Key(scalars.SLUG, "Name of the fleet.", name="fleet")]
    team: Annotated[str | None, Key(scalars.SLUG, "Who is told of everything that no service's team owns.")] = None
    defaults: Annotated[Defaults, Key(Nested(Defaults), "What holds where nothing else is said.")] = NO_DEFAULTS
    services: Annotated[tuple[Service, ...], Key(Table(Service, scalars.TEXT), "Services by OTEL_SERVICE_NAME.")]
    objectives: Annotated[tuple[ObjectiveEntry, ...], Key(Table(ObjectiveEntry, scalars.SLUG), "Objectives by name.")]
    tenants: Annotated[Tenants | None, Key(Nested(Tenants), "Tenants.")] = None
    classes: Annotated[
        tuple[str, ...], Key(Listing(scalars.TEXT, unique=True), "Classes of requests that objectives are for.")
    ] = ()
    devices: Annotated[tuple[Device, ...], Key(Listing(Nested(Device)), "Prices of devices.")] = ()
    receivers: Annotated[tuple[Receiver, ...], Key(Table(Receiver, scalars.SLUG), "Receivers of alerts by name.")]
    routes: Annotated[Routes, Key(Nested(Routes), "Routes from severities to receivers.")]
    maintenance: Annotated[
        tuple[Maintenance, ...], Key(Table(Maintenance, scalars.SLUG), "Times in which nobody is told, by name.")
    ] = ()
    budgets: Annotated[tuple[CostBudget, ...], Key(Table(CostBudget, scalars.SLUG), "What may be spent, by name.")] = ()
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
