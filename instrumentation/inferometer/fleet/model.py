"""What fleet.yaml says, as frozen dataclasses; times are nanoseconds, targets percent, money US dollars."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import ClassVar, Final

from inferometer.fleet import scalars
from inferometer.fleet.schema import Listing, Nested, Table, key
from inferometer.fleet.thresholds import DEFAULT_TIMEOUT_NS, Sli


class Engine(StrEnum):
    """Servers whose requests the SDK sees itself."""

    FASTAPI = "fastapi"
    STARLETTE = "starlette"
    ASGI = "asgi"


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


DEFAULT_RUNBOOKS: Final = "https://github.com/inferometer/inferometer/blob/main/alerts/runbooks"


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A model of a service and what it promises."""

    name: str
    objectives: tuple[str, ...] = key(
        Listing(scalars.SLUG, unique=True), "Objectives of this model, by name.", default=()
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A service: what serves it, and its models by the name that stands in the label `model`."""

    name: str
    engine: Engine = key(scalars.choice(Engine, "engine"), "What serves the models.")
    timeout_ns: int = key(
        scalars.DURATION,
        "After this time a request that the client gave up counts as timed out; 30s unless said otherwise.",
        name="timeout",
        default=DEFAULT_TIMEOUT_NS,
    )
    models: tuple[Model, ...] = key(Table(Model, scalars.TEXT), "Models by name.")


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectiveSpec:
    """A promise: which share of requests is good over which time."""

    name: str
    sli: Sli = key(scalars.choice(Sli, "SLI"), "What is measured.")
    threshold_ns: int | None = key(
        scalars.DURATION, "Slowest request that is still good.", name="threshold", default=None
    )
    target: Decimal = key(scalars.PERCENT, "Share of good requests in percent.")
    window_ns: int = key(scalars.DURATION, "Time over which the share is taken: 1d to 90d.", name="window")


@dataclass(frozen=True, slots=True, kw_only=True)
class Tenants:
    """Who is counted apart; everybody else is `other`."""

    header: str = key(scalars.HEADER, "HTTP header that names the tenant.")
    known: tuple[str, ...] = key(Listing(scalars.TEXT, unique=True), "Tenants that have series of their own.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """Which devices a price is for."""

    kind: DeviceKind = key(scalars.choice(DeviceKind, "kind of device"), "Kind of device.")
    model: str = key(scalars.TEXT, "Name of the model, `*` and `?` as in file names.", default="*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """What an hour of a device costs, and how that is known."""

    usd_per_hour: Decimal = key(scalars.USD, "US dollars per hour and device.")
    kind: PriceKind = key(scalars.choice(PriceKind, "kind of price"), "Kind of price.")
    source: str = key(scalars.TEXT, "Where the price comes from: list, contract, invoice.")
    as_of: date = key(scalars.DATE, "Date of the price.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """A kind of device and its price; the first entry that matches counts."""

    match: Match = key(Nested(Match), "Which devices.")
    price: Price = key(Nested(Price), "Their price.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """An HTTP endpoint that takes Alertmanager's JSON."""

    EXACTLY_ONE: ClassVar = ("url", "url_file")
    url: str | None = key(scalars.URL, "Address, where it is no secret.", default=None)
    url_file: str | None = key(scalars.FILE, "File that holds the address.", default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Slack:
    """A Slack channel."""

    url_file: str = key(scalars.FILE, "File that holds the webhook's address.")
    channel: str = key(scalars.TEXT, "Channel: #inference.")


@dataclass(frozen=True, slots=True, kw_only=True)
class PagerDuty:
    """A PagerDuty service."""

    routing_key_file: str = key(scalars.FILE, "File that holds the integration key (Events API v2).")


@dataclass(frozen=True, slots=True, kw_only=True)
class Receiver:
    """Somebody who is told; one way to reach them."""

    EXACTLY_ONE: ClassVar = ("webhook", "slack", "pagerduty")
    name: str
    webhook: Webhook | None = key(Nested(Webhook), "By HTTP.", default=None)
    slack: Slack | None = key(Nested(Slack), "In Slack.", default=None)
    pagerduty: PagerDuty | None = key(Nested(PagerDuty), "By PagerDuty.", default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Routes:
    """Who is told of what."""

    page: str = key(scalars.SLUG, "Receiver of what cannot wait.")
    ticket: str = key(scalars.SLUG, "Receiver of what can wait until tomorrow.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Links:
    """Where people open what an alert or a panel points at."""

    grafana: str = key(scalars.URL, "Grafana.", default="http://127.0.0.1:3000")
    jaeger: str = key(scalars.URL, "Jaeger's UI.", default="http://127.0.0.1:16686")
    runbooks: str = key(scalars.URL, "Folder of the runbooks.", default=DEFAULT_RUNBOOKS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """A fleet: services, promises, tenants, prices, and who is told."""

    version: int = key(scalars.VERSION, "Version of this file's format.")
    name: str = key(scalars.SLUG, "Name of the fleet.", name="fleet")
    services: tuple[Service, ...] = key(Table(Service, scalars.TEXT), "Services by OTEL_SERVICE_NAME.")
    objectives: tuple[ObjectiveSpec, ...] = key(Table(ObjectiveSpec, scalars.SLUG), "Objectives by name.")
    tenants: Tenants | None = key(Nested(Tenants), "Tenants.", default=None)
    devices: tuple[Device, ...] = key(Listing(Nested(Device)), "Prices of devices.", default=())
    receivers: tuple[Receiver, ...] = key(Table(Receiver, scalars.SLUG), "Receivers of alerts by name.")
    routes: Routes = key(Nested(Routes), "Routes from severities to receivers.")
    links: Links = key(Nested(Links), "Addresses for people.", default=Links())
