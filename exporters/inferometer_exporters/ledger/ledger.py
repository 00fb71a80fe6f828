"""The ledger of all devices: runs in, shares and states out."""

import json
from collections.abc import Callable, Mapping
from typing import Final

import numpy as np

from inferometer.errors import StateError
from inferometer_exporters.columns.packed import pack, unpack
from inferometer_exporters.columns.tables import Column, Columns, Ints, take
from inferometer_exporters.ledger.account import Account, Device, State
from inferometer_exporters.ledger.prices import Rate
from inferometer_exporters.ledger.runs import Weighted, merged, none, weighted
from inferometer_exporters.ledger.sweep import MAX_WINDOW_NS, covered, sweep

GRACE_NS: Final = 2 * 10**9
"""A request may end between two tables of one frame; in the next it is told."""
_ACCOUNTS: Final = "ledger.accounts"
_RUNS: Final = "ledger.runs"


class Ledger:
    """Accounts of devices, and the runs that are not settled.

    Args:
        now: CLOCK_MONOTONIC ns at which the ledger begins.
        rate: what a device costs; None where no price is known: never guessed.
    """

    def __init__(self, now: int, rate: Callable[[Device], Rate | None]) -> None:
        self.until = now
        """All devices are swept up to here."""
        self.accounts: list[Account] = []
        self._rate = rate
        self._index: dict[str, int] = {}
        self._runs = none()
        self._loads: list[tuple[int, int, int]] = []
        self._unobserved_until = 0

    @property
    def pending(self) -> int:
        """Rows of runs that are not settled, or whose request is open."""
        return len(self._runs["worker"])

    def device(self, device: Device) -> int:
        """Index of the account of *device*; opened now where it is new."""
        index = self._index.get(device.name)
        if index is None:
            index = self._index[device.name] = len(self.accounts)
            rate = self._rate(device)
            self.accounts.append(Account(device=device, opened=self.until, since=self.until, rate=rate))
        return index

    def loaded(self, device: int, begin: int, end: int) -> None:
        """A model was loaded on *device*: what is left idle in this time counts as loading."""
        self._loads.append((device, begin, end))

    def announce(self, rows: Columns) -> None:
        """Take in members of runs, announced or final; a row may come any number of times.

        What began before the sweep's place is late: that part is counted, and nobody is charged for it.
        """
        self._runs, new = merged(self._runs, rows)
        late = np.flatnonzero(new & (self._runs["start"] < self.until))
        if len(late):
            start, end = self._runs["start"][late], self._runs["end"][late]
            end = np.minimum(np.where(end == 0, self.until, end), self.until)
            missed = np.maximum(end - start, 0) // np.maximum(self._runs["size"][late], 1)
            for device, ns in zip(self._runs["device"][late].tolist(), missed.tolist(), strict=True):
                self.accounts[device].late += ns

    def sweep(self, until: int, idle: State) -> None:
        """Settle every device's time up to *until*; time without a run is *idle*."""
        for index, account in enumerate(self.accounts):
            while account.since < until:
                stop = min(until, account.since + MAX_WINDOW_NS)
                state = idle
                if account.since < self._unobserved_until:
                    stop, state = min(stop, self._unobserved_until), State.UNOBSERVED
                self._window(index, account, stop, state)
        self.until = max(self.until, until)
        self._loads = [load for load in self._loads if load[2] > self.until]

    def released(self) -> Columns:
        """Take out the rows of finished requests all of whose runs are settled, with what they owe."""
        runs = self._runs
        done = runs["final"] & (runs["release"] <= self.until)
        found = take(runs, done)
        if len(found["worker"]):
            self._runs = take(runs, ~done)
        return take(found, found["span_id"] != 0)

    def forget(self, worker: int, at: int, open_spans: Column) -> None:
        """End what a worker no longer speaks of: the frame that told its end was dropped on the way.

        Args:
            worker: whose newest frame has come.
            at: time of that frame. A frame repeats everything that runs.
            open_spans: requests that are open in it.
        """
        runs = self._runs
        mine = ~runs["final"] & (runs["worker"] == np.uint64(worker))
        waiting = np.flatnonzero(mine & (runs["told"] < at - GRACE_NS))
        if not len(waiting):
            return
        running = waiting[runs["end"][waiting] == 0]
        runs["end"][running] = np.maximum(runs["start"][running], at)
        gone = waiting[~np.isin(runs["span_id"][waiting], open_spans)]
        runs["final"][gone] = True
        runs["release"][gone] = runs["end"][gone]

    def close(self, worker: int, at: int) -> Columns:
        """End the runs and the requests of a worker that is gone; its rows, which are final now."""
        runs = self._runs
        mine = np.flatnonzero(runs["worker"] == np.uint64(worker))
        running = mine[runs["end"][mine] == 0]
        runs["end"][running] = np.maximum(runs["start"][running], at)
        runs["final"][mine] = True
        runs["release"][mine] = np.maximum(runs["release"][mine], runs["end"][mine])
        return take(runs, mine)

    def _window(self, index: int, account: Account, until: int, idle: State) -> None:
        runs, since = self._runs, account.since
        mine = np.flatnonzero(
            (runs["device"] == index) & (runs["start"] < until) & ((runs["end"] == 0) | (runs["end"] > since))
        )
        active = weighted(take(runs, mine), since, until)
        swept = sweep(active.begin, active.end, active.weight)
        owed = swept.shares[: len(mine)]
        owed[runs["span_id"][mine] == 0] = 0
        runs["ns"][mine] += owed
        self._charge(account, mine, owed)
        attributed = int(owed.sum())
        spare = until - since - swept.busy
        loading = self._loading(index, active, until) - swept.busy
        account.enter(
            {
                State.ATTRIBUTED: attributed,
                State.SYSTEM: swept.busy - attributed,
                State.LOADING: loading,
                idle: spare - loading,
            }
        )

    def _charge(self, account: Account, mine: Ints, owed: Ints) -> None:
        if account.rate is not None and len(mine):
            money, account.cost_carried = account.rate.charges(owed, account.cost_carried)
            self._runs["picodollars"][mine] += money

    def _loading(self, index: int, active: Weighted, until: int) -> int:
        """Ns in which a run was active or a model was loaded."""
        since = self.accounts[index].since
        loads = [(max(low, since), min(high, until)) for device, low, high in self._loads if device == index]
        loads = [(low, high) for low, high in loads if low < high]
        lows = np.array([low for low, _ in loads], np.int64)
        highs = np.array([high for _, high in loads], np.int64)
        return covered(np.concatenate([active.begin, lows]), np.concatenate([active.end, highs]))

    def dump(self) -> dict[str, bytes]:
        """The ledger as sections of the state file."""
        accounts = {"until": self.until, "accounts": [account.to_json() for account in self.accounts]}
        return {_ACCOUNTS: json.dumps(accounts).encode(), _RUNS: pack(self._runs)}

    def load(self, sections: Mapping[str, bytes], *, now: int, gap: int | None) -> None:
        """Go on where a state ended; the time in between is unobserved, but for runs that are resent.

        Args:
            sections: what `dump` returned.
            now: CLOCK_MONOTONIC ns.
            gap: None on the same boot; else ns of wall time since the state, which is on another clock.

        Raises:
            StateError: a section is not as `dump` writes it.
        """
        try:
            data = json.loads(sections[_ACCOUNTS])
            for entry in data["accounts"]:
                account = Account.from_json(entry, self._rate(Device(**entry["device"])))
                self._index[account.device.name] = len(self.accounts)
                self.accounts.append(account)
            self.until = data["until"]
            runs = unpack(sections[_RUNS])
            if runs.keys() != self._runs.keys():
                raise ValueError(f"runs have the columns {sorted(runs)}")  # noqa: TRY301 - see below
        except (KeyError, TypeError, ValueError) as error:
            raise StateError(f"the ledger's state is not as the sidecar writes it: {error}") from error
        if gap is None:
            self._runs = runs
            self._unobserved_until = now
            return
        for account in self.accounts:
            account.reopen(now, gap)
        self.until = now
