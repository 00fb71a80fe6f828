"""A streamed answer as tokens: which of its events carry one, when they were handed over, what the answer states.

A line is looked at once it is whole (its end is LF, or CRLF), wherever the stream was cut. Nothing is parsed: the
name of the field that carries content is found once by an expression, and from then on by a search for those bytes.

A token is an event whose JSON has a non-empty string in a field of content: ``content``, ``text``, ``delta``,
``token``, ``response``, a refusal, a reasoning or thinking text, or arguments of a tool call (OpenAI's chat,
completions and responses, Anthropic, TGI, Ollama, Gemini, llama.cpp); the call of a tool by its name is one, too. No
tokens are: comments, empty events, ``[DONE]``, deltas that name a role, events that repeat what was streamed, usage.
Everything else (an event of some other JSON, plain text, parts of a file) is no token unless the application says so
by ``inferometer.tokens(chunks=True)``.
"""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from operator import sub
from typing import Final

from inferometer.catalog.requests import INTER_TOKEN
from inferometer.catalog.sketch import TOP, sketch
from inferometer.recorder.usage import TAIL, stated

GAP_BOUNDS: Final = sketch(TOP[INTER_TOKEN.unit], INTER_TOKEN.scale)
"""Upper boundaries of the buckets of times between tokens, ns; tokens handed over together are 0 ns apart: bucket 0."""
_LAST_BUCKET: Final = len(GAP_BOUNDS) - 1
_MAX_STAMPS: Final = 256
"""Tokens whose times are binned together."""
TOGETHER: Final = 32
"""Parts that wait until they are looked at: in one loop each costs less."""
HEAD: Final = 4096
"""Bytes at the beginning of a line in which content is looked for."""
_LIMIT: Final = HEAD + TAIL + 1
"""Bytes that are kept of a line that is not whole yet; of a longer one the middle is left out."""
_MAX_LINES: Final = 1000
"""Lines looked at in one chunk, and lines without a token after which a stream has none."""
_BYTES: Final = {bytes}
_DATA: Final = b"data"
_D: Final = _DATA[0]
"""No other field of an event begins with it."""
_BRACE: Final = ord("{")
_NEWLINE: Final = 10
_QUOTE: Final = 34
_NO_KEY: Final = b"\n\r\n\r\n"
"""Is in no line: stands for the field of content until that is known."""
_CONTENT: Final = re.compile(
    rb'"(?:content|text|delta|token|response|reasoning_content|reasoning|thinking|partial_json|arguments|refusal)"'
    rb'\s{0,8}:\s{0,8}"[^"]'
)
_CALL: Final = re.compile(rb'"tool_calls"\s{0,8}:\s{0,8}\[\s{0,8}\{|"type"\s{0,8}:\s{0,8}"tool_use"')
_REPEATS: Final = re.compile(rb'"type"\s{0,8}:\s{0,8}"response\.(?![a-z_.]{1,80}\.delta")')
"""Events of OpenAI's responses that are no deltas: some hold the whole text again."""
_GENERATES: Final = re.compile(rb'"(?:done|choices|delta|token|candidates)"\s{0,8}:')
"""Without one of these a line of JSON is a row of some export, whose ``text`` nobody generates."""
_EVENTS: Final = b"text/event-stream"
_LINES: Final = frozenset(
    (b"application/x-ndjson", b"application/ndjson", b"application/jsonl", b"application/x-jsonlines",
     b"application/json-lines", b"application/jsonlines", b"application/stream+json")
)  # fmt: skip
_JSON: Final = b"application/json"


