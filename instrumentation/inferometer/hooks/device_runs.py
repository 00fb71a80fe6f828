"""Runs on devices that work by themselves: two events around each, read when they were reached, waited for never.

`launch` and `launched` put events into the stream of the launching thread. What was reached is read at the next launch
on that device, before each frame, and when a request that has part in it ends. Never while any stream captures a graph:
an event that is asked then, by whichever thread, breaks the capture. The same lock is held while events are asked and
while a capture begins.

What an execute is told: `queued`, when the host launched it; `start`, when the device took it up; `end`. Start and end
are those of the events by the device's clock (`inferometer.hooks.device_clock`), never before the launch and never
after the moment at which the end was seen.
"""

import threading
import time
from collections.abc import Callable
from typing import Final

from inferometer.hooks.compute import What
from inferometer.hooks.device_clock import ANCHOR_NS, RETRY_NS, Anchor, Event, Runtime, elapsed_ns, measure
from inferometer.recorder.executes import ExecuteMark, Executes

MAX_PENDING: Final = 1024
"""Runs of one device that were not read yet; more are not measured."""
_READ_AT_LAUNCH: Final = 4
"""Runs that are asked for at a launch: it must stay quick."""
_POOL: Final = 16
"""Events that are made when a device is first used: to make one while other threads launch is slow."""


class Captures:
    """Whether any thread captures a graph, and the lock that keeps events from being asked meanwhile."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.running = 0

    def begin(self) -> None:
        """A capture is about to begin; returns when nobody asks events any more."""
        with self.lock:
            self.running += 1

    def end(self) -> None:
        """A capture has ended, or did not begin."""
        with self.lock:
            self.running = max(self.running - 1, 0)


class Run:
    """One run until it was read."""

    __slots__ = ("anchor", "first", "last", "launched", "mark", "recorded", "runs")

    def __init__(self, runs: "DeviceRuns", mark: ExecuteMark, anchor: Anchor | None, first: Event, last: Event) -> None:
        self.runs = runs
        self.mark = mark
        self.anchor = anchor
        self.first = first
        self.last = last
        self.launched = mark.queued
        self.recorded = False
        """Whether its last event is in the stream."""


class DeviceRuns:
    """The runs of one device."""

    def __init__(
        self,
        executes: Executes,
        runtime: Runtime,
        captures: Captures,
        device: int,
        *,
        failed: Callable[[BaseException], None],
        now: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        """Make the events of the pool; no run yet.

        Args:
            executes: is told what began and ended.
            runtime: of the device.
            captures: shared by all devices.
            device: its number.
            failed: is given what the runtime raises when it is asked.
            now: ns of CLOCK_MONOTONIC.
        """
        self._executes = executes
        self._runtime = runtime
        self._captures = captures
        self._device = device
        self._failed = failed
        self._now = now
        self._pending: list[Run] = []
        self._anchor: Anchor | None = None
        self._anchor_at = -ANCHOR_NS
        self._free = [runtime.event() for _ in range(_POOL)]
        stream = runtime.idle_stream(device)
        for event in self._free:
            event.record(stream)  # an event is only made when it is first recorded

    def launch(self, what: What) -> Run | None:
        """A run is about to be launched; None where it cannot be measured: it is captured, or too many wait."""
        if self._runtime.capturing(self._device) or len(self._pending) >= MAX_PENDING:
            return None
        self._read(_READ_AT_LAUNCH, wait=False)
        first, last = self._event(), self._event()
        if first is None or last is None:
            return None
        self._renew_anchor()
        mark = self._executes.launch(what.device, model=what.model, rows=what.rows, kind=what.kind)
        mark.ask = self.read
        stream = self._runtime.stream(self._device)
        mark.queued = self._now()
        run = Run(self, mark, self._anchor, first, last)
        first.record(stream)
        self._pending.append(run)
        return run

    def launched(self, run: Run) -> None:
        """All of the run was launched."""
        if self._runtime.capturing(self._device):
            # Launched outside a capture, ended inside one: its last event would be captured, and is never reached.
            self._forget(run)
            return
        run.last.record(self._runtime.stream(self._device))
        run.recorded = True
        self._executes.launched(run.mark)

    def read(self) -> None:
        """Tell of everything that began or ended until now."""
        self._read(MAX_PENDING, wait=True)

    def _read(self, limit: int, *, wait: bool) -> None:
        if not self._pending or not self._captures.lock.acquire(blocking=wait):
            return
        try:
            if not self._captures.running:
                for run in self._pending[:limit]:
                    self._ask(run)
        except Exception as error:  # noqa: BLE001 - the edge: a frame and a request's end must not fail by a device
            self._failed(error)
        finally:
            self._captures.lock.release()

    def _ask(self, run: Run) -> None:
        mark = run.mark
        if run.recorded and run.last.query():
            seen = self._now()
            duration = elapsed_ns(run.first, run.last)
            begun = seen if run.anchor is None else max(run.anchor.time_of(run.first), run.launched)
            end = min(begun + duration, seen)
            self._free += (run.first, run.last)
            # What the clocks disagree by moves the run, it does not make it shorter.
            self._tell(run, max(end - duration, run.launched), end)
        elif not mark.start and run.first.query():
            seen = self._now()
            begun = seen if run.anchor is None else max(run.anchor.time_of(run.first), run.launched)
            self._executes.started(mark, min(begun, seen))

    def _tell(self, run: Run, start: int, end: int) -> None:
        mark = run.mark
        self._pending.remove(run)
        mark.ask = None
        if not mark.start:
            self._executes.started(mark, start)
        self._executes.end(mark, max(end, mark.start))

    def _forget(self, run: Run) -> None:
        """Its end cannot be known; what is known is that it was launched until now."""
        with self._captures.lock:
            self._tell(run, run.launched, self._now())

    def _event(self) -> Event | None:
        try:
            return self._free.pop()
        except IndexError:
            # Nothing may be made on a device while a graph is captured.
            return None if self._captures.running else self._runtime.event()

    def _renew_anchor(self) -> None:
        now = self._now()
        if now - self._anchor_at < ANCHOR_NS or not self._captures.lock.acquire(blocking=False):
            return
        try:
            if not self._captures.running:
                self._anchor_at = now
                anchor = measure(self._runtime, self._device, self._now)
                self._anchor = anchor or self._anchor
                if anchor is None:
                    self._anchor_at = now - ANCHOR_NS + RETRY_NS
        finally:
            self._captures.lock.release()
