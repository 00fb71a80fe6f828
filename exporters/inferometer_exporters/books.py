"""What is settled is entered: into series, kept traces and the recorder's rows."""

from collections.abc import Sequence

import numpy as np

from inferometer.aggregate import Aggregator
from inferometer_exporters import charges as of_devices
from inferometer_exporters.charges import Charges
from inferometer_exporters.columns.tables import Columns, Ints, length
from inferometer_exporters.device_history import DeviceHistory
from inferometer_exporters.device_minutes import DeviceMinutes
from inferometer_exporters.hold import RAN_FROM, RAN_UNTIL
from inferometer_exporters.ledger.account import Account
from inferometer_exporters.naming import Naming
from inferometer_exporters.price_series import PriceSeries
from inferometer_exporters.recorder.parts import part_rows, share_rows
from inferometer_exporters.retries import Retries
from inferometer_exporters.settlement import Settled
from inferometer_exporters.source import Sample
from inferometer_exporters.traces import Traces
from inferometer_exporters.unstored import Unstored


class Books:
    """Enters what the ledger has settled.

    Args:
        aggregator: holds the series.
        naming: names of devices.
        charges: series of what requests cost.
        retries: series of what was done for attempts that their caller gave up.
        traces: judges which are kept.
        minutes: how devices were.
        unstored: takes the rows.
        host: name of this host, where a run names no device.
    """

    def __init__(
        self,
        aggregator: Aggregator,
        naming: Naming,
        *,
        charges: Charges,
        retries: Retries,
        traces: Traces,
        minutes: DeviceMinutes,
        unstored: Unstored,
        host: str,
    ) -> None:
        self._aggregator = aggregator
        self._naming = naming
        self._charges = charges
        self._retries = retries
        self._traces = traces
        self._minutes = minutes
        self._unstored = unstored
        self._host = host
        self._history = DeviceHistory()
        self._prices = PriceSeries(aggregator)

    def watch(self, samples: Sequence[Sample]) -> None:
        """Take in how devices are, for requests that run meanwhile."""
        self._history.watch(samples)

    def enter(self, settled: Settled, accounts: list[Account], wall_ns: int) -> None:
        """Enter requests whose cost is final, and what engines that are only scraped owe.

        Args:
            settled: by the ledger of these accounts.
            accounts: of all devices.
            wall_ns: time since the epoch.
        """
        if length(settled.requests):
            settled.requests.update(self._device_state(settled.requests))
            self._charges.settled(settled.requests, settled.runs, settled.row, accounts)
            self._retries.settled(settled.requests)
            self._unstored.put("kept", self._traces.judge(settled.requests, wall_ns))
            self._unstored.put("requests", settled.requests)
            self._minutes.ended(settled.requests["device"], self._naming.text)
            self._unstored.put("executes", settled.executes)
            self._unstored.put("execute_parts", part_rows(settled.runs, settled.row, self._names(accounts)))
        if length(settled.shares):
            self._charges.shared(settled.shares, accounts)
            self._unstored.put("engine_shares", share_rows(settled.shares, self._names(accounts), wall_ns))
        of_devices.show(self._aggregator, accounts)
        self._prices.show(accounts)

    def _names(self, accounts: list[Account]) -> Ints:
        return np.array([self._naming.name(account.device.name) for account in accounts], np.int64)

    def _device_state(self, rows: Columns) -> Columns:
        def name(number: int) -> str:
            return self._naming.text(number) or self._host

        return self._history.during(rows["device"], name, rows[RAN_FROM], rows[RAN_UNTIL])