class Streamed:
    """What is known of the tokens of one streamed answer.

    Parts are looked at a few at a time; whoever is in a hurry appends to `chunks` and `times` and calls `look`.
    """

    __slots__ = ("chunks", "first", "gaps", "stamps", "times", "tokens_in", "tokens_out")

    def __init__(self) -> None:
        self.chunks: list[bytes] = []
        """Parts that nobody has looked at, none of them empty."""
        self.times: list[int] = []
        """When each of them was handed over, ns of CLOCK_MONOTONIC."""
        self.first = 0
        """When the first token was handed over, ns, once `settle` was called; 0 without one."""
        self.stamps: list[int] = []
        """When the last tokens were handed over, the very last one at the end; the times between are not binned yet."""
        self.gaps: dict[int, int] = {}
        """Bucket (index into `GAP_BOUNDS`) -> times between tokens, once `settle` was called."""
        self.tokens_in = self.tokens_out = 0
        """As the answer states them; 0 where it does not."""

    @property
    def last(self) -> int:
        """When the last token was handed over, ns; 0 without one."""
        return self.stamps[-1] if self.stamps else 0

    def feed(self, chunk: bytes, at: int) -> None:
        """A part, not empty, was handed over at *at*, ns."""
        self.chunks.append(chunk)
        self.times.append(at)
        if len(self.times) >= TOGETHER or len(chunk) > HEAD:
            self.look()

    def look(self) -> None:
        """Look at the parts that wait."""
        chunks, times = self.chunks, self.times
        if not chunks:
            return
        self.chunks, self.times = [], []
        if set(map(type, chunks)) != _BYTES:
            # A server may take other buffers.
            chunks = [bytes(chunk) for chunk in chunks]
        self.see(chunks, times)
        if len(self.stamps) > _MAX_STAMPS:
            self.fold()

    def see(self, chunks: list[bytes], times: list[int]) -> None:
        """Find the tokens in *chunks*; *times* are those at which each was handed over."""
        raise NotImplementedError

    def settle(self) -> None:
        """The answer has ended, whole or not."""
        self.look()
        self.fold()

    def fold(self) -> None:
        """Bin the times between the tokens so far: sorted, a bucket is found once for all that are in it."""
        stamps = self.stamps
        if not stamps:
            return
        self.first = self.first or stamps[0]
        times = sorted(map(sub, stamps[1:], stamps))
        gaps, begin, number = self.gaps, 0, len(times)
        while begin < number:
            bucket = min(bisect_left(GAP_BOUNDS, times[begin]), _LAST_BUCKET)
            end = bisect_right(times, GAP_BOUNDS[bucket], begin) if bucket < _LAST_BUCKET else number
            gaps[bucket] = gaps.get(bucket, 0) + end - begin
            begin = end
        del stamps[:-1]

    def state(self, data: bytes) -> bool:
        """Take over the numbers that *data* states; False where it states none."""
        tokens_in, tokens_out = stated(data)
        self.tokens_in = tokens_in or self.tokens_in
        self.tokens_out = tokens_out or self.tokens_out
        return bool(tokens_in or tokens_out)


class EventStream(Streamed):
    """Server-sent events, or lines of JSON."""

    __slots__ = ("_at", "_carry", "_end", "_every", "_inner", "_key", "_lead", "_left", "_place", "_recent")

    def __init__(self, *, lines: bool, every: bool) -> None:
        """Begin.

        Args:
            lines: whether these are lines of JSON; server-sent events otherwise.
            every: whether every event with data is a token, because the application says so.
        """
        Streamed.__init__(self)
        self._lead = _BRACE if lines else _D
        self._inner = bytes((_NEWLINE, self._lead))
        self._every = every
        self._key = _NO_KEY
        self._place = 0
        """Where the field of content was in the last chunk; it ends at `_end`."""
        self._end = 0
        self._carry = b""
        self._recent = b""
        self._left = _MAX_LINES
        self._at = 0

    def see(self, chunks: list[bytes], times: list[int]) -> None:
        """Find the tokens: usually a chunk is one whole event, whose field of content is where it was before."""
        key, place, end = self._key, self._place, self._end
        lead, inner, stamps = self._lead, self._inner, self.stamps
        for chunk, at in zip(chunks, times, strict=True):
            size, start = len(chunk), 0
            newline = chunk.find(b"\n")
            if newline < size - 3 and chunk[0] != lead:
                # The name of the event comes before its data.
                start = chunk.find(inner) + 1
                newline = chunk.find(b"\n", start)
            # The end of the line of data is the chunk's, but for an empty line.
            if newline >= size - 3 and chunk[-1] == _NEWLINE and size <= HEAD and not self._carry:
                if chunk[start] != lead:
                    # A comment.
                    continue
                if chunk[place:end] != key:
                    place = chunk.find(key, start)
                    end = place + len(key) if place >= 0 else 0
                if end and chunk[end] != _QUOTE:
                    self._recent = chunk
                    stamps.append(at)
                    continue
            if self._left:
                self._any(chunk, at)
                key = self._key
        self._place, self._end = place, end

    def settle(self) -> None:
        """The answer has ended: the last line of JSON needs no line end, and the last token may state the numbers."""
        self.look()
        if self._carry and self._lead == _BRACE:
            self._line(self._carry, 0, len(self._carry), self._at)
        self._carry = b""
        if self._recent:
            self.state(self._recent)
            self._recent = b""
        self.fold()

    def _any(self, chunk: bytes, at: int) -> None:
        """A chunk with any number of lines, the first and the last of them not whole."""
        start = 0
        self._at = at
        newline = chunk.find(b"\n")
        if self._carry:
            end = len(chunk) if newline < 0 else newline + 1
            self._carry = _joined(self._carry, chunk, 0, end)
            if newline < 0:
                return
            line, self._carry = self._carry, b""
            self._line(line, 0, len(line), at)
            start, newline = end, chunk.find(b"\n", end)
        seen = 0
        while newline >= 0:
            if seen == _MAX_LINES:
                start = chunk.rfind(b"\n") + 1
                break
            seen += 1
            if newline > start:
                self._line(chunk, start, newline + 1, at)
            start = newline + 1
            newline = chunk.find(b"\n", start)
        if start < len(chunk):
            self._carry = _joined(b"", chunk, start, len(chunk))

    def _line(self, data: bytes, start: int, end: int, at: int) -> None:
        if data[start] != self._lead:
            # A comment, an empty line, the name or the number of an event.
            return
        stop = end if end - start <= HEAD else start + HEAD
        end_of_key = data.find(self._key, start, stop) + len(self._key)
        keyed = len(self._key) <= end_of_key - start and end_of_key < stop and data[end_of_key] != _QUOTE
        if keyed or self._is_token(data, start, stop):
            self._recent = data[max(start, end - TAIL) : end]
            self.stamps.append(at)
            return
        if self.state(data[max(start, end - TAIL) : end]):
            # Newer than what the last token may state.
            self._recent = b""
        if not self.stamps:
            self._left = max(self._left - 1, 0)

    def _is_token(self, data: bytes, start: int, stop: int) -> bool:
        if self._every:
            value = data[start:stop].removeprefix(_DATA).removeprefix(b":").strip()
            return bool(value) and value != b"[DONE]"
        if self._lead == _BRACE and _GENERATES.search(data, start, stop) is None:
            return False
        if _REPEATS.search(data, start, stop) is not None:
            return False
        content = _CONTENT.search(data, start, stop)
        if content is not None:
            self._key = content[0][:-1]
            return True
        return _CALL.search(data, start, stop) is not None


