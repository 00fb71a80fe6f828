"""What fleet.yaml says of prices: checked with line and column, and worked out to picodollars per hour."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from fractions import Fraction
from typing import Final

from inferometer.fleet import ownership, price_book, thresholds
from inferometer.fleet.devices import Device, DeviceKind, Instance, PriceKind
from inferometer.fleet.document import Mapping, Sequence, Value, wrong
from inferometer.fleet.model import Fleet
from inferometer.fleet.scalars import WrongValueError
from inferometer.fleet.thresholds import PICODOLLARS

STALE_DAYS: Final = 180
"""A list price lives about that long: p5.48xlarge fell by 44 % in June 2025."""


def check(fleet: Fleet, root: Mapping) -> None:
    """Check what one key says of another, and what the price book must know.

    Raises:
        FleetError: a key is missing or too many, or the price book does not have an instance.
    """
    listing = root.get("devices")
    places = listing.items if isinstance(listing, Sequence) else ()
    for number, (device, place) in enumerate(zip(fleet.devices, places, strict=True)):
        _check(device, _part(place, "price"), f"devices[{number}].price")


def _check(device: Device, place: Value, what: str) -> None:
    price = device.price
    told = {"kind": price.kind, "source": price.source, "as_of": price.as_of}
    if price.instance is not None:
        for name in (name for name, value in told.items() if value is not None):
            raise wrong(
                _part(place, name), f"{what} has a {name}, but the price book knows it of an instance", "remove it"
            )
        _check_instance(device, price.instance, _part(place, "instance"), f"{what}.instance")
        return
    if price.owned is not None:
        if price.kind not in {None, PriceKind.OWNED}:
            raise wrong(_part(place, "kind"), f"{what} is owned, but its kind is {price.kind}", "remove the kind")
        told.pop("kind")
    for name in (name for name, value in told.items() if value is None):
        raise wrong(place, f"{what} lacks the key {name!r}", _MISSING[name])


_MISSING = {
    "kind": "add `kind: on_demand`: Kind of price.",
    "source": "add `source: contract`: Where the price comes from: list, contract, invoice.",
    "as_of": "add `as_of: 2026-10-01`: Date of the price.",
}


def _check_instance(device: Device, instance: Instance, place: Value, what: str) -> None:
    if device.match.kind is not DeviceKind.GPU:
        raise wrong(
            place, f"{what} is for a {device.match.kind}, but the price book has prices of GPUs", "write usd_per_hour"
        )
    try:
        price_book.load().usd_per_gpu(instance.type, instance.region, instance.kind)
    except WrongValueError as error:
        raise wrong(place, f"{what}: {error}", error.hint) from error


def _part(place: Value, name: str) -> Value:
    found = place.get(name) if isinstance(place, Mapping) else None
    return place if found is None else found


def prices(fleet: Fleet) -> Iterator[thresholds.Price]:
    """The price of each entry of ``devices``, in the order of the file."""
    return (_price(device) for device in fleet.devices)


def _price(device: Device) -> thresholds.Price:
    match, price = device.match, device.price
    if (of := price.instance) is not None:
        made = price_book.load().of_instance(of.type, of.region, of.kind)
    else:
        usd = Fraction(price.usd_per_hour or 0) if price.owned is None else ownership.usd_per_hour(price.owned)
        made = thresholds.Price(
            kind=match.kind.value,
            model="*",
            picodollars_per_hour=round(usd * PICODOLLARS),
            price_kind=(price.kind or PriceKind.OWNED).value,
            source=price.source or "",
            as_of=str(price.as_of or ""),
        )
    return replace(made, model=match.model, name=match.name, host=match.host, region=match.region)


def stale(fleet: Fleet, today: date) -> Iterator[str]:
    """A sentence for each price of fleet.yaml that is older than `STALE_DAYS`, which entry and of which day."""
    for number, (device, price) in enumerate(zip(fleet.devices, prices(fleet), strict=True)):
        age = (today - date.fromisoformat(price.as_of)).days
        if age > STALE_DAYS:
            which = f"devices[{number}] ({device.match.kind} {device.match.model})"
            yield f"{which}: its price of {price.as_of} is {age} days old; look whether it still holds"
