"""OTLP over gRPC; grpcio is loaded only where somebody asks for it."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any, Final
from urllib.parse import urlsplit

from inferometer.errors import RefusedError
from inferometer.otlp.delivery import Answer, Verdict, accepted
from inferometer.otlp.endpoint import Endpoint

_METHOD: Final = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
_DEFAULT_PORT: Final = 4317
_SUPPRESSED: Final = "suppress_instrumentation"
"""The key by which OpenTelemetry's instrumentation knows what is none of its business."""
_AGAIN: Final = frozenset(
    {"CANCELLED", "DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED", "ABORTED", "OUT_OF_RANGE", "UNAVAILABLE", "DATA_LOSS"}
)
"""Codes after which OTLP/gRPC says to try again; every other one is final."""


class GrpcExport:
    """Calls an endpoint.

    Args:
        endpoint: whom.

    Raises:
        RefusedError: a certificate cannot be read.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        grpc = import_module("grpc")
        url = urlsplit(endpoint.url)
        host = f"[{url.hostname}]" if ":" in (url.hostname or "") else url.hostname
        target = f"{host}:{url.port or _DEFAULT_PORT}"
        compression = grpc.Compression.Gzip if endpoint.compressed else grpc.Compression.NoCompression
        if endpoint.is_secure:
            channel = grpc.secure_channel(target, _credentials(grpc, endpoint), compression=compression)
        else:
            channel = grpc.insecure_channel(target, compression=compression)
        self._failure = grpc.RpcError
        self._channel: Any = channel
        self._timeout = endpoint.timeout_seconds
        self._metadata = tuple((name.lower(), value) for name, value in endpoint.headers.items())
        # Bodies are encoded already, and answers are read by us.
        self._export = channel.unary_unary(_METHOD, request_serializer=None, response_deserializer=None)

    def send(self, body: bytes) -> Answer:
        """Call once."""
        try:
            with _untraced():
                return accepted(self._export(body, timeout=self._timeout, metadata=self._metadata))
        except self._failure as error:
            code = error.code().name
            return Answer(Verdict.AGAIN if code in _AGAIN else Verdict.REFUSED, f"{code}: {error.details()}")

    def close(self) -> None:
        """Close the channel."""
        self._channel.close()


@contextmanager
def _untraced() -> Iterator[None]:
    """OpenTelemetry's own instrumentation of gRPC makes no spans of what is sent inside."""
    context = sys.modules.get("opentelemetry.context")
    if context is None:
        yield
        return
    token = context.attach(context.set_value(_SUPPRESSED, True))  # noqa: FBT003 - its value
    try:
        yield
    finally:
        context.detach(token)


def _credentials(grpc: Any, endpoint: Endpoint) -> Any:
    try:
        roots = endpoint.certificate.read_bytes() if endpoint.certificate is not None else None
        chain = endpoint.client_certificate.read_bytes() if endpoint.client_certificate is not None else None
        key_file = endpoint.client_key or endpoint.client_certificate
        key = key_file.read_bytes() if key_file is not None and chain is not None else None
    except OSError as error:
        raise RefusedError(f"cannot send traces to {endpoint.url}: a certificate cannot be used: {error}") from error
    return grpc.ssl_channel_credentials(root_certificates=roots, private_key=key, certificate_chain=chain)