class ChunkStream(Streamed):
    """A stream of which the application says that every chunk is a token."""

    __slots__ = ()

    def see(self, chunks: list[bytes], times: list[int]) -> None:  # noqa: ARG002 - whatever they are
        """All of them are tokens."""
        self.stamps += times


class JsonAnswer(Streamed):
    """One JSON document in several chunks; of it only the end is kept, where it states its tokens."""

    __slots__ = ("_tail",)

    def __init__(self) -> None:
        Streamed.__init__(self)
        self._tail = b""

    def see(self, chunks: list[bytes], times: list[int]) -> None:  # noqa: ARG002 - when they came says nothing of tokens
        """More of the document."""
        for chunk in chunks:
            self._tail = (self._tail + chunk[-TAIL:])[-TAIL:]

    def settle(self) -> None:
        """The document has ended; it says how many, not when."""
        self.look()
        self.state(self._tail)
        self._tail = b""


def _joined(carry: bytes, chunk: bytes, start: int, end: int) -> bytes:
    """A line so far: whole up to `_LIMIT` bytes, else its first `HEAD` and its last `TAIL` bytes."""
    if len(carry) + end - start <= _LIMIT:
        return carry + chunk[start:end]
    head = (carry + chunk[start : start + HEAD])[:HEAD]
    tail = chunk[max(start, end - TAIL) : end]
    # A byte that no field of content has keeps the two apart.
    return head + b"\0" + (carry[len(tail) - TAIL :] if len(tail) < TAIL else b"") + tail


def streamed(headers: Iterable[tuple[bytes, bytes]], *, every: bool) -> Streamed | None:
    """How to look at a streamed answer, by its headers; None where there is nothing to see.

    Args:
        headers: of the answer.
        every: whether the application says that every chunk is a token.
    """
    kind = b""
    for name, value in headers:
        lower = name.lower()
        if lower == b"content-type":
            kind = value.partition(b";")[0].strip().lower()
        elif lower == b"content-encoding" and value.strip().lower() != b"identity":
            return ChunkStream() if every else None
    if kind == _EVENTS or kind in _LINES:
        return EventStream(lines=kind != _EVENTS, every=every)
    if every:
        return ChunkStream()
    return JsonAnswer() if kind == _JSON else None
