"""The sidecar beside a command: a process that ends with us, and comes back if somebody kills it."""

import contextlib
import os
import select
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Final
from urllib.parse import urlsplit

from inferometer.errors import InferometerError

READY_SECONDS: Final = 30.0
END_SECONDS: Final = 6.0
"""Two for the last frames, the rest for the last pass and for closing the recorder."""
MAX_RESTARTS: Final = 5
RESTART_SECONDS: Final = 1.0
_LOOK_SECONDS: Final = 0.05
_LAST_LINE: Final = b"api "
"""Begins the last line that a sidecar writes before it serves."""


class SidecarError(InferometerError):
    """The sidecar did not start."""


class StartInterruptedError(InferometerError):
    """A signal asked for the end while the sidecar was starting.

    Attributes:
        number: Of the signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__(f"signal {number} while the sidecar was starting")
        self.number = number


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a sidecar is: its files, and where it answers."""

    socket: Path
    state: Path
    log: Path
    metrics: str
    """``host:port``."""
    api: str
    """``host:port``."""
    thresholds: Path | None = None
    otlp: str | None = None

    def arguments(self) -> Sequence[str]:
        """The command that serves there until its standard input ends."""
        given = {
            "--socket": self.socket,
            "--state": self.state,
            "--metrics": self.metrics,
            "--api": self.api,
            "--thresholds": self.thresholds,
            "--otlp": self.otlp,
        }
        options = [text for option, value in given.items() if value is not None for text in (option, str(value))]
        return [sys.executable, "-m", "inferometer_compose", "sidecar", "--with-stdin", *options]


class Sidecar:
    """A sidecar process and its restarts.

    Args:
        place: Where it is; the same after a restart, so that workers find it and nothing is counted twice.
        environment: Its environment.
        now: Monotonic seconds.
    """

    def __init__(
        self, place: Place, environment: Mapping[str, str], *, now: Callable[[], float] = time.monotonic
    ) -> None:
        self.place = place
        self._environment = dict(environment)
        self._now = now
        self._child: subprocess.Popen[bytes] | None = None
        self._started_at = 0.0
        self.restarts = 0

    def start(self, interrupted: Callable[[], int | None]) -> None:
        """Start it and wait until it listens everywhere.

        Args:
            interrupted: The signal that asks for the end meanwhile, if one came.

        Raises:
            SidecarError: It ended, or was not ready in time; with the last line that it wrote.
            StartInterruptedError: A signal came.
        """
        child = self._spawn()
        deadline = self._now() + READY_SECONDS
        said = b""
        while not any(line.startswith(_LAST_LINE) for line in said.split(b"\n")[:-1]):
            said += _read(child, _LOOK_SECONDS)
            if (number := interrupted()) is not None:
                self.kill()
                raise StartInterruptedError(number)
            if child.poll() is not None:
                raise SidecarError(self._last_words() or f"the sidecar ended with status {child.returncode}")
            if self._now() > deadline:
                self.kill()
                raise SidecarError(f"the sidecar was not ready after {READY_SECONDS:.0f} s: {self.place.log}")
        # A port 0 is another one by now, and must be the same after a restart.
        where = dict(line.split(" ", 1) for line in said.decode().splitlines() if " " in line)
        metrics, api = urlsplit(where.get("metrics", "")).netloc, urlsplit(where.get("api", "")).netloc
        self.place = replace(self.place, metrics=metrics, api=api)

    def keep_up(self) -> bool:
        """Start it again where it has ended, a few times; False where it is given up just now."""
        child = self._child
        if child is None or child.poll() is None or self._now() - self._started_at < RESTART_SECONDS:
            return True
        _close(child)
        self._child = None
        if self.restarts >= MAX_RESTARTS:
            return False
        self.restarts += 1
        with contextlib.suppress(SidecarError):
            self._spawn()
        return True

    def end(self) -> int | None:
        """Let it take the last frames and end; the number of requests that it recorded, None where it does not say."""
        child, self._child = self._child, None
        if child is None:
            return None
        try:
            said, _ = child.communicate(timeout=END_SECONDS)
        except subprocess.TimeoutExpired:
            child.kill()
            child.communicate()
            return None
        counts = [line.removeprefix("requests ") for line in said.decode().splitlines() if line.startswith("requests ")]
        return int(counts[-1]) if counts and counts[-1].isdecimal() else None

    def kill(self) -> None:
        """End it without any last frame."""
        child, self._child = self._child, None
        if child is not None:
            child.kill()
            child.communicate()

    def _spawn(self) -> subprocess.Popen[bytes]:
        self._started_at = self._now()
        with self.place.log.open("ab") as log:
            try:
                self._child = subprocess.Popen(  # noqa: S603 - our own command, no shell
                    self.place.arguments(),
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=log,
                    env=self._environment,
                    # What the terminal sends to the command must not end the sidecar first.
                    start_new_session=True,
                )
            except OSError as error:
                raise SidecarError(f"the sidecar cannot be started: {error}") from error
        return self._child

    def _last_words(self) -> str:
        lines = self.place.log.read_text(encoding="utf-8", errors="replace").splitlines()
        return lines[-1].removeprefix("inferometer: ") if lines else ""


def _read(child: subprocess.Popen[bytes], seconds: float) -> bytes:
    out = _pipe(child.stdout)
    readable, _, _ = select.select([out], [], [], seconds)
    return os.read(out.fileno(), 4096) if readable else b""


def _pipe(stream: IO[bytes] | None) -> IO[bytes]:
    if stream is None:
        raise SidecarError("the sidecar has no pipe to us")
    return stream


def _close(child: subprocess.Popen[bytes]) -> None:
    for stream in (child.stdin, child.stdout):
        if stream is not None:
            stream.close()
