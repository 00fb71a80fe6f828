"""One stretch of one device's time, divided among what ran in it."""

import numpy as np

from inferometer_exporters.columns.tables import Columns, Ints, Mask, take
from inferometer_exporters.ledger import claims
from inferometer_exporters.ledger.account import Account, State
from inferometer_exporters.ledger.entries import Owed, enter
from inferometer_exporters.ledger.loads import Loads
from inferometer_exporters.ledger.sweep import sweep
from inferometer_exporters.ledger.told_steps import ToldSteps
from inferometer_exporters.ledger.weights import Active, PhaseWeights, active, beside


class Windows:
    """Settles windows of devices' time.

    Args:
        steps: that engines told of.
        loads: of models.
        phases: what a prefill weighs beside a decoding sequence.
    """

    def __init__(self, steps: ToldSteps, loads: Loads, phases: PhaseWeights) -> None:
        self._steps = steps
        self._loads = loads
        self._phases = phases
        self.sources: dict[int, int] = {}
        """What stands for the service of a worker."""

    def settle(self, index: int, account: Account, runs: Columns, rows: Ints, until: int, *, idle: State) -> None:
        """Enter what a device did from its account's place to *until*.

        Args:
            index: of the account.
            account: of the device.
            runs: the ledger's table.
            rows: of it, those on this device.
            until: CLOCK_MONOTONIC ns.
            idle: what time without a run is.
        """
        since = account.since
        here = (runs["start"][rows] < until) & (
            (runs["end"][rows] == 0) | (runs["end"][rows] > since) | runs["stepped"][rows]
        )
        mine = rows[here]
        told = runs["claim"][mine] > 0
        work = self._active(index, take(runs, mine), since, until)
        swept = sweep(work.begin, work.end, work.weight)
        owed = np.zeros(len(mine), np.int64)
        owned = work.row >= 0
        np.add.at(owed, work.row[owned], swept.shares[owned])
        owed[runs["span_id"][mine] == 0] = 0
        attributed = int(owed.sum())
        spare = until - since - swept.busy
        loading = self._loads.covered(index, work, since, until) - swept.busy if self._loads.of(index) else 0
        if told.any():
            owed[told] = self._granted(account, take(runs, mine), told, owed, (since, until, spare - loading))
            claimed = int(owed[told].sum())
            attributed, spare = attributed + claimed, spare - claimed
        states = {
            State.ATTRIBUTED: attributed,
            State.SYSTEM: swept.busy - int(owed[~told].sum()),
            State.LOADING: loading,
            idle: spare - loading,
        }
        enter(runs, Owed(mine, owed, work), account, states, until)
        account.enter(states)

    def _granted(self, account: Account, rows: Columns, told: Mask, owed: Ints, window: tuple[int, int, int]) -> Ints:
        """What each claim of a window (since, until, ns without a run) is charged."""
        since, until, room = window
        sources = np.array([self.sources.get(worker, worker) for worker in rows["worker"].tolist()], np.uint64)
        worked: dict[int, int] = {}
        for source, ns in zip(sources[~told].tolist(), owed[~told].tolist(), strict=True):
            worked[source] = worked.get(source, 0) + ns
        claimed = take(rows, told)
        return claims.granted(claims.due(claimed, since, until), sources[told], worked, account.credits, room)

    def _active(self, index: int, rows: Columns, since: int, until: int) -> Active:
        claimed = rows["claim"] > 0
        if not rows["stepped"].any() and not claimed.any():
            return active(rows, since, until, self._phases)
        free = np.flatnonzero(~rows["stepped"] & ~claimed)
        runs = active(take(rows, free), since, until, self._phases).among(free)
        steps = self._steps.active(index, rows, since, until)
        return runs if steps is None else beside(runs, steps)
