"""The ledger of all devices: runs in, shares and states out."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import numpy as np

from inferometer.errors import StateError
from inferometer_exporters.columns.packed import pack, unpack
from inferometer_exporters.columns.tables import Column, Columns, Ids, Ints, take
from inferometer_exporters.ledger.account import Account, Device, State
from inferometer_exporters.ledger.loads import Loads
from inferometer_exporters.ledger.prices import Rate
from inferometer_exporters.ledger.runs import (
    GRACE_NS,
    bounded,
    by_device,
    clip,
    energy,
    merged,
    method,
    mixed,
    none,
    restored,
    settled_until,
)
from inferometer_exporters.ledger.steps import Step
from inferometer_exporters.ledger.sweep import MAX_WINDOW_NS
from inferometer_exporters.ledger.told_steps import ToldSteps
from inferometer_exporters.ledger.weights import PhaseWeights
from inferometer_exporters.ledger.windows import Windows

MAX_UNFINISHED: Final = 100_000
"""Rows of runs whose requests nobody ends; the oldest are given up."""
_ACCOUNTS: Final = "ledger.accounts"
_RUNS: Final = "ledger.runs"
_STEPS: Final = "ledger.steps"
_NOTHING: Final = np.zeros(0, np.int64)


class Ledger:
    """Accounts of devices, and the runs that are not settled.

    Args:
        now: CLOCK_MONOTONIC ns at which the ledger begins.
        rate: what a device costs; None where no price is known: never guessed.
        phases: what a prefill weighs beside a decoding sequence.
    """

    def __init__(self, now: int, rate: Callable[[Device], Rate | None], *, phases: PhaseWeights | None = None) -> None:
        self.until = now
        """All devices are swept up to here."""
        self.accounts: list[Account] = []
        self.given_up = 0
        """Rows that were given up and not counted yet: their requests never ended, or steps came too fast."""
        self._rate = rate
        self._index: dict[str, int] = {}
        self._runs = none()
        self._steps = ToldSteps()
        self._loads = Loads()
        self._unobserved_until = 0
        self._windows = Windows(self._steps, self._loads, phases or PhaseWeights())

    @property
    def pending(self) -> int:
        """Rows of runs that are not settled, or whose request is open."""
        return len(self._runs["worker"])

    def index(self, name: str) -> int | None:
        """Index of a device's account by its name; None where it has none."""
        return self._index.get(name)

    def device(self, device: Device) -> int:
        """Index of the account of *device*; opened now where it is new, known better where it was."""
        index = self._index.get(device.name)
        if index is None:
            index = self._index[device.name] = len(self.accounts)
            rate = self._rate(device)
            self.accounts.append(Account(device=device, opened=self.until, since=self.until, rate=rate))
            return index
        account = self.accounts[index]
        if account.closed:
            account.open(self.until)
        if account.device != device:
            account.become(device, self._rate(device))
        return index

    def close_account(self, name: str) -> None:
        """A device is billed no more, as far as the ledger has come; nothing where it has no account."""
        index = self._index.get(name)
        if index is not None and not self.accounts[index].closed:
            self.accounts[index].close()

    def loaded(self, device: int, begin: int, end: int) -> None:
        """A model was loaded on *device*: what is left idle in this time counts as loading."""
        self._loads.add(device, begin, end)

    def belongs(self, worker: int, source: int) -> None:
        """A worker, or what stands for an engine in its place, is a part of a service: *source* stands for that."""
        self._windows.sources[worker] = source

    def source(self, worker: int) -> int | None:
        """What stands for the service of a worker; None where nobody said."""
        return self._windows.sources.get(worker)

    def announce(self, rows: Columns) -> None:
        """Take in members of runs, announced or final; a row may come any number of times.

        What began before the sweep's place is late: that part is counted, and nobody is charged for it.
        """
        if len(rows["worker"]):
            clip(rows)
            self._use(rows)
        self._runs, new = merged(self._runs, rows)
        swept = self._swept(self._runs["device"])
        late = np.flatnonzero(new & (self._runs["start"] < swept) & ~self._runs["stepped"])
        if len(late):
            start, end, swept = self._runs["start"][late], self._runs["end"][late], swept[late]
            end = np.minimum(np.where(end == 0, swept, end), swept)
            missed = np.maximum(end - start, 0) // np.maximum(self._runs["size"][late], 1)
            for device, ns in zip(self._runs["device"][late].tolist(), missed.tolist(), strict=True):
                self.accounts[device].late += ns
        self._bound()

    def _swept(self, devices: Column) -> Ints:
        """Up to when each of *devices* is settled."""
        return np.array([account.since for account in self.accounts], np.int64)[devices]

    def _use(self, rows: Columns) -> None:
        """Remember who runs something on which device; of the first device, this host, that is not asked."""
        elsewhere = np.flatnonzero((rows["device"] > 0) & ~rows["engine"])
        if len(elsewhere):
            devices, workers = rows["device"][elsewhere], rows["worker"][elsewhere]
            for device in np.unique(devices).tolist():
                self.accounts[device].users.update(np.unique(workers[devices == device]).tolist())

    def _bound(self) -> None:
        self.given_up += self._steps.bounded()
        if self.pending > MAX_UNFINISHED:
            self._runs, gone = bounded(self._runs, MAX_UNFINISHED)
            self.given_up += gone

    def steps(self, steps: Sequence[Step], accounts: Callable[[str], Sequence[int]] | None = None) -> None:
        """Take in steps of engines: their sequences share the device by what each computed, from here on.

        A run that has a part in one works in steps and nowhere else; what lies between two steps is idle time.

        Args:
            steps: in the order of their time.
            accounts: indices of the accounts of an execute's devices by its name; the open ones unless told otherwise.
        """
        known = self._named if accounts is None else accounts
        for step in steps:
            for device in known(step.device):
                account = self.accounts[device]
                account.late += max(min(step.end, account.since) - step.start, 0)
        rows = self._steps.add(steps, known)
        if len(rows["worker"]):
            self.announce(rows)

    def _named(self, name: str) -> list[int]:
        """Indices of the accounts of a group by its devices' names, of those that have one."""
        found = (self._index.get(part) for part in name.split(","))
        return [index for index in found if index is not None]

    def sweep(
        self, until: int, idle: State, others: Mapping[int, State] | None = None, *, closing: bool = False
    ) -> None:
        """Settle every device's time up to *until*.

        Args:
            until: CLOCK_MONOTONIC ns.
            idle: what time without a run is.
            others: the same for single devices, by their index.
            closing: nothing more will be told, so no device stays behind.
        """
        rows = by_device(self._runs["device"])
        for index, account in enumerate(self.accounts):
            if account.closed:
                account.skip(until)
                continue
            mine = rows.get(index, _NOTHING)
            state = idle if others is None else others.get(index, idle)
            edge = until if closing else until - account.lag
            while account.since < edge:
                stop = min(edge, account.since + MAX_WINDOW_NS)
                if account.since < self._unobserved_until:
                    stop, now = min(stop, self._unobserved_until), State.UNOBSERVED
                else:
                    now = state
                if account.meter is not None:
                    stop = account.meter.edge(account.since, stop)
                self._windows.settle(index, account, self._runs, mine, stop, idle=now)
        self.until = max(self.until, until)
        settled = min(account.since for account in self.accounts) if self.accounts else self.until
        self._loads.settled(settled)
        self._steps.settled(settled)

    def released(self) -> Columns:
        """Take out the rows of finished requests all of whose runs are settled, with what they owe.

        Besides the columns of the table they have ``method`` (a code of `Method`) and ``spent``, the microjoules that
        they were charged; ``microjoules`` is -1 where a part of their time is not known.
        """
        runs = self._runs
        done = runs["final"] & (runs["release"] <= settled_until(runs, self._swept(runs["device"])))
        found = take(runs, done)
        if len(found["worker"]):
            self._runs = take(runs, ~done)
        found = take(found, found["span_id"] != 0)
        spent = found["microjoules"]
        return found | {"microjoules": energy(found), "spent": spent, "method": method(found)}

    def unsettled(self) -> Ids:
        """Requests that have a run on a device that stays behind: `mixed` of worker and span id."""
        if not any(account.lag for account in self.accounts):
            return np.zeros(0, np.uint64)
        behind = take(self._runs, self._runs["final"])
        return mixed(behind["worker"], behind["span_id"])

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
        for account in self.accounts:
            account.users.discard(worker)
        runs = self._runs
        mine = np.flatnonzero(runs["worker"] == np.uint64(worker))
        running = mine[runs["end"][mine] == 0]
        runs["end"][running] = np.maximum(runs["start"][running], at)
        runs["final"][mine] = True
        runs["release"][mine] = np.maximum(runs["release"][mine], runs["end"][mine])
        return take(runs, mine)

    def dump(self) -> dict[str, bytes]:
        """The ledger as sections of the state file."""
        accounts = {
            "until": self.until,
            "accounts": [account.to_json() for account in self.accounts],
            "engines": self._steps.to_json(),
        }
        sections = {_ACCOUNTS: json.dumps(accounts).encode(), _RUNS: pack(self._runs)}
        if len(self._steps):
            sections[_STEPS] = pack(self._steps.pieces)
        return sections

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
            runs = restored(unpack(sections[_RUNS]))
            pieces = unpack(sections[_STEPS]) if _STEPS in sections and gap is None else None
            self._steps.restore(data.get("engines", {}), pieces)
        except (KeyError, TypeError, ValueError) as error:
            raise StateError(f"the ledger's state is not as the sidecar writes it: {error}") from error
        if gap is None:
            self._runs = runs
            self._unobserved_until = now
            return
        for account in self.accounts:
            account.reopen(now, gap)
        self.until = now
