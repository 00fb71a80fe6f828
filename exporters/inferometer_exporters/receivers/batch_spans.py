"""What spans of SGLang tell of the batches that a request was in, and which of them belong together.

It writes one span for each token of each request, ``decode_loop``, which ends when a batch's result was there, and on
its spans one event ``schedule`` for each batch that a request was put into, with the moment and how many were in it.
The moment is the same to the nanosecond in all members of a batch, so it says which requests a batch was of. A batch is
often put together while the one before still runs: then its event lies in the span of that one. So the first event is
of the first span, the second of the second, and a request of which they do not match has none.

Source: SGLang 0.5.23, ``srt/observability/req_time_stats.py`` and ``srt/managers/scheduler.py``.
"""

from array import array
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Final

from inferometer.catalog.stages import Kind
from inferometer_exporters.receivers import messages
from inferometer_exporters.receivers.facts import Facts
from inferometer_exporters.receivers.incoming import LATEST_NS

MOST_MEMBERS: Final = 4_096
"""Of a batch; one that says more is not believed."""
_LOOP: Final = "decode_loop"
_CHUNK: Final = "chunked_prefill"
_PREFILLS: Final = frozenset({"prefill_forward", _CHUNK})
ABOVE: Final = frozenset({"prefill_forward", "decode_forward"})
"""Names of spans that may have others of them below."""
STAGES: Final = _PREFILLS | ABOVE | {_LOOP}
"""Names of spans that tell of batches."""
_SCHEDULED, _RETRACTED = "schedule", "retract"
_SIZE, _MODE, _NUMBER = "batch_size", "forward_mode", "decode_ct"
_MODES: Final = {"decode": 1, "prefill": 2}
_SAME_NS: Final = 10**6
"""SGLang sets its clock by the wall's now and then: one moment of it may be told as two."""


class Kept:
    """What spans below one span told, ns since the epoch."""

    __slots__ = ("below", "came", "loops", "prefills", "retracted", "scheduled")

    def __init__(self) -> None:
        self.came = 0
        self.below: dict[int, str] = {}
        """Spans that may have others below them, with their names."""
        self.loops = array("q")
        """End and number of each token's span."""
        self.prefills = array("q")
        """Begin and end of each span of a prompt, and whether it is of a chunk."""
        self.scheduled = array("q")
        """Moment, members and mode of each batch."""
        self.retracted = False

    def __len__(self) -> int:
        return len(self.below) + len(self.loops) + len(self.prefills) + len(self.scheduled)

    def take(self, other: "Kept") -> None:
        """Add what another has, but for its spans."""
        self.loops += other.loops
        self.prefills += other.prefills
        self.scheduled += other.scheduled
        self.retracted |= other.retracted

    def add(self, span: messages.Span, name: str) -> int:
        """Keep what a span of this name tells; how many numbers that are."""
        before = len(self)
        if name == _LOOP:
            self.loops.extend((span.end_time_unix_nano, _whole(span.attributes, _NUMBER)))
        elif name in _PREFILLS:
            self.prefills.extend((span.start_time_unix_nano, span.end_time_unix_nano, name == _CHUNK))
        for event in span.events:
            happened, moment = event.name, event.time_unix_nano
            if happened == _SCHEDULED and moment < LATEST_NS:
                self.scheduled.extend((moment, *_batch(event)))
            elif happened == _RETRACTED:
                self.retracted = True
        return len(self) - before


def _batch(event: "messages.Span.Event") -> tuple[int, int]:
    """How many were in a batch, and what it did."""
    size = mode = 0
    for pair in event.attributes:
        key = pair.key
        if key == _SIZE:
            size = pair.value.int_value
        elif key == _MODE:
            mode = _MODES.get(pair.value.string_value, 0)
    return size, mode


def _whole(said: Iterable[messages.KeyValue], name: str) -> int:
    """The attribute *name* as a number; -1 where there is none."""
    return next((pair.value.int_value for pair in said if pair.key == name), -1)


def parts(kept: Kept, facts: Facts) -> Iterator[tuple[Kind, tuple[int, int, int], int]]:
    """Kind, batch and tokens of each batch that a request was in, as far as events and spans match."""
    events = sorted(set(_rows(kept.scheduled, 3)))
    prompts = [event for event in events if event[2] == _MODES["prefill"]]
    ends = _prefill_ends(kept)
    prefills = _paired(prompts[: len(ends)], ends, spare=0)
    read = max(facts.tokens_in - facts.tokens_cached, 1)
    for number, batch in enumerate(prefills):
        # Of a prompt in chunks only the sum is told.
        chunk = read * (number + 1) // len(prefills) - read * number // len(prefills)
        yield Kind.PREFILL, batch, max(chunk, 1)
    if not prefills:
        # The first batches of tokens stand on the spans of the prompt.
        return
    # Of the last token nobody knows that it is the last while the next batch is put together.
    loops = _paired([event for event in events if event[2] == _MODES["decode"]], _loop_ends(kept), spare=1)
    # Together with the prompts of others: no span of this request says when these were done.
    mixed = [(scheduled, size, 0) for scheduled, size, _ in prompts[len(ends) :] if 0 < size <= MOST_MEMBERS]
    batches = sorted(loops + mixed) if loops else []
    for number, batch in enumerate(batches):
        yield Kind.DECODE, batch, facts.tokens_in + facts.tokens_out * number // len(batches)


def _rows(numbers: "array[int]", width: int) -> Iterator[tuple[int, ...]]:
    return zip(*(iter(numbers[first::width]) for first in range(width)), strict=True)


def _loop_ends(kept: Kept) -> list[int]:
    """When the batches of a request's tokens were done; none where one of them is missing."""
    loops = sorted(set(_rows(kept.loops, 2)))
    return [end for end, _ in loops] if [number for _, number in loops] == list(range(len(loops))) else []


def _prefill_ends(kept: Kept) -> list[int]:
    """When the batches of a request's prompt were done; none where one of them is missing."""
    told = set(_rows(kept.prefills, 3))
    whole = [(start, end) for start, end, is_chunk in told if not is_chunk]
    chunks = sorted((start, end) for start, end, is_chunk in told if is_chunk) or whole
    if len(whole) != 1:
        return []
    bounds = [(whole[0][0], chunks[0][0]), (chunks[-1][1], whole[0][1]), *((a[1], b[0]) for a, b in pairwise(chunks))]
    return [end for _, end in chunks] if all(abs(one - other) < _SAME_NS for one, other in bounds) else []


def _paired(events: Sequence[tuple[int, ...]], ends: Sequence[int], *, spare: int) -> list[tuple[int, int, int]]:
    """Batches as moment, members and end; none where a part is missing, or they are not in order."""
    if not 0 <= len(events) - len(ends) <= spare:
        return []
    found = [(scheduled, size, end) for (scheduled, size, _), end in zip(events, ends, strict=False)]
    good = all(scheduled < end and 0 < size <= MOST_MEMBERS for scheduled, size, end in found)
    return found if good else []
