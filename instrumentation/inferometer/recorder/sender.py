"""What the headers of a request say of who sent it: read only where one of them is there."""

from collections.abc import Iterable
from operator import itemgetter
from typing import TYPE_CHECKING, Final

from inferometer.record.model import Flag
from inferometer.recorder import caller, proxy_wait
from inferometer.recorder.headers import is_ours, parse_traceparent

if TYPE_CHECKING:
    from inferometer.recorder.request import OpenRequest

Headers = Iterable[tuple[bytes, bytes]]

_MAX_TEXT: Final = 200
_MAX_JOINED: Final = 16_384
"""Bytes of a header that came many times; more of it is not looked at."""
_SAMPLED: Final = int(Flag.SAMPLED)
_RARE: Final = frozenset({*caller.HEADERS, *proxy_wait.HEADERS})
_PROXIES: Final = frozenset(proxy_wait.HEADERS)
READ_HEADERS: Final = frozenset({b"traceparent", b"tracestate", *_RARE})
"""What is read of every request, besides the headers that settings name."""
NAME: Final = itemgetter(0)
"""Of a header."""


def read(request: "OpenRequest", headers: Headers) -> None:
    """Take over what *headers* say: whose request it is, which trace it belongs to, how long a proxy kept it."""
    worker = request.worker
    found = _joined(headers, worker.wanted_headers)
    request.tenant = found.get(worker.tenant_header, b"")[:_MAX_TEXT].decode("latin-1")
    request.request_class = found.get(worker.class_header, b"")[:_MAX_TEXT].decode("latin-1")
    # Two traceparents were joined with a comma, which makes them invalid, as the specification asks.
    parent = parse_traceparent(found.get(b"traceparent", b""))
    if parent is not None:
        request.state = found.get(b"tracestate", b"")
    if not _RARE.isdisjoint(found):
        _read_rare(request, found)
        if parent is None:
            parent = caller.parse_b3(found)
    if parent is None:
        return
    request.trace_hi, request.trace_lo, request.parent_id, flags = parent
    if request.state and is_ours(request.state):
        request.answers = True
        request.flags = 0
    if flags & 1:
        request.flags |= _SAMPLED


def _joined(headers: Headers, wanted: frozenset[bytes]) -> dict[bytes, bytes]:
    """The headers that somebody looks at, by name; what came more than once is joined as HTTP joins it."""
    found: dict[bytes, bytes] = {}
    for name, value in headers:
        if name in wanted:
            if name not in found:
                found[name] = value
            elif len(found[name]) < _MAX_JOINED:
                found[name] += b"," + value
    return found


def _read_rare(request: "OpenRequest", found: dict[bytes, bytes]) -> None:
    if caller.REQUEST_ID in found:
        request.external_id = caller.external_id(found)
    if caller.BAGGAGE in found:
        request.baggage = caller.baggage(found)
    if not _PROXIES.isdisjoint(found):
        arrival = request.arrival or request.start or request.entry
        request.proxy_wait = request.worker.proxy_clock.wait_ns(found, arrival)
