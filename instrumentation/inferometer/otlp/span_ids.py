"""Ids of traces and spans, as OTLP writes them; those of children and batches follow from their record's."""

from typing import Final

from inferometer.record.partition import MAX_SEGMENTS

_MASK: Final = (1 << 64) - 1


def trace_bytes(trace_id: int) -> bytes:
    """A trace id as OTLP writes it."""
    return trace_id.to_bytes(16, "big")


def span_bytes(span_id: int) -> bytes:
    """A span id as OTLP writes it."""
    return span_id.to_bytes(8, "big")


def derived(identity: int, index: int) -> int:
    """The id number *index* that belongs to *identity*: 64 bits, never 0, always the same (splitmix64)."""
    mixed = (identity + (index + 1) * 0x9E3779B97F4A7C15) & _MASK
    mixed = ((mixed ^ mixed >> 30) * 0xBF58476D1CE4E5B9) & _MASK
    mixed = ((mixed ^ mixed >> 27) * 0x94D049BB133111EB) & _MASK
    return (mixed ^ mixed >> 31) or 1


def batch_ids(batch_id: int) -> tuple[int, int]:
    """Trace id and span id of a batch's span."""
    return derived(batch_id, 0) << 64 | derived(batch_id, 1), derived(batch_id, 2)


LAST_BYTES: Final = tuple(bytes(last ^ (index + 1) for index in range(MAX_SEGMENTS)) for last in range(256))
"""Last bytes of the ids of a span's children, by the last byte of its own; the other seven are those of the parent.

Two spans of one trace that differ in their last byte only are as rare as two of 56 random bits that are the same.
"""
