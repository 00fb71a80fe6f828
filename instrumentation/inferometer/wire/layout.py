"""The fixed-width tables of a frame: columns, their order, their widths.

A row is packed with `struct` on the worker and read as columns by NumPy in the sidecar; both take the layout from here.
Columns are only ever added at the end of a table: a frame states its row size, a reader ignores what it does not know
and reads what is absent as 0. Stamps are CLOCK_MONOTONIC ns, 0 where the moment did not come.
"""

import struct
import sys
from dataclasses import dataclass, field
from enum import IntEnum

from inferometer.record.model import Moment


class Section(IntEnum):
    """What a section of a frame holds; the number is its code on the wire, never reused."""

    NAMES = 1
    GAUGES = 2
    REQUESTS = 10
    OPEN = 11
    EXECUTES = 12
    CALLS = 13
    BATCHES = 14
    INTERVALS = 15
    GAPS = 16
    EXTERNAL_IDS = 17
    PHASES = 18


def packed(codes: str) -> struct.Struct:
    """Values of these struct codes, little-endian and without gaps.

    Where this machine's own integers lie the same they are used: Python writes an ``unsigned long`` in a fifth of the
    time of any other integer of 8 bytes.
    """
    standard, own = struct.Struct("<" + codes), struct.Struct("@" + codes.replace("Q", "L"))
    return own if sys.byteorder == "little" and own.size == standard.size else standard


@dataclass(frozen=True, slots=True)
class Table:
    """A fixed-width table: its section and its columns as (name, struct code)."""

    section: Section
    columns: tuple[tuple[str, str], ...]
    row: struct.Struct = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "row", packed("".join(code for _, code in self.columns)))

    @property
    def names(self) -> tuple[str, ...]:
        """Column names in order."""
        return tuple(name for name, _ in self.columns)

    @property
    def size(self) -> int:
        """Bytes of a row."""
        return self.row.size


STAMPS = tuple(moment.name.lower() for moment in Moment)
"""Columns of a request's moments."""

REQUESTS = Table(
    Section.REQUESTS,
    (
        ("trace_hi", "Q"),
        ("trace_lo", "Q"),
        ("span_id", "Q"),
        ("parent_id", "Q"),
        *((name, "Q") for name in STAMPS),
        ("proxy_wait", "Q"),  # ns by the proxy's clock, 0 where unknown
        ("bytes_in", "Q"),
        ("bytes_out", "Q"),
        ("shape", "I"),
        ("chunks", "I"),
        ("tokens_in", "I"),
        ("tokens_out", "I"),
        ("status", "H"),
        ("outcome", "B"),
        ("flags", "B"),
        ("last_token", "Q"),
    ),
)

HEAD_OF_REQUESTS = packed("".join(code for _, code in REQUESTS.columns[:-1]))
TAIL_OF_REQUESTS = packed(REQUESTS.columns[-1][1])
"""A row in two pieces: its last column is where no machine would put it, which makes the whole slow to write."""

SELDOM_IN_REQUESTS = frozenset({"first_token", "proxy_wait", "tokens_in", "tokens_out", "last_token"})
"""Columns that are 0 for most requests."""
PLAIN_REQUEST = packed(
    "".join(f"{struct.calcsize(code)}x" if name in SELDOM_IN_REQUESTS else code for name, code in REQUESTS.columns)
)
"""A row without these: their place is zero bytes that nobody hands over."""

OPEN = Table(
    Section.OPEN,
    (
        ("trace_hi", "Q"),
        ("trace_lo", "Q"),
        ("span_id", "Q"),
        ("parent_id", "Q"),
        ("arrival", "Q"),
        ("first_chunk", "Q"),
        ("shape", "I"),
        ("flags", "I"),
        ("first_token", "Q"),
    ),
)
"""Requests that are open when the frame is made: enough to count a slow one, and to end it if the worker dies."""

EXECUTES = Table(
    Section.EXECUTES,
    (
        ("span_id", "Q"),  # request; 0 for an execute outside every request
        ("execute_id", "Q"),
        ("batch_id", "Q"),  # 0 without a batch
        ("queued", "Q"),  # launch on a device that was busy; 0 where it starts at once
        ("start", "Q"),
        ("end", "Q"),  # 0 while it runs
        ("shape", "I"),
        ("device", "I"),  # string number
        ("batch_size", "I"),  # members that share it; >= 1
        ("rows", "I"),  # leading dimension of the input, 0 where unknown
        ("kind", "B"),
        ("final", "B"),  # 1: the request's row is in this frame, or there is no request
        ("pad", "H"),
        ("tokens", "I"),  # of a prefill: what this request has computed, without what a cache had; 0 where unknown
    ),
)
"""One row per member of an execute. Rows with final = 0 announce work of requests that are still open."""

