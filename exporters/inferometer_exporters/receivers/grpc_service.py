"""OTLP over gRPC: ``TraceService/Export``, plain or gzip. The one module here that imports grpcio."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Final

import grpc
import grpc.aio

from inferometer.access import Access, Certificates, is_loopback
from inferometer.errors import RefusedError, WireError
from inferometer_exporters.receivers import messages, taking
from inferometer_exporters.receivers.body import GZIP_MAGIC, MAX_BODY, TooLargeError, gunzipped
from inferometer_exporters.receivers.http_app import TRACES_ONLY
from inferometer_exporters.receivers.incoming import WHY
from inferometer_exporters.receivers.taking import BusyError, Taking
from inferometer_exporters.web_guard import ASK_SECONDS, MAX_CONNECTIONS

EXPORT: Final = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
_OTHER_SIGNALS: Final = ("/opentelemetry.proto.collector.",)
_AUTHORIZATION: Final = "authorization"
_MAX_CALLS: Final = 256
MAX_METADATA: Final = 16_384


class _Refused(Exception):  # noqa: N818 - it never leaves this module
    def __init__(self, code: grpc.StatusCode, reason: str, why: str) -> None:
        super().__init__(why)
        self.code = code
        self.reason = reason


class GrpcTraces(grpc.GenericRpcHandler):  # type: ignore[misc]  # grpcio has no types
    """Answers calls.

    Args:
        taking: what becomes of a body.
        access: what the port asks for.
        ask_seconds: in which a call's message must have come.
    """

    def __init__(self, taking: Taking, access: Access, *, ask_seconds: float = ASK_SECONDS) -> None:
        self._taking = taking
        self._access = access
        self._ask_seconds = ask_seconds

    def service(self, handler_call_details: Any) -> Any:
        """The handler of a method.

        One that takes a stream: its first message comes when it comes, and can be waited for with a limit. For the
        client it is the same as a call with one message.
        """
        if handler_call_details.method == EXPORT:
            return grpc.stream_unary_rpc_method_handler(self._export)
        if handler_call_details.method.startswith(_OTHER_SIGNALS):
            return grpc.stream_unary_rpc_method_handler(self._unsupported)
        return None

    async def _unsupported(self, _: AsyncIterator[bytes], context: Any) -> bytes:
        self._taking.refused(taking.UNSUPPORTED)
        await context.abort(grpc.StatusCode.UNIMPLEMENTED, TRACES_ONLY)
        return b""

    async def _export(self, stream: AsyncIterator[bytes], context: Any) -> bytes:
        try:
            return await self._taken(stream, context)
        except _Refused as refused:
            self._taking.refused(refused.reason)
            await context.abort(refused.code, str(refused))
        return b""

    async def _taken(self, stream: AsyncIterator[bytes], context: Any) -> bytes:
        metadata = {pair[0]: pair[1] for pair in context.invocation_metadata() or ()}
        if not self._access.admits(str(metadata.get(_AUTHORIZATION, ""))):
            raise _Refused(grpc.StatusCode.UNAUTHENTICATED, taking.UNAUTHORIZED, "unauthorized")
        try:
            async with asyncio.timeout(self._ask_seconds):
                data = await anext(aiter(stream), b"")
        except TimeoutError:
            raise _Refused(grpc.StatusCode.DEADLINE_EXCEEDED, taking.TOO_SLOW, "the message did not come") from None
        try:
            # grpcio would decompress without a limit, so it is told not to; a message never begins like gzip.
            body = gunzipped(data) if data.startswith(GZIP_MAGIC) else data
            request = self._taking.take(body, messages.from_protobuf, near=_is_near(context.peer()))
        except TooLargeError as error:
            raise _Refused(grpc.StatusCode.RESOURCE_EXHAUSTED, taking.TOO_LARGE, str(error)) from error
        except WireError as error:
            raise _Refused(grpc.StatusCode.INVALID_ARGUMENT, taking.UNDECODABLE, str(error)) from error
        except BusyError as error:
            # OTLP: the code after which every client tries again.
            raise _Refused(grpc.StatusCode.UNAVAILABLE, taking.BUSY, str(error)) from error
        return messages.answer_protobuf(request.rejected, WHY)


def _is_near(peer: str) -> bool:
    """Whether ``ipv4:127.0.0.1:1234`` or ``ipv6:[::1]:1234`` is on this host."""
    address = peer.partition(":")[2].rpartition(":")[0]
    return is_loopback(address.replace("%5B", "").replace("%5D", "").strip("[]"))


def server(
    handler: GrpcTraces, address: str, certificates: Certificates | None, *, max_connections: int = MAX_CONNECTIONS
) -> tuple[Any, int]:
    """A server that is not started, and its port; in the event loop that it will run in.

    Args:
        handler: answers.
        address: ``host:port``; port 0 for any free one.
        certificates: of TLS; None: without.
        max_connections: open at once.

    Raises:
        RefusedError: the address is taken, or a certificate cannot be used.
    """
    options = [
        ("grpc.so_reuseport", 0),
        ("grpc.per_message_decompression", 0),
        ("grpc.max_receive_message_length", MAX_BODY),
        ("grpc.max_metadata_size", MAX_METADATA),
        ("grpc.absolute_max_metadata_size", MAX_METADATA),
        ("grpc.max_allowed_incoming_connections", max_connections),
        ("grpc.max_concurrent_streams", 64),
        ("grpc.server_handshake_timeout_ms", int(ASK_SECONDS * 1000)),
        ("grpc.max_connection_idle_ms", 300_000),
        ("grpc.http2.min_recv_ping_interval_without_data_ms", 10_000),
        ("grpc.http2.max_ping_strikes", 2),
    ]
    made = grpc.aio.server(options=options, maximum_concurrent_rpcs=_MAX_CALLS)
    made.add_generic_rpc_handlers((handler,))
    try:
        if certificates is None:
            port = made.add_insecure_port(address)
        else:
            port = made.add_secure_port(address, _credentials(certificates))
    except RuntimeError as error:
        raise RefusedError(f"cannot take OTLP over gRPC on {address}: {error}") from error
    return made, int(port)


def _credentials(certificates: Certificates) -> Any:
    # grpcio would say nothing of a file that is none; ssl names it.
    certificates.context()
    key = certificates.key or certificates.certificate
    authority = certificates.client_authority
    return grpc.ssl_server_credentials(
        [(key.read_bytes(), certificates.certificate.read_bytes())],
        None if authority is None else authority.read_bytes(),
        require_client_auth=authority is not None,
    )
