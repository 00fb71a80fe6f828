"""Codes of gRPC, and the outcome of a request that ended with one.

The status of its record is gRPC's code (`inferometer.catalog.rpc`). Outcomes follow from it as OpenTelemetry's
conventions tell errors of a server from those of its caller, and as availability counts them:

======================================================================= ===============
code                                                                    outcome
======================================================================= ===============
OK                                                                      `ok`
CANCELLED                                                               `cancelled`; `timeout` after the service's one
DEADLINE_EXCEEDED                                                       `timeout`
RESOURCE_EXHAUSTED                                                      `rejected`
UNKNOWN                                                                 that of the exception that was raised
INTERNAL, UNAVAILABLE, DATA_LOSS, UNIMPLEMENTED                         `server_error`
UNIMPLEMENTED, where the server has no such method                      `client_error`, as 404 is
INVALID_ARGUMENT, NOT_FOUND, ALREADY_EXISTS, PERMISSION_DENIED,         `client_error`
FAILED_PRECONDITION, ABORTED, OUT_OF_RANGE, UNAUTHENTICATED
======================================================================= ===============
"""

from typing import Any, Final

from inferometer.catalog.rpc import STATUS_NAMES
from inferometer.catalog.stages import Outcome

OK: Final = 0
CANCELLED: Final = 1
UNKNOWN: Final = 2
DEADLINE_EXCEEDED: Final = 4
RESOURCE_EXHAUSTED: Final = 8
UNIMPLEMENTED: Final = 12
INTERNAL: Final = 13
UNAVAILABLE: Final = 14
DATA_LOSS: Final = 15
_CODES: Final = len(STATUS_NAMES)
_SERVER_ERRORS: Final = frozenset({UNKNOWN, UNIMPLEMENTED, INTERNAL, UNAVAILABLE, DATA_LOSS})
_OUTCOMES: Final = tuple(
    Outcome.SERVER_ERROR if code in _SERVER_ERRORS else Outcome.CLIENT_ERROR for code in range(_CODES)
)
_OTHERS: Final = {
    OK: Outcome.OK,
    CANCELLED: Outcome.CANCELLED,
    DEADLINE_EXCEEDED: Outcome.TIMEOUT,
    RESOURCE_EXHAUSTED: Outcome.REJECTED,
}
OUTCOMES: Final = tuple(_OTHERS.get(code, outcome) for code, outcome in enumerate(_OUTCOMES))
"""Outcome by code, as far as the code alone decides."""

_DUE_SECONDS: Final = 0.02
_DUE_SHARE: Final = 0.02
"""A client counts its deadline from its own clock and sends it rounded, by up to 1 %: its cancel comes a bit early."""


def code_of(status: Any) -> int:
    """Number of a ``grpc.StatusCode``; 0 for None, which is OK, and ``UNKNOWN`` for what is none, as gRPC sends it."""
    if status is None:
        return OK
    # The value of an enum's member as the member keeps it: ``value`` is looked for by Python code.
    value = getattr(status, "_value_", None) or getattr(status, "value", status)
    number = value[0] if isinstance(value, tuple) and value else value
    return number if isinstance(number, int) and 0 <= number < _CODES else UNKNOWN


def given_up(remaining_seconds: float | None, waited_ns: int) -> int:
    """Code of a call that its client cancelled, or whose deadline did, with this time left of the deadline."""
    if remaining_seconds is None or remaining_seconds > _DUE_SECONDS + _DUE_SHARE * waited_ns / 1e9:
        return CANCELLED
    return DEADLINE_EXCEEDED
