"""Rows of a request in the tables of a frame, besides the one that most of them have alone."""

from typing import TYPE_CHECKING, Any, Final

from inferometer.record.model import Flag
from inferometer.wire.layout import EXTERNAL_IDS, GAPS, HEAD_OF_REQUESTS, OPEN, TAIL_OF_REQUESTS

if TYPE_CHECKING:
    from inferometer.recorder.request import OpenRequest

_PACK: Final = HEAD_OF_REQUESTS.pack
_PACK_LAST: Final = TAIL_OF_REQUESTS.pack
_NO_TOKENS: Final = _PACK_LAST(0)
_PACK_OPEN: Final = OPEN.row.pack
_PACK_GAP: Final = GAPS.row.pack
_PACK_ID: Final = EXTERNAL_IDS.row.pack
_OPEN: Final = int(Flag.OPEN)


def whole(request: "OpenRequest", rare: dict[str, Any], *, shape: int, status: int, outcome: int, flags: int) -> bytes:
    """The row of a request that has ended and has something that most have not."""
    given = rare.get
    last_token = given("last_token")
    return _PACK(
        request.trace_hi, request.trace_lo, request.span_id, request.parent_id,
        request.arrival, request.start, request.entry, request.body_start, request.body_end, request.validate,
        request.endpoint, request.thread, request.encode, request.respond, request.first_chunk,
        given("first_token", 0), request.last, request.ended, given("proxy_wait", 0), request.bytes_in,
        request.bytes_out, shape, request.chunks, given("tokens_in", 0), given("tokens_out", 0), status, outcome, flags,
    ) + (_PACK_LAST(last_token) if last_token else _NO_TOKENS)  # fmt: skip


def external_id(request: "OpenRequest") -> bytes:
    """What its caller calls it."""
    return _PACK_ID(request.span_id, request.external_id)


def parts(request: "OpenRequest", shape: int) -> tuple[bytes, ...]:
    """Its rows in each of `buffers.PARTS`, when it has ended; it lets go of them."""
    span, done = request.span_id, request.ended
    runs = b"".join(_runs(request, shape, done)) if request.executes else b""
    calls, intervals, gaps = request.calls, request.intervals, request.gaps
    request.executes = request.calls = request.intervals = None
    attempts = b"".join([mark.row(span, done) for mark in calls]) if calls else b""
    marked = b"".join(intervals) if intervals else b""
    between = b"".join([_PACK_GAP(span, *gap) for gap in gaps.items()]) if gaps else b""
    return runs, attempts, marked, between, external_id(request) if request.external_id else b""


def _runs(request: "OpenRequest", shape: int, done: int) -> list[bytes]:
    marks = request.executes or ()
    for mark in marks:
        if mark.ask is not None:
            mark.ask()
    # An end may be stamped while we are at it; what is after the request's is told as work of nobody.
    span = request.span_id
    return [mark.row(span, shape, final=True, end=min(mark.end or done, done)) for mark in marks if mark.start]


def still_open(request: "OpenRequest") -> bytes:
    """Its row in the table of open requests."""
    return _PACK_OPEN(
        request.trace_hi, request.trace_lo, request.span_id, request.parent_id,
        request.arrival or request.start or request.entry, request.first_chunk, request.shape(),
        request.flags | _OPEN, request.first_token,
    )  # fmt: skip


def announced(request: "OpenRequest") -> bytes:
    """Rows of executes that began or ended since the last frame. Only the flusher calls it."""
    marks = request.executes
    if not marks or len(marks) == request.flushed:
        return b""
    shape = request.shape()
    rows = []
    for index, mark in enumerate(marks[request.flushed :], request.flushed):
        start, end = mark.start, mark.end
        if not start:
            continue
        mark.announced = True
        rows.append(mark.row(request.span_id, shape, final=False, start=start, end=end))
        if end and index == request.flushed:
            request.flushed += 1
    return b"".join(rows)
