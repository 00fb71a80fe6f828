"""Who says how many tokens a request read and wrote, and when they were there.

The application's own word (`told`, `told_now`) stands before that of a hook (`counted`, `produced`), and both before
what a streamed answer states or shows (`settle`). Numbers and moments are decided apart: an application may say how
many there were, and the stream shows when.
"""

from bisect import bisect_left
from typing import TYPE_CHECKING, Final

from inferometer.recorder.streamed import GAP_BOUNDS, Streamed

if TYPE_CHECKING:
    from inferometer.recorder.request import OpenRequest

_MOST: Final = 0xFFFFFFFF
INPUT: Final = 1
"""Of `OpenRequest.said`: the application said how many tokens were read."""
OUTPUT: Final = 2
MOMENTS: Final = 4
CHUNKS: Final = 8
"""It said that every chunk of its answer is a token."""


def told(request: "OpenRequest", *, tokens_in: int = 0, tokens_out: int = 0) -> None:
    """The application says that so many tokens more were read and written."""
    if tokens_in > 0:
        if not request.said & INPUT:
            request.said |= INPUT
            request.tokens_in = 0
        request.tokens_in = min(request.tokens_in + tokens_in, _MOST)
    if tokens_out > 0:
        if not request.said & OUTPUT:
            request.said |= OUTPUT
            request.tokens_out = 0
        request.tokens_out = min(request.tokens_out + tokens_out, _MOST)


def told_now(request: "OpenRequest", at: int) -> None:
    """The application says that a token is there at *at*, ns of CLOCK_MONOTONIC."""
    if not request.said & MOMENTS:
        request.said |= MOMENTS
        request.first_token = request.last_token = 0
        request.gaps = None
    _moment(request, at)


def counted(request: "OpenRequest", *, tokens_in: int = 0, tokens_out: int = 0) -> None:
    """A hook saw so many tokens more; nothing where the application says it itself."""
    if tokens_in > 0 and not request.said & INPUT:
        request.tokens_in = min(request.tokens_in + tokens_in, _MOST)
    if tokens_out > 0 and not request.said & OUTPUT:
        request.tokens_out = min(request.tokens_out + tokens_out, _MOST)


def produced(request: "OpenRequest", at: int) -> None:
    """A hook saw a token at *at*, ns of CLOCK_MONOTONIC; nothing where the application says it itself."""
    if not request.said & MOMENTS:
        _moment(request, at)


def settle(request: "OpenRequest", stream: Streamed) -> None:
    """The answer has ended: take over what neither the application nor a hook said."""
    stream.settle()
    if not request.tokens_in:
        request.tokens_in = stream.tokens_in
    if not request.tokens_out:
        request.tokens_out = stream.tokens_out
    if not request.first_token and stream.first:
        request.first_token, request.last_token = stream.first, stream.last
        request.gaps = stream.gaps or None


def _moment(request: "OpenRequest", at: int) -> None:
    last = request.last_token
    if not last:
        request.first_token = request.last_token = at
        return
    # Another thread may have stamped meanwhile.
    at = max(at, last)
    gaps = request.gaps
    if gaps is None:
        gaps = request.gaps = {}
    bucket = bisect_left(GAP_BOUNDS, at - last)
    gaps[bucket] = gaps.get(bucket, 0) + 1
    request.last_token = at
