"""How a span lies in OTLP's bytes: ids and times have a fixed width, so one `struct` call writes them."""

import struct
from collections.abc import Iterable
from functools import lru_cache
from typing import Final

from inferometer.catalog import spans
from inferometer.otlp.fields import pair, times
from inferometer.otlp.kept import Resource
from inferometer.otlp.span_ids import span_bytes
from inferometer.wire.varint import part, varint

GAP_NS: Final = 1_000
"""Jaeger's critical path drops siblings that touch, and counts in microseconds."""
CHILD: Final = struct.Struct("<37sBcQcQ")
"""trace id, parent id and all of its own id but the last byte (`family`), that byte, start and end"""
CHILD_SIZE: Final = CHILD.size
_pack_child: Final = CHILD.pack
LONG: Final = 2048
LENGTHS: Final = tuple(b"\x12" + varint(length) for length in range(LONG))
"""The tag of ``ScopeSpans.spans`` and a span's length, for the usual ones."""
_SCOPE: Final = part(b"\x0a", part(b"\x0a", b"inferometer"))


def envelope(resource: Resource, encoded: Iterable[bytes]) -> bytes:
    """A whole ``ExportTraceServiceRequest`` with the spans of one process, each with its tag and length."""
    return part(b"\x0a", _resource(resource) + part(b"\x12", _SCOPE + b"".join(encoded)))


_OF_POD: Final = (
    spans.K8S_NAMESPACE,
    spans.K8S_POD,
    spans.K8S_POD_UID,
    spans.K8S_NODE,
    spans.K8S_CONTAINER,
    spans.CONTAINER_ID,
)
"""Attributes of a pod, in the order of its texts."""


@lru_cache(maxsize=256)
def _resource(resource: Resource) -> bytes:
    pairs = [
        pair(spans.SERVICE_NAME, resource.service),
        pair(spans.HOST_NAME, resource.host),
        pair(spans.PROCESS_PID, resource.pid),
    ]
    if resource.region:
        pairs.append(pair(spans.REGION, resource.region))
    pairs += [pair(attribute, text) for attribute, text in zip(_OF_POD, resource.pod.texts, strict=True) if text]
    return part(b"\x0a", b"".join(part(b"\x0a", one) for one in pairs))


def root_span(trace: bytes, span_id: int, parent_id: int, at: tuple[int, int], fields: bytes) -> bytes:
    """A request's own span, with its tag and length.

    Args:
        trace: id, 16 bytes.
        span_id: the request's.
        parent_id: the caller's attempt; 0 without one.
        at: start and end, ns since the epoch.
        fields: everything else, encoded.
    """
    ids = b"\x0a\x10" + trace + b"\x12\x08" + span_bytes(span_id)
    if parent_id:
        ids += b"\x22\x08" + span_bytes(parent_id)
    return part(b"\x12", ids + times(*at) + fields)


def family(trace: bytes, parent_id: int) -> bytes:
    """What all children of one span begin with."""
    return b"\x0a\x10" + trace + b"\x22\x08" + span_bytes(parent_id) + b"\x12\x08"


def prefixed(length: int) -> bytes:
    """What stands before a span of *length* bytes."""
    return LENGTHS[length] if length < LONG else b"\x12" + varint(length)


def child_span(head: bytes, span_id: int, start: int, end: int, fields: bytes) -> bytes:
    """A child of the span that *head* is the `family` of, with its tag and length; times in ns since the epoch."""
    own = span_bytes(span_id)
    return (
        prefixed(CHILD_SIZE + len(fields)) + _pack_child(head + own[:7], own[7], b"\x39", start, b"\x41", end) + fields
    )
