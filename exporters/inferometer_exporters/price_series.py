"""Prices as series: which one each device has, from where and of which day."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from inferometer.aggregate.aggregator import Aggregator
from inferometer.catalog import devices
from inferometer.fleet.devices import DeviceKind
from inferometer_exporters.ledger.account import Account

_SECOND: Final = 10**9


class PriceSeries:
    """Feeds the series of prices; a price that is no longer one is no longer shown.

    Args:
        aggregator: receives them.
    """

    def __init__(self, aggregator: Aggregator) -> None:
        self._aggregator = aggregator
        self._shown: dict[str, tuple[str, ...]] = {}

    def show(self, accounts: Sequence[Account]) -> None:
        """Show what devices cost now."""
        for account in accounts:
            self._device(account)
        self._node(accounts)

    def _device(self, account: Account) -> None:
        name, aggregator = account.device.name, self._aggregator
        before = self._shown.pop(name, None)
        if account.rate is None:
            if before is not None:
                aggregator.remove(devices.PRICE_INFO, before)
                aggregator.remove(devices.PRICE, (name,))
                aggregator.remove(devices.PRICE_AS_OF, (name,))
            return
        price = account.rate.price
        labels = self._shown[name] = (name, price.source, price.as_of, price.price_kind)
        if before not in {None, labels}:
            aggregator.remove(devices.PRICE_INFO, before or ())
        aggregator.set(devices.PRICE_INFO, labels, 1)
        aggregator.set(devices.PRICE, (name,), account.rate.usd_per_hour)
        since = _since_epoch(price.as_of)
        if since is not None:
            aggregator.set(devices.PRICE_AS_OF, (name,), since)

    def _node(self, accounts: Sequence[Account]) -> None:
        """What OpenCost would say of this host: the price of one of its GPUs, a slice's as that of the whole."""
        host = next((one.device.name for one in accounts if one.device.kind == DeviceKind.CPU.value), None)
        gpus = [one for one in accounts if one.device.kind == DeviceKind.GPU.value and not one.closed]
        prices = [one.rate.price.usd_per_hour for one in gpus if one.rate is not None]
        if host is None:
            return
        if prices:
            self._aggregator.set(devices.NODE_GPU_COST, (host,), sum(prices) / len(prices))
        else:
            self._aggregator.remove(devices.NODE_GPU_COST, (host,))


def _since_epoch(day: str) -> int | None:
    """Ns from the epoch to a day; None where it is none."""
    try:
        return int(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp()) * _SECOND
    except ValueError:
        return None
