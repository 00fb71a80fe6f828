"""The loop of the Intake: absorb, commit, state, publish, acknowledge - in this order, whatever dies in between."""

import logging
import threading
import time
from collections.abc import Callable
from typing import Final

from inferometer.errors import StateError
from inferometer.intake.pipeline import Pipeline
from inferometer.intake.roster import Roster
from inferometer.intake.server import Server
from inferometer.intake.state import State, StateFile, Step, nothing

_log = logging.getLogger(__name__)

PERIOD_SECONDS: Final = 0.25
"""Time between passes, where they take little of it."""
REST: Final = 20
"""Times what the last pass took of a core, the next one may wait: passes cost nearly the same whatever they bring, so a
busy Intake makes fewer and larger ones."""
LONGEST: Final = 2
"""Times the period, between passes."""
EARLY_ROWS: Final = 2_048
"""Finished requests that make a pass come early, so that none is long."""
_MARKS: Final = "intake.marks"
_BOOT: Final = "intake.boot"
_WELL_NS: Final = 5 * 10**9


class Intake:
    """Drives a pipeline with the frames that a server receives, nothing lost and nothing twice.

    Args:
        server: receives frames; closed with the Intake.
        pipeline: consumes them.
        state: where the commit point is.
        boot_id: of this kernel; a state of another boot has stamps of another clock.
        period: seconds between passes; up to `LONGEST` times that, where they take much of it.
        early_rows: finished requests that make a pass come before its time.
        monotonic_ns: CLOCK_MONOTONIC.
        thread_ns: CPU time of the calling thread.
        after_step: called after each step of a pass with its name: ``absorbed``, ``committed``, ``written``,
            ``synced``, ``renamed``, ``published``, ``acknowledged``; tests kill the process there.
    """

    def __init__(
        self,
        server: Server,
        pipeline: Pipeline,
        state: StateFile,
        *,
        boot_id: str,
        period: float = PERIOD_SECONDS,
        early_rows: int = EARLY_ROWS,
        monotonic_ns: Callable[[], int] = time.monotonic_ns,
        thread_ns: Callable[[], int] = time.thread_time_ns,
        after_step: Step = nothing,
    ) -> None:
        self._server = server
        self._pipeline = pipeline
        self._state = state
        self._boot_id = boot_id
        self._period_ns = int(period * 10**9)
        self._early_rows = early_rows
        self._now = monotonic_ns
        self._thread_ns = thread_ns
        self._after = after_step
        self._roster = Roster()
        self._number = 0
        self._previous_ns: int | None = None
        self._unsaved = False
        self._complaining = False
        self._last_ns = 0
        self._spent_ns = 0
        self._stop = threading.Event()
        self.errors = 0
        """Passes that failed for a reason that nobody foresaw."""

    @property
    def number(self) -> int:
        """Number of the last durable pass."""
        return self._number

    def healthy(self) -> bool:
        """Whether passes come as they should."""
        return self._now() - self._last_ns < _WELL_NS

    def restore(self) -> None:
        """Load the last state and undo what came after it; show what was known.

        Raises:
            StateError: the state cannot be read.
        """
        state = self._state.read()
        if state is not None:
            try:
                self._restore(state)
            except StateError as error:
                aside = self._state.set_aside()
                _log.error("the state is of no use (%s): set aside as %s; counters begin anew", error, aside)
                raise
        newest = self._pipeline.rollback(state.number if state is not None else None)
        self._number = max(state.number if state is not None else 0, newest)
        self._pipeline.publish()
        self._last_ns = self._now()

    def _restore(self, state: State) -> None:
        same_boot = state.sections.get(_BOOT, b"").decode() == self._boot_id
        self._roster.load(state.sections.get(_MARKS, b"{}"), now_ns=self._now(), same_boot=same_boot)
        self._pipeline.load(state.sections, same_boot=same_boot)

    def run(self) -> None:
        """Receive and pass until `stop`; a last pass takes in what is there."""
        while not self._stop.is_set():
            self.turn()
        self._server.poll(0)
        self._guarded()

    def stop(self) -> None:
        """End `run` soon; from any thread."""
        self._stop.set()
        self._server.wake()

    def turn(self) -> None:
        """Wait for frames until the next pass is due, and do it."""
        due = self._last_ns + max(self._period_ns, min(self._spent_ns * REST, self._period_ns * LONGEST))
        while not self._stop.is_set():
            left = due - self._now()
            # At least once, also where the last pass took longer than the time between passes.
            self._server.poll(max(left, 0) / 10**9)
            if left <= 0 or self._server.inbox.requests >= self._early_rows:
                break
        if not self._stop.is_set():
            self._guarded()

    def _guarded(self) -> None:
        self._last_ns = self._now()
        begun = self._thread_ns()
        try:
            self.do_pass()
        except Exception:  # noqa: BLE001 - see below
            # The edge of the host: a defect of ours costs telemetry, not the process; the page says so.
            self.errors += 1
            if self.errors & (self.errors - 1) == 0:
                # The 1st, 2nd, 4th, 8th … : four lines a second for ever would hurt the host's log.
                _log.exception("a pass of the intake failed, %d so far", self.errors)
        self._spent_ns = self._thread_ns() - begun

    def do_pass(self) -> None:
        """One pass with all frames that have come."""
        begin = self._now()
        touched: set[bytes] = set()
        fresh = []
        for arrival in self._server.take():
            touched.add(arrival.frame.worker_id)
            if self._roster.accept(arrival, begin):
                fresh.append(arrival)
        gone = self._roster.departed(self._server.workers(), begin)
        changed = [
            bool(fresh) and self._pipeline.absorb(fresh),
            bool(gone) and self._pipeline.departed(gone),
            self._pipeline.tick(begin),
            self._unsaved,
        ]
        self._after("absorbed")
        if any(changed):
            self._unsaved = True
            if not self._save(begin):
                self._pipeline.publish()
                return
        self._pipeline.publish()
        self._after("published")
        for worker in touched:
            self._server.acknowledge(worker, self._roster.sequence(worker))
        self._after("acknowledged")

    def _save(self, begin: int) -> bool:
        """Make the pass durable; False where that fails: nothing is acknowledged, the next pass tries again."""
        number = self._number + 1
        self._pipeline.commit(number, previous_ns=self._previous_ns)
        self._after("committed")
        sections = {
            **self._pipeline.dump(),
            _MARKS: self._roster.dump(),
            _BOOT: self._boot_id.encode(),
        }
        try:
            self._state.write(State(number, sections), after_step=self._after)
        except StateError as error:
            if not self._complaining:
                _log.error("%s; what is shown would not survive a crash until that works again", error)
            self._complaining = True
            return False
        self._after("renamed")
        self._complaining = self._unsaved = False
        self._number = number
        self._previous_ns = self._now() - begin
        return True

    def close(self) -> None:
        """Close the server; after `run` has ended."""
        self._server.close()


def boot_id() -> str:
    """Identity of this boot of this kernel: stamps of CLOCK_MONOTONIC compare within it.

    Raises:
        StateError: the kernel does not tell.
    """
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:  # noqa: PTH123 - no path of a user
            return file.read().strip()
    except OSError as error:
        raise StateError(f"cannot read this kernel's boot id: {error.strerror}") from error
