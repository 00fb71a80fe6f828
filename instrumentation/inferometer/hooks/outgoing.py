"""What the hooks of HTTP clients share: how an attempt begins, is answered, and ends.

Two times of an attempt are told apart: until the client's pool gave it a connection it waited in a queue, from then on
it was on the network or with the callee. A connection that has to be made first is the network's.
"""

import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from inferometer.recorder import propagation
from inferometer.recorder.calls import CallMark
from inferometer.recorder.headers import SERVER_TIMING, parse_server_timing
from inferometer.recorder.outcome import of_exception
from inferometer.recorder.request import current
from inferometer.recorder.worker import Worker

Function = Callable[..., Any]
now = time.monotonic_ns
MARK: Final = "_inferometer_call"
"""Attribute of a library's own object that leads to the mark of the attempt."""


def begin(
    worker: Worker, hook: str, target: str, method: str, given: propagation.Given
) -> tuple[CallMark, dict[str, str]] | None:
    """The mark of an attempt of the current request and the headers to send; None outside a request."""
    try:
        caller = current()
        return None if caller is None else propagation.attempt(caller, target, method, given)
    except Exception as error:  # noqa: BLE001 - the edge: the call goes out without us
        worker.hooks.failed(hook, error)
        return None


def connected(mark: CallMark) -> None:
    """The pool gave it a connection, or the right to make one."""
    mark.sent = mark.sent or now()


def failed(mark: CallMark, error: BaseException, *, waited: bool) -> None:
    """No answer came.

    Args:
        mark: of the attempt.
        error: that its caller gets: a timeout and a cancel are told apart by it.
        waited: it may still have waited in the pool.
    """
    mark.end = mark.end or now()
    mark.outcome = of_exception(error)
    if waited and not mark.sent:
        mark.sent = mark.end


def answered(worker: Worker, hook: str, mark: CallMark, status: Any, headers: Mapping[str, str] | None) -> None:
    """The head of the answer is there."""
    try:
        mark.headers = now()
        mark.status = int(status)
        mark.server_ns = parse_server_timing((headers or {}).get(SERVER_TIMING) or "")
    except Exception as error:  # noqa: BLE001 - the edge: the answer is the caller's, with or without us
        worker.hooks.failed(hook, error)


def ended(mark: CallMark | None) -> None:
    """The body of the answer was read, or nobody wants it; what comes first counts."""
    if mark is not None and not mark.end:
        mark.end = now()


def ending(original: Function) -> Function:
    """A method of a library's own object whose call ends the attempt that the object carries."""

    def end(self: Any, *args: Any, **kwargs: Any) -> Any:
        mark = self.__dict__.get(MARK)
        if mark is not None:
            ended(mark)
        return original(self, *args, **kwargs)

    return end
