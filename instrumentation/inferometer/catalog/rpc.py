"""Names of gRPC: what stands in the place of HTTP's method and status on records, series and spans."""

from typing import Final

GRPC: Final = "GRPC"
"""Value of the method of a request that came by gRPC; its route is ``package.Service/Method``."""

STATUS_NAMES: Final = (
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
)
"""Status by its code, which is what the status of a record holds where the method is `GRPC`."""


def status_name(code: int) -> str:
    """Name of a status; ``UNKNOWN`` for a code that gRPC does not have."""
    return STATUS_NAMES[code] if 0 <= code < len(STATUS_NAMES) else "UNKNOWN"


def is_rpc_call(method: str) -> bool:
    """Whether an outgoing attempt is one by gRPC: its method is ``package.Service/Method``, HTTP's have no slash."""
    return "/" in method
