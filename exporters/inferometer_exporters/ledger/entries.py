"""What a window of a device's time is entered as: time, money and energy of each run, by one vector of shares."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from inferometer_exporters.columns.tables import Columns, Ints
from inferometer_exporters.ledger.account import Account, State
from inferometer_exporters.ledger.methods import UNMETERED, UNPRICED, Method
from inferometer_exporters.ledger.prices import portions
from inferometer_exporters.ledger.weights import Active

_QUIET: Final = (State.WARM_IDLE, State.UNALLOCATED, State.UNOBSERVED)


@dataclass(frozen=True, slots=True)
class Owed:
    """What runs owe of a window."""

    rows: Ints
    """Rows of the ledger's table."""
    ns: Ints
    """Of each of them."""
    work: Active
    """What was active, by the place of its row in `rows`."""


def enter(runs: Columns, owed: Owed, account: Account, states: Mapping[State, int], until: int) -> None:
    """Charge a window's time to the rows of *runs*, and what it cost and used with it.

    Args:
        runs: the ledger's table; changed.
        owed: what is charged.
        account: of the device; it stands at the window's begin.
        states: what the window was made of.
        until: end of the window, CLOCK_MONOTONIC ns.
    """
    _found(runs, owed)
    _charge(runs, owed, account)
    _energy(runs, owed, account, states, until)
    runs["ns"][owed.rows] += owed.ns


def _found(runs: Columns, owed: Owed) -> None:
    """Note how the time was found that is owed now."""
    rows, work = owed.rows, owed.work
    span = np.zeros(len(rows), np.int64)
    owned = work.row >= 0
    np.add.at(span, work.row[owned], (work.end - work.begin)[owned])
    # A nanosecond of rounding is no company.
    alone = (owed.ns >= span - 1) & (runs["size"][rows] == 1)
    shared = np.where(runs["stepped"][rows], 1 << Method.STEPS, 1 << Method.SWEEP)
    bits = np.where(owed.ns > 0, np.where(alone, 1 << Method.EXCLUSIVE, shared), 0)
    runs["found"][rows] |= bits.astype(np.uint8)


def _lacks(runs: Columns, owed: Owed, bit: int) -> None:
    """Note that something of the time that is owed now is not known."""
    runs["found"][owed.rows] |= np.where(owed.ns > 0, bit, 0).astype(np.uint8)


def _charge(runs: Columns, owed: Owed, account: Account) -> None:
    if account.rate is None:
        _lacks(runs, owed, UNPRICED)
    elif len(owed.rows):
        money, account.cost_carried = account.rate.charges(owed.ns, account.cost_carried)
        runs["picodollars"][owed.rows] += money


def _energy(runs: Columns, owed: Owed, account: Account, states: Mapping[State, int], until: int) -> None:
    """Divide a window's energy like its time, but for what the device draws without work."""
    meter = account.meter
    used = None if meter is None else meter.take(account.since, until)
    if meter is None or used is None:
        _lacks(runs, owed, UNMETERED)
        return
    span = until - account.since
    quiet = {state: ns for state, ns in states.items() if state in _QUIET}
    still = sum(quiet.values())
    if still == span and not account.engine:
        meter.learn(used, span)
    idle = meter.idle(used, still, span)
    for state, ns in quiet.items():
        # There is one of them in a window.
        account.energies[state] += idle if ns else 0
    if still < span:
        busy = np.concatenate([[states[State.SYSTEM], states[State.LOADING]], owed.ns])
        parts = portions(used - idle, busy)
        account.energies[State.SYSTEM] += int(parts[0])
        account.energies[State.LOADING] += int(parts[1])
        account.energies[State.ATTRIBUTED] += int(parts[2:].sum())
        runs["microjoules"][owed.rows] += parts[2:]
