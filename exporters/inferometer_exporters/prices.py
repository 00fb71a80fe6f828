"""Which price each device of this host has: what fleet.yaml says, else the instance's, else the GPU's default.

The order, first to last, of which the first that matches a device counts:

1. ``devices`` of fleet.yaml, in the order of the file;
2. the instance type that somebody named: its price divided by its GPUs, which carry the whole node;
3. what OpenCost says of the node, where its page is named; read once, at the start;
4. the price book's default for the model of GPU, whose source begins with ``builtin``;
5. none: the device is unpriced, and its seconds are counted.
"""

import logging
from collections.abc import Iterator
from dataclasses import dataclass, replace

from inferometer.errors import SourceError
from inferometer.fleet import default_prices
from inferometer.fleet.devices import DeviceKind, PriceKind
from inferometer.fleet.scalars import WrongValueError
from inferometer.fleet.thresholds import Price, Thresholds
from inferometer_exporters.opencost import gpu_price
from inferometer_exporters.pages.fetch import PageUrl

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Placing:
    """Where a sidecar runs, as far as prices depend on it."""

    region: str = ""
    """As the provider calls it; empty where nobody says it."""
    instance_type: str = ""
    """As the provider calls it; empty where nobody says it."""
    kind: PriceKind = PriceKind.ON_DEMAND
    """Kind of price of the instance."""
    opencost: PageUrl | None = None
    """OpenCost's page of metrics."""


def priced(known: Thresholds, host: str, placing: Placing) -> Thresholds:
    """What fleet.yaml says, with every price that counts on this host, in the order in which they count.

    Args:
        known: of fleet.yaml.
        host: its name.
        placing: where it is.
    """
    return known.at(
        host,
        placing.region,
        *_of_instance(placing),
        *_of_opencost(host, placing.opencost),
        *default_prices.load(),
    )


def _of_instance(placing: Placing) -> Iterator[Price]:
    if not placing.instance_type:
        return
    from inferometer.fleet import price_book  # noqa: PLC0415 - reads YAML: for who names an instance alone

    try:
        gpu = price_book.load().of_instance(placing.instance_type, placing.region, placing.kind)
    except WrongValueError as error:
        _log.warning("the instance's price is not used, defaults are: %s; %s", error, error.hint)
        return
    yield gpu
    # The GPUs carry the whole node (OpenCost's ratio would leave a third of a p5.48xlarge on them): the rest is paid.
    yield replace(gpu, kind=DeviceKind.CPU.value, picodollars_per_hour=0)


def _of_opencost(host: str, url: PageUrl | None) -> Iterator[Price]:
    if url is None:
        return
    try:
        yield gpu_price(url, host)
    except SourceError as error:
        _log.warning("OpenCost's price is not used, defaults are: %s", error)
