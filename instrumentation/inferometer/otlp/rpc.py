"""What spans of gRPC say instead of HTTP's method, route and status: OpenTelemetry's conventions for RPC, 1.44."""

from typing import Final

from inferometer.catalog import spans
from inferometer.catalog.rpc import GRPC, status_name
from inferometer.otlp.fields import attribute

_SYSTEM: Final = GRPC.lower()
_OTHER: Final = "_OTHER"
"""The conventions' word for a method that the server does not have."""


def span_name(method: str) -> str:
    """Name of a span, by ``package.Service/Method``."""
    return method or _SYSTEM


def fields(method: str, status: int | None) -> list[bytes]:
    """Attributes of a call; without a status where none came."""
    encoded = [attribute(spans.RPC_SYSTEM, _SYSTEM), attribute(spans.RPC_METHOD, method or _OTHER)]
    if status is not None:
        encoded.append(attribute(spans.RPC_STATUS, status_name(status)))
    return encoded
