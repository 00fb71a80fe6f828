"""What finished requests owe: the ledger, how far it may sweep, and the requests that wait for it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from inferometer.catalog.labels import DEVICE
from inferometer.fleet.thresholds import Thresholds
from inferometer_exporters.columns.partition import Partitions
from inferometer_exporters.columns.tables import Columns, Ints, concatenate, take
from inferometer_exporters.engine_steps import EngineSteps
from inferometer_exporters.engine_work import EngineWork, Number, source_of
from inferometer_exporters.engines.scrape import Scraped
from inferometer_exporters.engines.usage import Usage
from inferometer_exporters.hold import Hold, recorder_rows, releases
from inferometer_exporters.ledger.account import Device, State
from inferometer_exporters.ledger.inventory import GPU, Inventory
from inferometer_exporters.ledger.ledger import Ledger
from inferometer_exporters.ledger.prices import Rate
from inferometer_exporters.ledger.runs import folded, priced
from inferometer_exporters.ledger.steps import Step
from inferometer_exporters.receivers.passes import Took
from inferometer_exporters.recorder.tables import execute_rows
from inferometer_exporters.source import Sample

HOLD_NS: Final = 5 * 10**9
"""How long the ledger waits for a worker that says nothing."""
IDLE_SWEEP_NS: Final = 10**9
"""Time between sweeps where nothing waits for one."""
STEPS_AHEAD_NS: Final = 10**9
"""How long before its time is settled a step of an engine waits for members no more."""
MAX_ROWS: Final = 500_000
"""Rows of runs that may wait for a silent worker; of more the ledger waits for none, and what comes late is counted."""
_OTHER: Final = "other"
"""Account of devices that are too many to have one of their own."""


@dataclass(frozen=True, slots=True)
class Settled:
    """Requests whose cost is final, and their runs."""

    requests: Columns
    """As the recorder takes them."""
    runs: Columns
    """Of the ledger's table."""
    row: Ints
    """The request of each run, -1 without one."""
    executes: Columns
    """The same runs as the recorder takes them."""
    shares: Columns
    """Of models of engines that are only scraped; of the ledger's table."""


