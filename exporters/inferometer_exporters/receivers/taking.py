"""What both protocols of OTLP do with a body: decode, check, queue, count."""

from collections.abc import Callable
from typing import Final

from inferometer.catalog import telemetry
from inferometer.catalog.labels import COMPONENT, DROP_REASON, REFUSAL
from inferometer.errors import InferometerError
from inferometer_exporters.receivers.inbox import Inbox
from inferometer_exporters.receivers.incoming import Incoming, incoming, shapes
from inferometer_exporters.receivers.messages import ExportTraceServiceRequest, from_protobuf
from inferometer_exporters.tally import Tally

UNAUTHORIZED, UNDECODABLE, TOO_LARGE, TOO_SLOW, TOO_MANY, BUSY, UNSUPPORTED = REFUSAL.values[:7]
_RECEIVER: Final = COMPONENT.values[2]
_UNDECODABLE: Final = DROP_REASON.values[5]
BUSY_WORDS: Final = "the sidecar has no room for more spans now"


class BusyError(InferometerError):
    """There is no room now; the same may be taken later."""


class Taking:
    """Takes requests of spans for one port; used by one thread.

    Args:
        inbox: where they wait for a pass.
        tally: counts what was taken and refused.
        port: value of the label ``port``.
    """

    def __init__(self, inbox: Inbox, tally: Tally, port: str) -> None:
        self._inbox = inbox
        self._tally = tally
        self._port = port
        self._shapes = shapes()

    def take(self, body: bytes, decode: Callable[[bytes], ExportTraceServiceRequest], *, near: bool) -> Incoming:
        """Decode a request and queue its spans.

        Args:
            body: as it came, decompressed.
            decode: of its format.
            near: whether it came from this host.

        Raises:
            BusyError: there is no room.
            WireError: it cannot be decoded.
        """
        if self._inbox.is_full:
            raise BusyError(BUSY_WORDS)
        plain = body if decode is from_protobuf else None
        request = incoming(decode(body), len(body), near=near, port=self._port, body=plain, known=self._shapes)
        if request.spans and not self._inbox.put(request):
            raise BusyError(BUSY_WORDS)
        self._tally.add(telemetry.SPANS_RECEIVED, (self._port,), len(request.spans))
        self._tally.add(telemetry.DROPS, (_RECEIVER, _UNDECODABLE), request.rejected)
        return request

    def refused(self, reason: str) -> None:
        """Count a refusal; *reason* is one of ``catalog.labels.REFUSAL``."""
        self._tally.add(telemetry.REFUSALS, (self._port, reason))
