"""A child process with a log of its own: started, waited for, ended with its whole group."""

import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from inferometer.errors import InferometerError

_POLL_SECONDS = 0.05
_LAST_LINES = 12


class StartError(InferometerError):
    """A process of the stack did not get ready."""


@dataclass(frozen=True, slots=True)
class Command:
    """What to start.

    Attributes:
        name: Names its log and its errors.
        arguments: The program and its arguments.
        environment: Added to our own.
        nice: Added to our niceness; a load generator or a peer should not slow what is measured.
        pipe: Whether standard output goes to us and not into the log.
    """

    name: str
    arguments: Sequence[str]
    environment: Mapping[str, str]
    nice: int = 0
    pipe: bool = False


class Process:
    """A running command.

    Args:
        command: Is started at once, in a session of its own: Ctrl-C on our terminal reaches only us.
        folder: Where its log goes.
    """

    def __init__(self, command: Command, folder: Path) -> None:
        self.name = command.name
        self.log = folder / f"{command.name}.log"
        self.started = time.monotonic()
        if shutil.which(command.arguments[0]) is None:
            raise StartError(f"{command.name} cannot be started: there is no program {command.arguments[0]}")
        arguments = [*_ending_with_us(), *_nice(command), *command.arguments]
        with self.log.open("ab") as log:
            try:
                self._child = subprocess.Popen(  # noqa: S603 - our own commands, no shell
                    arguments,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE if command.pipe else log,
                    stderr=log,
                    env={**os.environ, **command.environment},
                    start_new_session=True,
                )
            except OSError as error:
                raise StartError(f"{command.name} cannot be started: {error}") from error

    @property
    def pid(self) -> int:
        """Process id, and id of the group."""
        return self._child.pid

    @property
    def output(self) -> IO[bytes] | None:
        """Standard output, where the command asked for a pipe."""
        return self._child.stdout

    def running(self) -> bool:
        """Whether it still runs."""
        return self._child.poll() is None

    def wait_until(self, ready: Callable[[], bool], *, within_seconds: float) -> float:
        """Wait until it is ready; seconds since its start.

        Raises:
            StartError: it ended, or took too long; the message has the last lines of its log.
        """
        deadline = time.monotonic() + within_seconds
        while not ready():
            if not self.running():
                raise StartError(f"{self.name} ended with status {self._child.returncode}\n{self.last_lines()}")
            if time.monotonic() > deadline:
                raise StartError(f"{self.name} was not ready after {within_seconds:.0f} s\n{self.last_lines()}")
            time.sleep(_POLL_SECONDS)
        return time.monotonic() - self.started

    def last_lines(self) -> str:
        """The end of its log, indented, with the log's path."""
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-_LAST_LINES:]
        return "\n".join([f"  {self.log}:", *(f"    {line}" for line in lines)])

    def ask_to_end(self) -> None:
        """Send SIGTERM to the group; somebody who is stopped continues, so that he can hear it."""
        if self.running():
            self._signal(signal.SIGTERM)
            self._signal(signal.SIGCONT)

    def end(self, *, within_seconds: float) -> None:
        """Ask, wait, and kill the group after that time."""
        self.ask_to_end()
        try:
            self._child.wait(within_seconds)
        except subprocess.TimeoutExpired:
            self._signal(signal.SIGKILL)
            self._child.wait()
        if self._child.stdout is not None:
            self._child.stdout.close()

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._child.pid, number)


def _ending_with_us() -> list[str]:
    """Has the kernel end the command when we are killed and cannot; of util-linux, so not on a Mac.

    The kernel means the thread that starts it, which is the main one.
    """
    return ["setpriv", "--pdeathsig", "TERM", "--"] if shutil.which("setpriv") else []


def _nice(command: Command) -> list[str]:
    return ["nice", "-n", str(command.nice)] if command.nice else []


def end_all(processes: Sequence[Process], *, within_seconds: float) -> None:
    """End processes side by side; the time is for all of them."""
    deadline = time.monotonic() + within_seconds
    for process in processes:
        process.ask_to_end()
    for process in processes:
        process.end(within_seconds=max(0.1, deadline - time.monotonic()))