class Settlement:
    """Holds requests until the ledger is past their last run.

    Args:
        host: this host as a billed device.
        thresholds: has the prices.
        now: CLOCK_MONOTONIC ns at which it begins.
        pages: of engines that are scraped.
    """

    def __init__(self, host: Device, thresholds: Thresholds, now: int, pages: Sequence[Scraped] = ()) -> None:
        self._host = host
        self._thresholds = thresholds
        self._hold = Hold()
        self._began = now
        self._swept = 0
        self.frames: dict[int, int] = {}
        """Live worker -> time of its newest frame: it has told everything that ran before."""
        self._inventory = Inventory()
        self._work = EngineWork(pages, host.name, self._inventory.resolve)
        self._engine_steps = EngineSteps()
        self.ledger = Ledger(now, self._rate)
        self.ledger.device(host)

    def _rate(self, device: Device) -> Rate | None:
        price = self._thresholds.price(device.kind, device.model, name=device.name)
        return None if price is None else Rate.of(price).part(device.parts, device.whole)

    def devices(self, name: str) -> tuple[int, ...]:
        """Indices of the accounts of a device, or of a group of several with commas between; of this host for none."""
        return tuple(dict.fromkeys(self._device(part.strip()) for part in name.split(",")))

    def _device(self, name: str) -> int:
        if not name or name == self._host.name:
            return self.ledger.device(self._host)
        found = self._inventory.resolve(name)
        index = self.ledger.index(found)
        if index is not None and not self.ledger.accounts[index].closed:
            return index
        return self.ledger.device(Device(name=found if self._has_room(found) else _OTHER, kind=GPU))

    def _has_room(self, name: str) -> bool:
        return self.ledger.index(name) is not None or len(self.ledger.accounts) < DEVICE.max_values

    def observe(self, samples: Sequence[Sample]) -> None:
        """Take in what sources read of this host's devices: which there are, what they are, the energy they used."""
        self._work.watch(samples)
        used = self._inventory.observe(samples)
        for name in self._inventory.dissolved():
            self.ledger.close_account(name)
        for device in self._inventory.billed():
            if self._has_room(device.name):
                self.ledger.device(device)
        for account in self.ledger.accounts[1:]:
            # Runs came before the driver's list did; from here on they are on the account of the GPU itself.
            if self._inventory.resolve(account.device.name) != account.device.name:
                self.ledger.close_account(account.device.name)
        for energy in used:
            index = self.ledger.index(energy.device)
            if index is not None:
                self.ledger.accounts[index].used(energy.begin, energy.end, energy.microjoules)

    def loaded(self, worker: int, device: str, begin: int, end: int) -> None:
        """A worker loaded a model.

        Args:
            worker: as rows name it.
            device: to which it was loaded; where nobody says it (empty), the one that the worker uses, if there is one.
            begin: CLOCK_MONOTONIC ns, as the next.
            end: of the load.
        """
        used = [index for index, account in enumerate(self.ledger.accounts) if worker in account.users]
        for index in self.devices(device) if device or len(used) != 1 else used:
            self.ledger.loaded(index, begin, end)

    def steps(self, steps: Sequence[Step]) -> None:
        """Take in steps that an engine told of, in the order of their time."""
        self.ledger.steps(steps, self.devices)

    def took(self, tooks: Sequence[Took]) -> None:
        """Take in parts that requests had in batches of their engines, after the requests."""
        self._engine_steps.add(tooks)

    def _told_steps(self, reach: int, *, closing: bool) -> None:
        """Hand the ledger the steps that it is about to sweep."""
        accounts = self.ledger.accounts

        def edge(device: str) -> int:
            lag = 0 if closing else min(accounts[index].lag for index in self.devices(device))
            return reach - lag + STEPS_AHEAD_NS

        due = self._engine_steps.due(edge)
        # What was settled before is late, and was counted with its run.
        self.steps([step for step in due if step.end > min(accounts[at].since for at in self.devices(step.device))])

    def worker(self, worker: int, service: str) -> None:
        """A worker of a service has spoken."""
        self.ledger.belongs(worker, source_of(service))

    def place(self, service: str, host: str, oldest: int, now: int) -> str:
        """The devices on which requests ran whose spans have come, with commas between; empty where nobody knows.

        Args:
            service: that sent them.
            host: of the service.
            oldest: when the first of them began to run, CLOCK_MONOTONIC ns, as the next.
            now: they have come.
        """
        accounts = self._work.of_spans(self.ledger, service, host)
        self._work.heard(self.ledger, accounts, now, oldest=oldest)
        self.ledger.belongs(source_of(service), source_of(service))
        return ",".join(self.ledger.accounts[index].device.name for index in accounts)

    def used(self, usages: Sequence[Usage], number: Number, now: int) -> None:
        """Take in what pages of engines told: their models own what no run explains.

        Args:
            usages: from one scrape of each page to its next.
            number: the recorder's number of a label set.
            now: CLOCK_MONOTONIC ns.
        """
        if usages:
            self.ledger.announce(self._work.claims(self.ledger, usages, number, now))

    def take(
        self, requests: Columns, partitions: Partitions, executes: Columns, runs: Callable[[Columns, Ints], Columns]
    ) -> None:
        """Take in finished requests and all runs of a pass.

        Args:
            requests: that ended.
            partitions: of them.
            executes: rows of frames, announced and final.
            runs: makes rows of the ledger's table of them, given when the last run of each one's request ended.
        """
        release, run_release = releases(requests, partitions.end, executes)
        self._hold.add(recorder_rows(requests, partitions), release)
        self.ledger.announce(runs(executes, run_release))

    def leave(self, workers: Sequence[int], at: int) -> Columns:
        """These workers are gone: their runs end; rows of the ledger's table, which are final now."""
        for worker in workers:
            self.frames.pop(worker, None)
        return concatenate([self.ledger.close(worker, at) for worker in workers])

    def ended(self, requests: Columns, partitions: Partitions, runs: Columns) -> None:
        """Take in requests that ended with their worker; *runs* are in the ledger already."""
        release, _ = releases(requests, partitions.end, runs)
        self._hold.add(recorder_rows(requests, partitions), release)

    def settle(self, now_ns: int, *, closing: bool) -> Settled | None:
        """Sweep as far as it goes; None where there is nothing to sweep for."""
        waits = bool(len(self._hold) or self.ledger.pending)
        if not waits and now_ns - self._swept < IDLE_SWEEP_NS:
            return None
        self._swept = now_ns
        reach = self._reach(now_ns, closing=closing)
        self._told_steps(reach, closing=closing)
        idle = State.WARM_IDLE if self.frames or self._work.warm(0, now_ns) else State.UNALLOCATED
        self.ledger.sweep(reach, idle, self._idle(now_ns), closing=closing)
        released = self.ledger.released()
        claimed = released["claim"] > 0
        shares, runs = take(released, claimed), take(released, ~claimed)
        rows, row = self._hold.released(self.ledger.until, runs, priced(runs), self.ledger.unsettled())
        whole = folded(take(runs, row >= 0))
        return Settled(rows, runs, row, execute_rows(whole, priced(whole)), shares)

    def _idle(self, now_ns: int) -> dict[int, State]:
        """What every device but this host is without a run."""
        return {
            index: State.UNOBSERVED
            if self._inventory.lost(account.device.name)
            else State.WARM_IDLE
            if account.users or self._inventory.held(account.device.name) or self._work.warm(index, now_ns)
            else State.UNALLOCATED
            for index, account in enumerate(self.ledger.accounts)
            if index
        }

    def _reach(self, now_ns: int, *, closing: bool) -> int:
        # Energy is read after it was used: the ledger comes behind its reading, so that a request's is known.
        known = self._inventory.energy_ns([account.device.name for account in self.ledger.accounts])
        reach = min([now_ns, *self.frames.values(), *([] if known is None else [known])])
        if closing:
            # Whatever is finished is settled, as far as anybody told.
            return max(reach, self.ledger.until, self._hold.newest)
        if self.ledger.pending > MAX_ROWS:
            return max(now_ns, self.ledger.until)
        if now_ns < self._began + HOLD_NS:
            # Workers that lived before a restart are on their way back with what ran meanwhile.
            return max(reach, self.ledger.until)
        return max(reach, now_ns - HOLD_NS, self.ledger.until)

    def dump(self) -> dict[str, bytes]:
        """Sections of the state file."""
        return self._hold.dump() | self.ledger.dump()

    def load(self, sections: Mapping[str, bytes], now: int, *, gap: int | None, same_names: bool) -> None:
        """Go on where a state ended.

        Args:
            sections: what `dump` returned.
            now: CLOCK_MONOTONIC ns.
            gap: None on the same boot, else ns of wall time since the state.
            same_names: whether the recorder's numbers mean what they meant.

        Raises:
            StateError: a section is not as `dump` writes it.
        """
        self._began = now
        self.ledger = Ledger(now, self._rate)
        self.ledger.load(sections, now=now, gap=gap)
        self.ledger.device(self._host)
        for account in self.ledger.accounts:
            if account.device.kind == self._host.kind and account.device.name != self._host.name:
                # This host had another name: it is one device.
                account.close()
        if same_names:
            self._hold.load(sections)
        if gap is not None:
            self._hold.release_all()
