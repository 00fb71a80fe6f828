"""Calls of NVML by one thread: what runs now, what a device does not have, what failed and how often."""

import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, TypeVar

from inferometer.catalog import telemetry
from inferometer.catalog.labels import READING_SOURCE
from inferometer_exporters.gpus.nvml_library import (
    FIELDS,
    FORBIDDEN,
    LOST,
    RELOADED,
    UNSUPPORTED,
    Call,
    FieldId,
    FieldValue,
    NvmlError,
    code_of,
)
from inferometer_exporters.source import Reading

_log = logging.getLogger(__name__)
T = TypeVar("T")

SOURCE: Final = READING_SOURCE.values[0]
DEADLINE: Final = "deadline"
"""Code of a call that did not return in time."""
_UNKNOWN_FIELD: Final = "invalid_argument"


class LostError(Exception):
    """The device answers no more until it is found anew."""


class ReloadedError(Exception):
    """The driver is not the one that was initialised, or none at all."""


class Failures:
    """How many calls failed, by name and code, of all threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._calls: dict[tuple[str, str], int] = {}
        self._rounds = 0
        self._told: set[tuple[str, str, str]] = set()

    def count(self, call: str, code: str, what: str) -> None:
        """One more; the first of each kind is logged, with what it was about."""
        with self._lock:
            self._calls[call, code] = self._calls.get((call, code), 0) + 1
            news = (call, code, what) not in self._told
            self._told.add((call, code, what))
        if news:
            _log.warning("%s of %s failed: %s", call, what, code)

    def forget(self) -> None:
        """Everything answers again: the next failure is news."""
        with self._lock:
            self._told.clear()

    def spoiled(self) -> None:
        """A reading of all devices was not whole."""
        with self._lock:
            self._rounds += 1

    def readings(self) -> Iterator[Reading]:
        """The counters so far."""
        with self._lock:
            calls, rounds = sorted(self._calls.items()), self._rounds
        for (call, code), count in calls:
            yield Reading(telemetry.SOURCE_CALL_ERRORS, (SOURCE, call, code), count, own=True)
        yield Reading(telemetry.SOURCE_ERRORS, (SOURCE,), rounds, own=True)


@dataclass(frozen=True, slots=True)
class Running:
    """A call that has not returned yet."""

    name: str
    since: float
    """By the monotonic clock, seconds."""


class Calls:
    """The calls of one thread; any other may look at `running`.

    Args:
        what: they are about, for the log.
        failures: counts those that fail.
        monotonic: seconds.
    """

    def __init__(self, what: str, failures: Failures, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.what = what
        self.failed = 0
        """Calls that failed so far."""
        self.running: Running | None = None
        self._failures = failures
        self._monotonic = monotonic
        self._absent: set[tuple[str, object]] = set()
        self._late: Running | None = None

    def __call__(
        self,
        call: Call[T],
        *arguments: object,
        key: object = None,
        answers: Mapping[str, T | None] = MappingProxyType({}),
    ) -> T | None:
        """What *call* answers; None where the device does not have it, or where it failed.

        Args:
            call: of the library.
            arguments: its own.
            key: what else tells this call from another one of its name, in memory of what the device does not have.
            answers: errors that are answers, and what they mean.

        Raises:
            LostError: the device is gone.
            ReloadedError: the driver is.
        """
        if (call.name, key) in self._absent:
            return None
        self.running = Running(call.name, self._monotonic())
        try:
            return call.run(*arguments)
        except NvmlError as error:
            code = code_of(error)
            if code in answers:
                return answers[code]
            self._fail(call.name, key, code)
            return None
        finally:
            self.running = None

    def fields(self, handle: object, fields: Iterable[FieldId]) -> dict[FieldId, FieldValue]:
        """The fields that the device has, in one call."""
        known = [field for field in fields if not self.lacks(FIELDS, key=field)]
        found: dict[FieldId, FieldValue] = {}
        if known:
            answers = self(FIELDS, handle, known) or ()
            for field, answer in zip(known, answers, strict=False):
                if isinstance(answer, FieldValue):
                    found[field] = answer
                else:
                    # An older driver does not know a field's number, or its scope.
                    self._fail(FIELDS.name, field, "not_supported" if answer == _UNKNOWN_FIELD else answer)
        return found

    def lacks(self, call: Call[T], *, key: object = None) -> bool:
        """Whether the device said that it does not have what *call* asks for, with that key or at all."""
        return (call.name, key) in self._absent or (call.name, None) in self._absent

    def forget(self) -> None:
        """Ask for everything again: the device or its driver may be another one now."""
        self._absent.clear()

    def patience(self, deadline: float) -> float:
        """Seconds that the call under way may still take; at most 0 for one that hangs, which is counted once.

        Args:
            deadline: seconds that a call may take.
        """
        running = self.running
        if running is None:
            return deadline
        left = running.since + deadline - self._monotonic()
        if left <= 0 and self._late is not running:
            self._late = running
            self._failures.count(running.name, DEADLINE, self.what)
        return left

    def _fail(self, name: str, key: object, code: str) -> None:
        if code in UNSUPPORTED or code == FORBIDDEN:
            self._absent.add((name, key))
        if code in UNSUPPORTED:
            return
        self.failed += 1
        self._failures.count(name, code, self.what)
        if code in LOST:
            raise LostError(code)
        if code in RELOADED:
            raise ReloadedError(code)
