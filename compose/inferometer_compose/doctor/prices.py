"""From a device to its price: without one its requests cost nothing, with an old one they cost what it was."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

from inferometer.catalog import devices
from inferometer.catalog.labels import DEVICE
from inferometer.errors import InferometerError
from inferometer.fleet.device_prices import STALE_DAYS
from inferometer_compose.doctor.link import Link, Where, broken, whole

_DAY: Final = 86_400.0
_CURE: Final = "name its price, source and date in fleet.yaml, under devices: docs/prices.md"


def look(where: Where) -> Iterator[Link]:
    """One link, where a sidecar says what it has devices for."""
    try:
        page = where.page
    except InferometerError:
        return  # which `records` has said
    prices = {one.labels[DEVICE.name]: one.value for one in page if one.name == devices.PRICE.name}
    unpriced = sorted(
        {one.labels[DEVICE.name] for one in page if one.name == devices.UNPRICED.name and one.value > 0} - set(prices)
    )
    now = where.clock()
    dates = {one.labels[DEVICE.name]: one.value for one in page if one.name == devices.PRICE_AS_OF.name}
    old = sorted(name for name, at in dates.items() if now - at > STALE_DAYS * _DAY)
    if unpriced:
        yield broken(
            "prices", f"no price matches {', '.join(unpriced)}: its requests cost nothing that we know of", _CURE
        )
    elif old:
        said = ", ".join(f"{name} of {_day(dates[name])}" for name in old)
        yield broken("prices", f"prices are older than {STALE_DAYS} days: {said}", _CURE)
    elif prices:
        yield whole("prices", ", ".join(f"{name} ${price:g}/h" for name, price in sorted(prices.items())))


def _day(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).date().isoformat()
