"""OpenCost's price of this node's GPUs, from its page of metrics."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Final

from inferometer.catalog import devices
from inferometer.catalog.labels import NODE
from inferometer.errors import SourceError
from inferometer.fleet.devices import DeviceKind, PriceKind
from inferometer.fleet.thresholds import PICODOLLARS, Price
from inferometer_exporters.pages.exposition import Point, points
from inferometer_exporters.pages.fetch import PageUrl, fetch

SOURCE: Final = "opencost"
_IS_SPOT: Final = "kubecost_node_is_spot"
"""Name of OpenCost's, not of ours: 1 for a node of the spot market."""


def gpu_price(url: PageUrl, node: str, *, today: date | None = None) -> Price:
    """What OpenCost says an hour of one GPU of a node costs.

    Args:
        url: of OpenCost's page.
        node: as OpenCost calls this host.
        today: date of the price; now unless given.

    Raises:
        SourceError: the page cannot be read, or says nothing of this node's GPUs.
    """
    found = [point for point in points(fetch(url)) if point.labels.get(NODE.name) == node]
    costs = [point.value for point in found if point.name == devices.NODE_GPU_COST.name]
    # A node without GPUs has a price of 0 there.
    if not costs or not 0 < costs[0] < float("inf"):
        raise SourceError(f"{url} has no {devices.NODE_GPU_COST.name} of node {node!r}")
    return Price(
        kind=DeviceKind.GPU.value,
        model="*",
        picodollars_per_hour=round(Decimal(repr(costs[0])) * PICODOLLARS),
        price_kind=(PriceKind.SPOT if _is_spot(found) else PriceKind.ON_DEMAND).value,
        source=SOURCE,
        as_of=(today or datetime.now(UTC).date()).isoformat(),
    )


def _is_spot(found: list[Point]) -> bool:
    return any(point.name == _IS_SPOT and point.value == 1 for point in found)
