"""The command itself: started as a shell would start it, sent what we are sent, waited for.

It stays in our process group and on our terminal. So what the terminal sends, it gets without us; what somebody sends
to us alone, by ``kill`` or as a container's first process, is passed on. The kernel says which is which.
"""

import contextlib
import os
import signal
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Self

from inferometer.errors import InferometerError

PASSED_ON: Final = (
    signal.SIGINT,
    signal.SIGTERM,
    signal.SIGHUP,
    signal.SIGQUIT,
    signal.SIGUSR1,
    signal.SIGUSR2,
    signal.SIGWINCH,
)
ENDING: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
_AWAITED: Final = (*PASSED_ON, signal.SIGCHLD)
# Python ignores these two; a program that inherits that does not notice a closed pipe.
_IGNORED_BY_PYTHON: Final = (signal.SIGPIPE, signal.SIGXFSZ)
_LOOK_SECONDS: Final = 1.0
NOT_FOUND: Final = 127
NOT_EXECUTABLE: Final = 126
BY_SIGNAL: Final = 128


class CommandError(InferometerError):
    """The command cannot be started.

    Attributes:
        status: What a shell would exit with.
    """

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class Signals:
    """This process's signals, held back until somebody waits for them."""

    before: frozenset[int]
    """The mask that we were started with, and that the command gets."""

    @classmethod
    def held(cls) -> Self:
        """Hold back what is passed on, from now on; processes that are started by others than us inherit that.

        The sidecar is to inherit it: a signal to the whole group must not end it before the command's last frames.
        """
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        return cls(frozenset(signal.pthread_sigmask(signal.SIG_BLOCK, _AWAITED)))

    def ending(self) -> int | None:
        """A signal that asks us to end and has come already; None without one."""
        asked = signal.sigtimedwait(ENDING, 0)
        return None if asked is None else asked.si_signo


def start(arguments: Sequence[str], environment: Mapping[str, str], signals: Signals) -> int:
    """Start the command; its process id.

    Raises:
        CommandError: it is not there, or cannot be executed.
    """
    try:
        return os.posix_spawnp(
            arguments[0],
            list(arguments),
            dict(environment),
            setsigmask=signals.before,
            setsigdef=_IGNORED_BY_PYTHON,
        )
    except FileNotFoundError as error:
        raise CommandError(f"{arguments[0]}: command not found", NOT_FOUND) from error
    except OSError as error:
        raise CommandError(f"{arguments[0]}: {error.strerror}", NOT_EXECUTABLE) from error


def wait(pid: int, meanwhile: Callable[[], None]) -> int:
    """Pass signals on until the command has ended; its exit status, 128 and the signal's number where one ended it.

    Args:
        pid: Of the command.
        meanwhile: Called now and then, and when another child has ended.
    """
    while (status := _status(pid)) is None:
        came = signal.sigtimedwait(_AWAITED, _LOOK_SECONDS)
        if came is not None and is_ours_to_pass_on(came):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, came.si_signo)
        meanwhile()
        _reap_orphans(pid)
    return status


def _reap_orphans(command: int) -> None:
    """Let go of processes that were left to us: as a container's first process we are the parent of all orphans."""
    with contextlib.suppress(ChildProcessError):
        while ended := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT):
            if ended.si_pid == command:
                return
            os.waitpid(ended.si_pid, 0)


def is_ours_to_pass_on(came: signal.struct_siginfo) -> bool:
    """Whether a signal was sent to us alone. A positive code is the kernel's: the terminal told the whole group."""
    return came.si_signo != signal.SIGCHLD and came.si_code <= 0


def _status(pid: int) -> int | None:
    ended, status = os.waitpid(pid, os.WNOHANG)
    if not ended:
        return None
    return os.WEXITSTATUS(status) if os.WIFEXITED(status) else BY_SIGNAL + os.WTERMSIG(status)
