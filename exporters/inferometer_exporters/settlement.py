"""What finished requests owe: the ledger, how far it may sweep, and the requests that wait for it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from inferometer.fleet.thresholds import Thresholds
from inferometer_exporters.columns.partition import Partitions
from inferometer_exporters.columns.tables import Columns, Ints, concatenate, take
from inferometer_exporters.hold import Hold, recorder_rows, releases
from inferometer_exporters.ledger.account import Device, State
from inferometer_exporters.ledger.ledger import Ledger
from inferometer_exporters.ledger.prices import Rate
from inferometer_exporters.recorder.tables import execute_rows

HOLD_NS: Final = 5 * 10**9
"""How long the ledger waits for a worker that says nothing."""
IDLE_SWEEP_NS: Final = 10**9
"""Time between sweeps where nothing waits for one."""


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


class Settlement:
    """Holds requests until the ledger is past their last run.

    Args:
        host: this host as a billed device.
        thresholds: has the prices.
        now: CLOCK_MONOTONIC ns at which it begins.
    """

    def __init__(self, host: Device, thresholds: Thresholds, now: int) -> None:
        self._host = host
        self._thresholds = thresholds
        self._hold = Hold()
        self._began = now
        self._swept = 0
        self.frames: dict[int, int] = {}
        """Live worker -> time of its newest frame: it has told everything that ran before."""
        self.ledger = Ledger(now, self._rate)
        self.ledger.device(host)

    def _rate(self, device: Device) -> Rate | None:
        price = self._thresholds.price(device.kind, device.model, name=device.name)
        return None if price is None else Rate.of(price)

    def device(self, name: str) -> int:
        """Index of the account of a device by its name; this host's for the empty one."""
        if not name or name == self._host.name:
            return self.ledger.device(self._host)
        return self.ledger.device(Device(name=name, kind="gpu"))

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
        self.ledger.sweep(reach, State.WARM_IDLE if self.frames else State.UNALLOCATED)
        runs = self.ledger.released()
        priced = np.array([account.rate is not None for account in self.ledger.accounts], np.int64)
        rows, row = self._hold.released(self.ledger.until, runs, priced[runs["device"]])
        return Settled(rows, runs, row, execute_rows(take(runs, row >= 0), priced))

    def _reach(self, now_ns: int, *, closing: bool) -> int:
        reach = min([now_ns, *self.frames.values()])
        if closing:
            # Whatever is finished is settled, as far as anybody told.
            return max(reach, self.ledger.until, self._hold.newest)
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
        if same_names:
            self._hold.load(sections)
        if gap is not None:
            self._hold.release_all()
