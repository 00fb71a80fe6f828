"""Billed devices and what an hour of them costs, as fleet.yaml and the price book write it; money is US dollars."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, ClassVar

from inferometer.fleet import amounts, scalars, texts, times
from inferometer.fleet.ownership import Owned
from inferometer.fleet.schema import Key, Listing, Nested


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """Which devices a price is for: all that is said must be so; `*` and `?` as in file names."""

    kind: Annotated[DeviceKind, Key(scalars.choice(DeviceKind, "kind of device"), "Kind of device.")]
    model: Annotated[str, Key(texts.TEXT, "Name of the hardware, as the driver gives it.")] = "*"
    name: Annotated[str, Key(texts.TEXT, "The device itself: UUID of a GPU or MIG slice, name of a CPU host.")] = "*"
    host: Annotated[str, Key(texts.TEXT, "The host that it is in, as the sidecar there calls it.")] = "*"
    region: Annotated[str, Key(texts.TEXT, "INFEROMETER_REGION of that sidecar.")] = "*"


@dataclass(frozen=True, slots=True, kw_only=True)
class Instance:
    """A type of instance in the price book; its price is divided by its GPUs."""

    type: Annotated[str, Key(texts.TEXT, "As its provider calls it: p5.48xlarge.")]
    region: Annotated[str, Key(texts.TEXT, "As its provider calls it: us-east-1.")]
    kind: Annotated[
        PriceKind, Key(scalars.choice(PriceKind, "kind of price"), "on_demand, or spot where it is known.")
    ] = PriceKind.ON_DEMAND


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """What an hour of a device costs, and how that is known."""

    EXACTLY_ONE: ClassVar = ("usd_per_hour", "owned", "instance")
    usd_per_hour: Annotated[Decimal | None, Key(amounts.USD, "US dollars per hour and device.")] = None
    owned: Annotated[Owned | None, Key(Nested(Owned), "Hardware of one's own.")] = None
    instance: Annotated[Instance | None, Key(Nested(Instance), "What the price book says of an instance.")] = None
    kind: Annotated[
        PriceKind | None, Key(scalars.choice(PriceKind, "kind of price"), "Kind of price; with usd_per_hour.")
    ] = None
    source: Annotated[
        str | None, Key(texts.TEXT, "Where the price comes from: list, contract, invoice; not with instance.")
    ] = None
    as_of: Annotated[date | None, Key(times.DATE, "Date of the price; not with instance.")] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Bill:
    """What a provider's bill calls these devices, for `inferometer cost true-up`."""

    resources: Annotated[
        tuple[str, ...], Key(Listing(texts.TEXT, unique=True), "ResourceId or ResourceName, with wildcards.")
    ] = ()
    skus: Annotated[tuple[str, ...], Key(Listing(texts.TEXT, unique=True), "SkuId or SkuPriceId, with wildcards.")] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """A kind of device and its price; the first entry that matches counts."""

    match: Annotated[Match, Key(Nested(Match), "Which devices.")]
    price: Annotated[Price, Key(Nested(Price), "Their price.")]
    bill: Annotated[Bill | None, Key(Nested(Bill), "What their bill calls them.")] = None
    objectives: Annotated[
        tuple[str, ...], Key(Listing(texts.SLUG, unique=True), "Objectives of these devices, by name.")
    ] = ()
