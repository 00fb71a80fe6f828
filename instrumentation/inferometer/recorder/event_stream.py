"""Server-sent events and lines of JSON: which of them carry a token, and what they state.

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
from typing import Final

from inferometer.recorder.streamed import HEAD, Streamed
from inferometer.recorder.usage import TAIL

LIMIT: Final = HEAD + TAIL + 1
"""Bytes that are kept of a line that is not whole yet; of a longer one the middle is left out."""
MAX_LINES: Final = 1000
"""Lines looked at in one chunk, and lines without a token after which a stream has none."""
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
        self._left = MAX_LINES
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
            if seen == MAX_LINES:
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


def _joined(carry: bytes, chunk: bytes, start: int, end: int) -> bytes:
    """A line so far: whole up to `LIMIT` bytes, else its first `HEAD` and its last `TAIL` bytes."""
    if len(carry) + end - start <= LIMIT:
        return carry + chunk[start:end]
    head = (carry + chunk[start : start + HEAD])[:HEAD]
    tail = chunk[max(start, end - TAIL) : end]
    # A byte that no field of content has keeps the two apart.
    return head + b"\0" + (carry[len(tail) - TAIL :] if len(tail) < TAIL else b"") + tail
