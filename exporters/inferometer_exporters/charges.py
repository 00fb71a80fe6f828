"""What settled requests owe, as series: device seconds and money by model, tenant, device and outcome."""

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np

from inferometer.aggregate.aggregator import Aggregator
from inferometer.aggregate.cells import HistogramCell
from inferometer.aggregate.measures import of_model
from inferometer.catalog import devices, requests, telemetry
from inferometer.catalog.labels import PHASE
from inferometer.catalog.stages import Kind, Outcome
from inferometer.fleet.thresholds import Thresholds
from inferometer.record.model import Flag, Labels
from inferometer_exporters.columns.bins import Bins
from inferometer_exporters.columns.distinct import distinct, ordered
from inferometer_exporters.columns.tables import Columns, Ints
from inferometer_exporters.ledger.account import Account
from inferometer_exporters.ledger.methods import Method

_EXECUTE, _PREFILL, _DECODE = PHASE.values
_PHASES: Final = {int(Kind.PREFILL): _PREFILL, int(Kind.DECODE): _DECODE}
"""Kinds of runs that are phases of their own; every other kind is plain execution."""
_KINDS: Final = 256
"""Codes of kinds that a row of the wire has room for."""


class Charges:
    """Feeds the series of cost.

    Args:
        aggregator: receives them.
        thresholds: known tenants.
        labels: label set by its number.
    """

    def __init__(self, aggregator: Aggregator, thresholds: Thresholds, labels: Callable[[int], Labels]) -> None:
        self._aggregator = aggregator
        self._thresholds = thresholds
        self._labels = labels

    def settled(self, rows: Columns, runs: Columns, row: Ints, accounts: list[Account]) -> None:
        """Count settled requests.

        Args:
            rows: of requests, with what they owe.
            runs: runs that the ledger released.
            row: the request of each run, -1 without one.
            accounts: of devices, by the runs' index.
        """
        known = np.flatnonzero(row >= 0)
        if not len(known):
            return
        of = row[known]
        whose = distinct(rows["labels"][of].astype(np.int64) * len(Outcome) + rows["outcome"][of])
        kind, method = runs["kind"][known].astype(np.int64), runs["method"][known]
        how = distinct((runs["device"][known] * _KINDS + kind) * len(Method) + method)
        groups = distinct(whose.member * len(how.values) + how.member)
        ns, money, energy = np.zeros((3, len(groups.values)), np.int64)
        np.add.at(ns, groups.member, runs["ns"][known])
        np.add.at(money, groups.member, runs["picodollars"][known])
        np.add.at(energy, groups.member, runs["spent"][known])
        for group, *owed in zip(groups.values.tolist(), ns.tolist(), money.tolist(), energy.tolist(), strict=True):
            number, outcome = divmod(int(whose.values[group // len(how.values)]), len(Outcome))
            run, code = divmod(int(how.values[group % len(how.values)]), len(Method))
            device, phase = divmod(run, _KINDS)
            labels = self._labels(number)
            named = (*of_model(labels), self._thresholds.tenant(labels.tenant))
            found = (_PHASES.get(phase, _EXECUTE), Outcome(outcome).label, Method(code).label)
            self._count(accounts[device], named, found, owed)
        self._distribute(rows, np.flatnonzero(np.bincount(of)))

    def shared(self, shares: Columns, accounts: list[Account]) -> None:
        """Count what models owe whose requests nobody told apart: no tenant, no outcome is known.

        Args:
            shares: that the ledger released.
            accounts: of devices, by the shares' index.
        """
        names = ("labels", "device", "kind", "method", "ns", "picodollars", "spent")
        for number, device, kind, method, *owed in zip(*(shares[name].tolist() for name in names), strict=True):
            named = (*of_model(self._labels(number)), "")
            self._count(accounts[device], named, (_PHASES.get(kind, _EXECUTE), "", Method(method).label), owed)

    def _count(self, account: Account, named: tuple[str, ...], how: tuple[str, ...], owed: Sequence[int]) -> None:
        ns, picodollars, microjoules = owed
        self._aggregator.add(requests.DEVICE_SECONDS, (*named, account.device.name, *how), ns)
        if account.rate is not None:
            self._aggregator.add(requests.COST, (*named, *how), picodollars)
        if account.meter is not None:
            self._aggregator.add(requests.ENERGY, (*named, *how), microjoules)

    def _distribute(self, rows: Columns, executed: Ints) -> None:
        """The distribution of cost over requests that used a priced device."""
        priced = executed[rows["cost"][executed] >= 0]
        warm = (rows["flags"][priced] & int(Flag.WARMUP)) != 0
        priced = priced[~warm]
        if len(priced):
            bins = Bins(self._aggregator, requests.REQUEST_COST)
            priced = priced[ordered(rows["labels"][priced])]
            bins.observe(self._cell, rows["labels"][priced], rows["cost"][priced])

    def _cell(self, number: int) -> HistogramCell:
        return self._aggregator.histogram(requests.REQUEST_COST, of_model(self._labels(number)))


def show(aggregator: Aggregator, accounts: list[Account]) -> None:
    """The ledger's own series."""
    for account in accounts:
        device = account.device.name
        for state, ns in account.states.items():
            aggregator.counter(devices.LEDGER, (device, state.value)).raise_to(ns)
        aggregator.set(devices.LEDGER_RESIDUAL, (device,), account.residual)
        aggregator.counter(telemetry.LATE_DEVICE_SECONDS, (device,)).raise_to(account.late)
        if account.meter is not None:
            for state, microjoules in account.energies.items():
                aggregator.counter(devices.LEDGER_ENERGY, (device, state.value)).raise_to(microjoules)
        if account.unpriced:
            aggregator.counter(devices.UNPRICED, (device,)).raise_to(account.unpriced)
        if account.rate is None:
            continue
        aggregator.counter(devices.BILL, (device,)).raise_to(account.bill)
        aggregator.counter(devices.IDLE_COST, (device,)).raise_to(account.idle_cost)
