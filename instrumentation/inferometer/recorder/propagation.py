"""What an outgoing call carries on: our trace, our member of tracestate, the baggage that came in. One way for all.

Whoever calls asks `attempt`, sends the headers it returns in the place of those of the same name, and stamps the mark.
"""

from collections.abc import Callable
from typing import Final

from inferometer.record.model import Flag
from inferometer.recorder.calls import CallMark
from inferometer.recorder.headers import (
    OURS,
    TRACEPARENT,
    TRACESTATE,
    format_traceparent,
    outgoing_state,
    parse_traceparent,
)
from inferometer.recorder.request import OpenRequest

BAGGAGE: Final = "baggage"
_FAILED: Final = 500
_SAMPLED: Final = int(Flag.SAMPLED)

Given = Callable[[str], str | None]
"""Value of a header that the call has already, by its name in lower case."""


def attempt(caller: OpenRequest, target: str, method: str, given: Given) -> tuple[CallMark, dict[str, str]] | None:
    """Begin one attempt of *caller* to call somebody.

    A ``traceparent`` that somebody else put there stays: its span is the callee's parent, and its id that of our
    attempt. Replaced is one that an earlier attempt of ours left behind, because each attempt has an id of its own, and
    one that came in with the request and was only passed on.

    Args:
        caller: the request that calls.
        target: host and port, or whatever names the callee.
        method: of the call.
        given: headers that the call has already.

    Returns:
        The mark to stamp, and the headers to send; None where the request has ended.
    """
    worker = caller.worker
    strings = worker.shapes.string
    theirs = earlier = None
    sent = given(TRACEPARENT)
    if sent:
        theirs = parse_traceparent(sent.encode("latin-1", "replace"))
        earlier = None if theirs is None else _sent_before(caller, theirs[2])
        if theirs is not None and (_forwarded(caller, theirs) or (earlier is not None and not earlier.foreign)):
            theirs = earlier = None
    call_id = worker.bits(64) if theirs is None or earlier is not None else theirs[2]
    where = strings(target)
    mark = CallMark(call_id, where, strings(method), number(caller, where) if caller.calls else 1)
    mark.foreign = theirs is not None
    if not caller.add_call(mark):
        if caller.ended:
            return None
        # One of too many: nobody will tell of the attempt, so the callee is a child of the request itself.
        call_id = caller.span_id
    state = given(TRACESTATE)
    incoming = state.encode("latin-1", "replace") if state else caller.state
    headers = {TRACESTATE: outgoing_state(incoming) if incoming else OURS}
    if theirs is None:
        sampled = caller.flags & _SAMPLED != 0
        headers[TRACEPARENT] = format_traceparent(caller.trace_hi, caller.trace_lo, call_id, sampled=sampled)
    if caller.baggage and given(BAGGAGE) is None:
        headers[BAGGAGE] = caller.baggage.decode("latin-1")
    return mark, headers


def _forwarded(caller: OpenRequest, given: tuple[int, int, int, int]) -> bool:
    return given[:3] == (caller.trace_hi, caller.trace_lo, caller.parent_id)


def _sent_before(caller: OpenRequest, call_id: int) -> CallMark | None:
    return next((mark for mark in reversed(caller.calls or ()) if mark.call_id == call_id), None)


def number(caller: OpenRequest, target: int) -> int:
    """Number of a new attempt: 1, or one more than that of a call to the same place that failed just before."""
    for earlier in reversed(caller.calls or ()):
        if earlier.target == target:
            failed = earlier.end and (not earlier.status or earlier.status >= _FAILED)
            return earlier.attempt + 1 if failed else 1
    return 1