CALLS = Table(
    Section.CALLS,
    (
        ("span_id", "Q"),
        ("call_id", "Q"),  # span id that went out in traceparent
        ("start", "Q"),
        ("sent", "Q"),  # a connection was there and the request went out; 0 where unknown
        ("headers", "Q"),  # the answer's head was there; 0 where it never came
        ("end", "Q"),  # the answer's body was there
        ("server_ns", "Q"),  # the callee's own time to its response head, by Server-Timing; 0 where it does not say
        ("target", "I"),  # string number: host:port
        ("method", "I"),  # string number
        ("status", "H"),
        ("kind", "B"),
        ("attempt", "B"),  # 1 for the first
        ("foreign", "I"),  # 1: the span of this call is somebody else's
        ("outcome", "B"),  # catalog.stages.Outcome of an attempt that nobody answered; 0 where unknown or answered
        ("pad1", "B"),
        ("pad2", "H"),
        ("pad3", "I"),
    ),
)

BATCHES = Table(
    Section.BATCHES,
    (
        ("batch_id", "Q"),
        ("opened", "Q"),  # the first member came
        ("start", "Q"),
        ("end", "Q"),
        ("shape", "I"),
        ("size", "I"),
        ("capacity", "I"),
        ("waiting", "I"),  # members left in the queue when it was closed
        ("reason", "B"),  # index into catalog.labels.CLOSE_REASON.values
        ("pad1", "B"),
        ("pad2", "H"),
        ("pad3", "I"),
    ),
)

INTERVALS = Table(
    Section.INTERVALS,
    (
        ("span_id", "Q"),
        ("start", "Q"),
        ("end", "Q"),
        ("stage", "B"),
        ("kind", "B"),
        ("pad1", "H"),
        ("pad2", "I"),
    ),
)
"""Stages that were marked by the user or by a hook (preprocess, a wait in a batch queue, …)."""

GAPS = Table(
    Section.GAPS,
    (
        ("span_id", "Q"),
        ("bucket", "I"),  # index into the sketch's boundaries of catalog.requests.INTER_TOKEN
        ("count", "I"),
    ),
)
"""Times between the tokens of a stream, binned by the worker: 10,000 tokens are some dozens of rows."""

EXTERNAL_IDS = Table(Section.EXTERNAL_IDS, (("span_id", "Q"), ("text", "64s")))
"""What the client or a proxy calls the request (``X-Request-ID``): UTF-8, filled with zero bytes."""

PHASES = Table(
    Section.PHASES,
    (
        ("start", "Q"),
        ("end", "Q"),
        ("trace_hi", "Q"),  # of the request, in the phase of the first one
        ("trace_lo", "Q"),
        ("span_id", "Q"),
        ("model", "I"),  # string number, of a model's load
        ("region", "I"),  # string number
        ("phase", "B"),  # catalog.phases.Phase
        ("traced", "B"),  # 1: our pipeline exports spans
        ("pad1", "H"),
        ("pad2", "I"),
    ),
)
"""The cold start of the worker: all rows of it in one frame, once."""

TABLES = (REQUESTS, OPEN, EXECUTES, CALLS, BATCHES, INTERVALS, GAPS, EXTERNAL_IDS, PHASES)
BY_SECTION = {table.section: table for table in TABLES}

CLOCKED = {
    Section.REQUESTS: (*STAMPS, "last_token"),
    Section.OPEN: ("arrival", "first_chunk", "first_token"),
    Section.EXECUTES: ("queued", "start", "end"),
    Section.CALLS: ("start", "sent", "headers", "end"),
    Section.BATCHES: ("opened", "start", "end"),
    Section.INTERVALS: ("start", "end"),
    Section.PHASES: ("start", "end"),
}
"""Columns that are stamps of the worker's CLOCK_MONOTONIC; the others are lengths, numbers and identities."""

SHAPE_FIELDS = ("service", "model", "version", "region", "tenant", "class", "method", "route")
"""Names that a request's row refers to by one number."""
