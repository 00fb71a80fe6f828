"""A thread that does one round at a time for somebody who does not wait longer than a call may take.

A call into a driver that hangs cannot be ended: its thread is left with it, and goes on when it returns.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterable
from typing import Final, Generic, TypeVar

from inferometer_exporters.gpus.nvml_calls import Calls

_log = logging.getLogger(__name__)
T = TypeVar("T")

CALL_SECONDS: Final = 2.0
"""Longest time of one call; NVML's are done in microseconds to milliseconds (docs/gpus.md)."""


class Lane(Generic[T]):
    """One thread of rounds.

    Args:
        calls: that the rounds make.
        bell: rung when a round ends; shared by those that one thread waits for.
        deadline: seconds that one call may take.
    """

    def __init__(self, calls: Calls, bell: threading.Condition, *, deadline: float = CALL_SECONDS) -> None:
        self._calls = calls
        self._bell = bell
        self._deadline = deadline
        self._round: Callable[[], T] | None = None
        self._result: T | None = None
        self._closed = False
        self._thread: threading.Thread | None = None

    @property
    def busy(self) -> bool:
        """Whether a round is under way."""
        return self._round is not None

    def begin(self, what: Callable[[], T]) -> None:
        """Begin a round; the one before has ended."""
        with self._bell:
            self._round, self._result = what, None
            self._bell.notify_all()
        if self._thread is None:
            name = f"inferometer-{self._calls.what}"
            self._thread = threading.Thread(target=self._run, name=name, daemon=True)
            self._thread.start()

    def result(self) -> T | None:
        """What the last round gave; None while it is under way, and where it failed."""
        return None if self.busy else self._result

    def patience(self) -> float:
        """Seconds that the call under way may still take; at most 0 for one that hangs."""
        return self._calls.patience(self._deadline)

    def close(self) -> None:
        """End the thread, as soon as its call returns."""
        with self._bell:
            self._closed = True
            self._bell.notify_all()

    def _run(self) -> None:
        complaint = ""
        while True:
            with self._bell:
                self._bell.wait_for(lambda: self._closed or self._round is not None)
                what = self._round
            if self._closed or what is None:
                return
            result: T | None = None
            try:
                result = what()
            except Exception as error:  # noqa: BLE001 - see below
                # Whatever it is, the thread must live: the next round may find the device well.
                if repr(error) != complaint:
                    complaint = repr(error)
                    _log.exception("a round of %s failed", self._calls.what)
            with self._bell:
                self._round, self._result = None, result
                self._bell.notify_all()


def wait(
    bell: threading.Condition,
    lanes: Iterable[Lane[T]],
    *,
    longest: float,
    monotonic: Callable[[], float] = time.monotonic,
) -> None:
    """Wait until all rounds have ended, or those that have not hang, or *longest* seconds have passed."""
    until = monotonic() + longest
    with bell:
        while busy := [lane for lane in lanes if lane.busy]:
            left = min(max(lane.patience() for lane in busy), until - monotonic())
            if left <= 0:
                return
            bell.wait(left)
