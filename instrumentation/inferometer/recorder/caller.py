"""What a request's headers say of who sent it, besides W3C Trace Context: b3, an id of its own, baggage."""

import re
from collections.abc import Mapping
from typing import Final

REQUEST_ID: Final = b"x-request-id"
BAGGAGE: Final = b"baggage"
B3: Final = b"b3"
B3_TRACE: Final = b"x-b3-traceid"
B3_SPAN: Final = b"x-b3-spanid"
B3_SAMPLED: Final = b"x-b3-sampled"
B3_FLAGS: Final = b"x-b3-flags"
HEADERS: Final = (REQUEST_ID, BAGGAGE, B3, B3_TRACE, B3_SPAN, B3_SAMPLED, B3_FLAGS)

MAX_ID_BYTES: Final = 64
MAX_BAGGAGE_BYTES: Final = 8192
"""What the specification asks everybody to pass on; a longer one is dropped whole."""
_TRACE: Final = re.compile(rb"[0-9a-fA-F]{16}(?:[0-9a-fA-F]{16})?")
_SPAN: Final = re.compile(rb"[0-9a-fA-F]{16}")
_SAMPLED: Final = frozenset({b"1", b"d", b"true"})
"""``d`` is debug; ``true`` is what old tracers write."""
_LOW: Final = (1 << 64) - 1


def parse_b3(headers: Mapping[bytes, bytes]) -> tuple[int, int, int, int] | None:
    """(trace id high, low, parent span id, flags) of the ``b3`` header, else of the ``X-B3-…`` ones; None without.

    A trace id of 64 bits has 0 for its high half. Flags are those of ``traceparent``: 1 where the caller keeps the
    trace. A header that only denies (``b3: 0``) names no trace, so there is nothing to continue.
    """
    single = headers.get(B3)
    if single is not None:
        trace, span, state, *_ = *single.split(b"-", 3), b"", b""
        found = _ids(trace, span, sampled=state in _SAMPLED)
        if found is not None:
            return found
    trace = headers.get(B3_TRACE, b"")
    if not trace:
        return None
    sampled = headers.get(B3_SAMPLED, b"").lower() in _SAMPLED or headers.get(B3_FLAGS) == b"1"
    return _ids(trace, headers.get(B3_SPAN, b""), sampled=sampled)


def _ids(trace: bytes, span: bytes, *, sampled: bool) -> tuple[int, int, int, int] | None:
    if not _TRACE.fullmatch(trace) or not _SPAN.fullmatch(span):
        return None
    whole, parent = int(trace, 16), int(span, 16)
    return (whole >> 64, whole & _LOW, parent, int(sampled)) if whole and parent else None


def external_id(headers: Mapping[bytes, bytes]) -> bytes:
    """``X-Request-ID``, where it is printable ASCII of at most 64 bytes; empty otherwise."""
    return _printable(headers.get(REQUEST_ID, b""), MAX_ID_BYTES)


def baggage(headers: Mapping[bytes, bytes]) -> bytes:
    """``baggage`` as it came, where it may be passed on; empty otherwise."""
    return _printable(headers.get(BAGGAGE, b""), MAX_BAGGAGE_BYTES)


def _printable(value: bytes, limit: int) -> bytes:
    return value if len(value) <= limit and value.isascii() and value.decode("ascii").isprintable() else b""
