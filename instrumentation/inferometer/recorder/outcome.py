"""How a request ended, from what the application raised, answered, or did not.

An answer of 429 is `rejected`, and so is 503 with ``Retry-After``: the service says that it does not want the request
now. 504 is `timeout`, and so is whatever ends with a timeout that was raised. A client that leaves makes `cancelled`,
or `timeout` where it had waited as long as the service's timeout: a hung model burns its budget when clients give up.
A cancellation that a timeout of the application's own made is `timeout`, too.
"""

from typing import Final

from inferometer.catalog.stages import Outcome
from inferometer.recorder.expired import by_timeout

_CANCELLED: Final = frozenset({"CancelledError", "ClientDisconnect", "Cancelled"})
"""asyncio, Starlette, trio; by name, because none of them may be imported here."""
_DEADLINE: Final = "reason: deadline exceeded"
"""What anyio, from 4.11 on, writes into the cancellations of ``fail_after`` and ``move_on_after``."""
_TIMEOUTS: Final = ("Timeout", "TimeoutError", "TimeoutException")
_CLIENT_ERRORS: Final = 400
_SERVER_ERRORS: Final = 500
_TOO_MANY_REQUESTS: Final = 429
_CLIENT_CLOSED: Final = 499
_UNAVAILABLE: Final = 503
_GATEWAY_TIMEOUT: Final = 504


def of_exception(error: BaseException) -> Outcome:
    """Outcome of a request whose application raised *error*."""
    if isinstance(error, BaseExceptionGroup):
        inside = {of_exception(part) for part in error.exceptions}
        order = (Outcome.TIMEOUT, Outcome.SERVER_ERROR, Outcome.CANCELLED)
        return next(outcome for outcome in order if outcome in inside)
    names = [base.__name__ for base in type(error).__mro__]
    # httpx, requests and grpc have timeouts of their own that are no TimeoutError.
    # A connection that was refused is one of urllib3's, too, before its version 2.
    if "NewConnectionError" not in names and any(name.endswith(_TIMEOUTS) for name in names):
        return Outcome.TIMEOUT
    if not _CANCELLED.isdisjoint(names):
        by_anyio = any(isinstance(said, str) and _DEADLINE in said for said in error.args)
        return Outcome.TIMEOUT if by_anyio or by_timeout() else Outcome.CANCELLED
    return Outcome.SERVER_ERROR


def of_request(status: int, raised: Outcome | None, *, left: bool, retry_after: bool, overdue: bool) -> Outcome:
    """Outcome of a request that has ended.

    Args:
        status: of the answer; 0 where none began.
        raised: `of_exception` of what the application raised.
        left: the client went away before it had the whole answer.
        retry_after: the answer says when to come again.
        overdue: the service's timeout had passed.
    """
    given_up = Outcome.TIMEOUT if overdue else Outcome.CANCELLED
    if raised is not None:
        return given_up if raised is Outcome.CANCELLED else raised
    if status >= _SERVER_ERRORS:
        if status == _GATEWAY_TIMEOUT:
            return Outcome.TIMEOUT
        return Outcome.REJECTED if status == _UNAVAILABLE and retry_after else Outcome.SERVER_ERROR
    if left or status == _CLIENT_CLOSED:
        return given_up
    if status >= _CLIENT_ERRORS:
        return Outcome.REJECTED if status == _TOO_MANY_REQUESTS else Outcome.CLIENT_ERROR
    return Outcome.OK if status else Outcome.SERVER_ERROR
