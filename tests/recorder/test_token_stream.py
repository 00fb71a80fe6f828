"""Which parts of a streamed answer are tokens, in the words of every usual API, and wherever the stream is cut."""

import itertools
import json
from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from inferometer.aggregate import layout_of
from inferometer.catalog.requests import INTER_TOKEN
from inferometer.recorder.event_stream import LIMIT, MAX_LINES, EventStream
from inferometer.recorder.streamed import GAP_BOUNDS, HEAD, MAX_STAMPS, JsonAnswer
from inferometer.recorder.token_stream import streamed
from inferometer.recorder.usage import TAIL, stated


def sse(payload, *, event=None, end="\n\n", separators=None):
    text = payload if isinstance(payload, str) else json.dumps(payload, separators=separators)
    name = f"event: {event}{end[: len(end) // 2]}" if event else ""
    return f"{name}data: {text}{end}".encode()


def chat(delta, finish=None, **more):
    return sse({
        "id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1700000000, "model": "m",
        "choices": [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}], **more,
    })  # fmt: skip


def responses(kind, **fields):
    return sse({"type": kind, "sequence_number": 1, **fields}, event=kind)


def anthropic(kind, **fields):
    return sse({"type": kind, **fields}, event=kind)


def line(payload):
    return json.dumps(payload).encode() + b"\n"


USAGE = {"prompt_tokens": 9, "completion_tokens": 12, "total_tokens": 21}
OPENAI_CHAT = [
    (chat({"role": "assistant", "content": "", "refusal": None}), False),
    (chat({"content": "Hel"}), True),
    (chat({"content": 'lo "there"'}), True),
    (chat({"content": ""}), False),
    (b": keep-alive\n\n", False),
    (chat({"content": "\\"}, usage=None), True),
    (chat({}, "stop"), False),
    (sse({"id": "chatcmpl-1", "object": "chat.completion.chunk", "choices": [], "usage": USAGE}), False),
    (sse("[DONE]"), False),
]
REASONING = [
    (chat({"role": "assistant", "content": ""}), False),
    (chat({"content": None, "reasoning_content": "Hmm"}), True),
    (chat({"content": "", "reasoning_content": "."}), True),
    (chat({"content": "", "reasoning_content": None}), False),
    (chat({"content": "42", "reasoning_content": None}), True),
    (chat({"reasoning": "so"}), True),
]
TOOLS = [
    (chat({"role": "assistant", "content": None}), False),
    (chat({"tool_calls": [{"index": 0, "id": "call_1", "function": {"name": "f", "arguments": ""}}]}), True),
    (chat({"tool_calls": [{"index": 0, "function": {"arguments": "{"}}]}), True),
    (chat({"tool_calls": [{"index": 0, "function": {"arguments": '"x"'}}]}), True),
    (chat({"tool_calls": []}), False),
    (chat({}, "tool_calls"), False),
]
COMPLETIONS = [
    (sse({"object": "text_completion", "choices": [{"index": 0, "text": " a", "finish_reason": None}]}), True),
    (sse({"object": "text_completion", "choices": [{"index": 0, "text": "", "finish_reason": "stop"}]}), False),
    (sse({"object": "text_completion", "choices": [], "usage": USAGE}), False),
]
RESPONSES = [
    (responses("response.created", response={"instructions": "be kind", "output": [], "usage": None}), False),
    (responses("response.output_item.added", item={"type": "message", "content": []}), False),
    (responses("response.content_part.added", part={"type": "output_text", "text": ""}), False),
    (responses("response.output_text.delta", item_id="msg_1", delta="Hi"), True),
    (responses("response.output_text.delta", item_id="msg_1", delta=" there"), True),
    (responses("response.reasoning_summary_text.delta", delta="because"), True),
    (responses("response.function_call_arguments.delta", delta="{"), True),
    (responses("response.output_text.done", text="Hi there"), False),
    (responses("response.content_part.done", part={"type": "output_text", "text": "Hi there"}), False),
    (responses("response.completed", response={
        "output": [{"content": [{"text": "Hi there"}]}], "usage": {"input_tokens": 9, "output_tokens": 12},
        "user": None}), False),
]  # fmt: skip
ANTHROPIC = [
    (anthropic("message_start", message={"content": [], "usage": {"input_tokens": 9, "output_tokens": 1}}), False),
    (anthropic("content_block_start", index=0, content_block={"type": "text", "text": ""}), False),
    (anthropic("ping"), False),
    (anthropic("content_block_delta", index=0, delta={"type": "text_delta", "text": "Hi"}), True),
    (anthropic("content_block_delta", index=0, delta={"type": "thinking_delta", "thinking": "so"}), True),
    (anthropic("content_block_delta", index=0, delta={"type": "signature_delta", "signature": "EqQ"}), False),
    (anthropic("content_block_stop", index=0), False),
    (anthropic("content_block_start", index=1, content_block={"type": "tool_use", "name": "f", "input": {}}), True),
    (anthropic("content_block_delta", index=1, delta={"type": "input_json_delta", "partial_json": ""}), False),
    (anthropic("content_block_delta", index=1, delta={"type": "input_json_delta", "partial_json": '{"a'}), True),
    (anthropic("message_delta", delta={"stop_reason": "tool_use"}, usage={"output_tokens": 12}), False),
    (anthropic("message_stop"), False),
]
TGI = [
    (sse({"index": 1, "token": {"id": 264, "text": " a", "special": False}, "generated_text": None}), True),
    (sse({"index": 2, "token": {"id": 2, "text": "b", "special": False}, "generated_text": " ab",
          "details": {"prefill": 9, "generated_tokens": 12}}), True),
]  # fmt: skip
GEMINI = [
    (sse({"candidates": [{"content": {"parts": [{"text": "Hi"}], "role": "model"}}]}, end="\r\n\r\n"), True),
    (sse({"candidates": [{"content": {"parts": [{"text": "!"}], "role": "model"}}],
          "usageMetadata": {"promptTokenCount": 9, "candidatesTokenCount": 12}}, end="\r\n\r\n"), True),
]  # fmt: skip
PLAIN_KEYS = [(sse({"token": "a"}), True), (sse({"text": "b"}, separators=(",", ":")), True), (sse({"n": 1}), False)]
OTHER_KINDS = [
    (sse({"probability": 0.4}), False),
    (sse("hello"), False),
    (sse(""), False),
    (b"data\n\n", False),
    (sse({"error": {"message": "out of memory", "type": "server_error"}}), False),
    (sse({"run_id": "7"}, event="metadata"), False),
    (b"id: 4\nretry: 10\n\n", False),
    (b': comment with "content": "x"\n\n', False),
]  # fmt: skip
OLLAMA = [
    (line({"model": "m", "message": {"role": "assistant", "content": "Hi"}, "done": False}), True),
    (line({"model": "m", "message": {"role": "assistant", "content": "", "thinking": "so"}, "done": False}), True),
    (line({"model": "m", "response": " there", "done": False}), True),
    (line({"model": "m", "message": {"role": "assistant", "content": ""}, "done": True, "context": [1] * 3000,
           "prompt_eval_count": 9, "eval_count": 12}), False),
]  # fmt: skip
EXPORTED = [(line({"id": 1, "text": "a row of an export", "content": "with text"}), False)]

EVENTS = {
    "OpenAI's chat": OPENAI_CHAT, "reasoning": REASONING, "tool calls": TOOLS, "completions": COMPLETIONS,
    "OpenAI's responses": RESPONSES, "Anthropic": ANTHROPIC, "TGI": TGI, "Gemini": GEMINI, "plain keys": PLAIN_KEYS,
    "other kinds": OTHER_KINDS,
}  # fmt: skip
LINES = {"Ollama": OLLAMA, "an export": EXPORTED}
STREAMS = [(name, events, False) for name, events in EVENTS.items()] + [
    (name, events, True) for name, events in LINES.items()
]
STATED = {"OpenAI's chat", "completions", "OpenAI's responses", "Anthropic", "Gemini", "Ollama"}


def fed(chunks, *, lines=False, every=False, stamps=None):
    stream = EventStream(lines=lines, every=every)
    for number, chunk in enumerate(chunks):
        stream.feed(chunk, stamps[number] if stamps else 1_000 * (number + 1))
    stream.settle()
    return stream


def tokens(stream):
    return sum(stream.gaps.values()) + (1 if stream.first else 0)


def cut(whole, places):
    edges = [0, *sorted(set(places)), len(whole)]
    return [whole[low:high] for low, high in pairwise(edges) if low < high]


@pytest.mark.parametrize(("name", "events", "lines"), STREAMS, ids=[name for name, *_ in STREAMS])
def test_every_event_of_an_api_is_a_token_or_none(name, events, lines):
    found = []
    stream = EventStream(lines=lines, every=False)
    for number, (chunk, _) in enumerate(events):
        before = tokens(stream)
        stream.feed(chunk, 1_000 * (number + 1))
        stream.look()
        stream.fold()
        found.append(tokens(stream) > before)

    assert found == [expected for _, expected in events]


@pytest.mark.parametrize(("name", "events", "lines"), STREAMS, ids=[name for name, *_ in STREAMS])
def test_an_answer_states_its_tokens_where_the_api_says_them(name, events, lines):
    stream = fed([chunk for chunk, _ in events], lines=lines)

    assert (stream.tokens_in, stream.tokens_out) == ((9, 12) if name in STATED else (0, 12 if name == "TGI" else 0))


@pytest.mark.parametrize(("name", "events", "lines"), STREAMS, ids=[name for name, *_ in STREAMS])
@settings(max_examples=min(60, settings.default.max_examples), deadline=None)
@given(data=st.data())
def test_wherever_a_stream_is_cut_its_tokens_are_the_same(name, events, lines, data):
    whole = b"".join(chunk for chunk, _ in events)
    ends = list(itertools.accumulate(len(chunk) for chunk, _ in events))
    cuts = data.draw(st.lists(st.one_of(st.sampled_from(ends), st.integers(0, len(whole))), max_size=40))
    uncut, pieces = fed([whole], lines=lines), cut(whole, cuts)
    stream = fed(pieces, lines=lines)

    assert tokens(stream) == tokens(uncut) == sum(expected for _, expected in events)
    assert (stream.tokens_in, stream.tokens_out) == (uncut.tokens_in, uncut.tokens_out)
    if stream.first:
        ends = line_ends_of_tokens(events)
        assert stream.first == 1_000 * piece_with(pieces, ends[0])
        assert stream.last == 1_000 * piece_with(pieces, ends[-1])
        assert stream.last >= stream.first


@pytest.mark.parametrize(("name", "events", "lines"), STREAMS, ids=[name for name, *_ in STREAMS])
@settings(max_examples=min(40, settings.default.max_examples), deadline=None)
@given(data=st.data())
def test_however_many_events_a_chunk_has_each_is_looked_at(name, events, lines, data):
    three = events * 3
    sizes = data.draw(st.lists(st.integers(1, 4), min_size=len(three), max_size=len(three)))
    chunks, rest = [], [chunk for chunk, _ in three]
    for size in sizes:
        chunks += [b"".join(rest[:size])] if rest else []
        rest = rest[size:]
    stream = fed(chunks, lines=lines)

    assert tokens(stream) == 3 * sum(expected for _, expected in events)


def line_ends_of_tokens(events):
    """Offset of the last byte of each token's line of data."""
    offset, ends = 0, []
    for chunk, is_token in events:
        if is_token:
            start = max(chunk.find(b"data:"), 0)
            ends.append(offset + chunk.index(b"\n", start))
        offset += len(chunk)
    return ends


def piece_with(pieces, offset):
    """Number of the piece, from 1, that has the byte at *offset*."""
    seen = 0
    for number, piece in enumerate(pieces, 1):
        seen += len(piece)
        if offset < seen:
            return number
    raise AssertionError(offset)


@given(chunks=st.lists(st.binary(min_size=1, max_size=300), max_size=20), lines=st.booleans(), every=st.booleans())
@example(chunks=[b"\n"], lines=False, every=False)
@example(chunks=[b'data: "content":"', b"\n", b'data: "content": "\n'], lines=False, every=False)
def test_hostile_bytes_raise_nothing_and_are_cut_like_any_others(chunks, lines, every):
    stream, whole = fed(chunks, lines=lines, every=every), fed([b"".join(chunks) or b"-"], lines=lines, every=every)

    assert tokens(stream) == tokens(whole)


FRAGMENTS = st.sampled_from(
    [b"data: ", b"data:", b"\n", b"\r\n", b"\n\n", b'"content": "', b'"content":"', b'""', b'"text":"a"', b"{", b"}",
     b'"tool_calls":[{', b'"type":"response.x.done"', b'"delta":"x"', b"[DONE]", b":", b"event: x\n", b"\\", b'"',
     b'"usage":{"prompt_tokens":3,"completion_tokens":4}', b"\0", b'"done":false']
)  # fmt: skip


@given(st.lists(FRAGMENTS, min_size=1, max_size=40).map(b"".join), st.data(), st.booleans(), st.booleans())
def test_fragments_of_events_in_any_order_are_cut_like_any_others(whole, data, lines, every):
    cuts = data.draw(st.lists(st.integers(0, len(whole)), max_size=30))
    stream, uncut = fed(cut(whole, cuts), lines=lines, every=every), fed([whole], lines=lines, every=every)

    assert tokens(stream) == tokens(uncut)
    assert (stream.tokens_in, stream.tokens_out) == (uncut.tokens_in, uncut.tokens_out)


@settings(max_examples=min(30, settings.default.max_examples), deadline=None)
@given(st.integers(0, 3 * HEAD), st.integers(0, 3 * TAIL), st.data())
def test_of_a_long_line_the_beginning_and_the_end_are_looked_at(before, after, data):
    filler = "x" * before
    text = json.dumps({"choices": [{"pad": filler, "delta": {"content": "a"}}], "more": "y" * after, "usage": USAGE})
    whole = sse(text)
    pieces = cut(whole, data.draw(st.lists(st.integers(0, len(whole)), max_size=10)))
    stream = fed(pieces)

    # The field of content ends within the head, or it is not seen.
    assert tokens(stream) == (whole.index(b'"content": "') + len(b'"content": "a') <= HEAD)
    assert (stream.tokens_in, stream.tokens_out) == (9, 12)
    assert len(stream._carry) <= LIMIT


def test_a_chunk_of_a_hundred_megabytes_is_not_kept():
    stream = EventStream(lines=False, every=False)
    stream.feed(b'data: {"content": "a', 1)
    stream.feed(bytes(100 << 20), 2)

    assert len(stream._carry) <= LIMIT
    stream.feed(b'"}\n\n', 3)
    stream.settle()
    assert (stream.first, stream.last) == (3, 3)


def test_in_one_chunk_a_bounded_number_of_lines_is_looked_at():
    many = fed([sse({"text": "a"}) * 5_000 + b"data: {"])

    assert 400 <= tokens(many) <= MAX_LINES


def test_a_stream_of_something_else_is_no_longer_looked_at():
    stream = EventStream(lines=False, every=False)
    for number in range(MAX_LINES + 10):
        stream.feed(sse({"probability": 0.4}), number + 1)
        stream.feed(b": ping\n\n", number + 1)
    stream.feed(sse({"text": "too late"}), 10**6)
    stream.settle()

    assert tokens(stream) == 0


def test_comments_do_not_count_as_something_else():
    stream = EventStream(lines=False, every=False)
    for number in range(3 * MAX_LINES):
        stream.feed(b": ping\n\n", number + 1)
    stream.feed(sse({"text": "at last"}), 10**6)
    stream.settle()

    assert (tokens(stream), stream.first) == (1, 10**6)


@given(st.lists(st.integers(0, 10**12), min_size=1, max_size=700))
def test_times_between_tokens_are_binned_as_the_series_is(times):
    layout = layout_of(INTER_TOKEN)
    stamps = [1]
    for time in times:
        stamps.append(stamps[-1] + time)
    stream = fed([sse({"text": "a"})] * len(stamps), stamps=stamps)

    expected: dict[int, int] = {}
    for time in times:
        bucket = layout.index(time)
        expected[bucket] = expected.get(bucket, 0) + 1
    assert layout.bounds == GAP_BOUNDS
    assert stream.gaps == expected
    assert (stream.first, stream.last) == (stamps[0], stamps[-1])
    assert len(stream.stamps) == 1


def test_ten_thousand_tokens_take_a_few_kilobytes():
    stream = EventStream(lines=False, every=False)
    for number in range(10_000):
        stream.feed(chat({"content": f"token {number}"}), number * 20_000_000 + number % 97)

    assert len(stream.stamps) <= MAX_STAMPS
    assert len(stream.gaps) <= len(GAP_BOUNDS)
    assert not stream._carry


@pytest.mark.parametrize("every", [True, False], ids=["told", "not told"])
def test_text_is_a_token_where_the_application_says_so(every):
    stream = fed([sse("Hello"), sse(""), b": ping\n\n", sse(" world"), sse("[DONE]")], every=every)

    assert tokens(stream) == (2 if every else 0)


@pytest.mark.parametrize(
    ("headers", "every", "kind"),
    [
        ([(b"content-type", b"text/event-stream; charset=utf-8")], False, "EventStream"),
        ([(b"Content-Type", b"Application/X-NDJSON")], False, "EventStream"),
        ([(b"content-type", b"application/jsonl")], False, "EventStream"),
        ([(b"content-type", b"application/json")], False, "JsonAnswer"),
        ([(b"content-type", b"text/plain")], False, None),
        ([(b"content-type", b"text/plain")], True, "ChunkStream"),
        ([], False, None),
        ([(b"content-type", b"text/event-stream"), (b"content-encoding", b"gzip")], False, None),
        ([(b"content-encoding", b"br"), (b"content-type", b"text/event-stream")], True, "ChunkStream"),
        ([(b"content-encoding", b"identity"), (b"content-type", b"text/event-stream")], False, "EventStream"),
    ],
)
def test_the_headers_say_how_to_look_at_a_stream(headers, every, kind):
    stream = streamed(headers, every=every)

    assert (None if stream is None else type(stream).__name__) == kind


@given(st.lists(st.integers(1, 200), max_size=10))
def test_a_document_in_parts_states_its_tokens_at_its_end(sizes):
    whole = json.dumps({"choices": [{"message": {"content": "x" * 3_000}}], "usage": USAGE}).encode()
    places = [len(whole) - sum(sizes[: number + 1]) for number in range(len(sizes))]
    answer = JsonAnswer()
    for piece in cut(whole, [place for place in places if place > 0]):
        answer.feed(piece, 1)
    answer.settle()

    assert (answer.tokens_in, answer.tokens_out, answer.first) == (9, 12, 0)


def test_what_a_user_wrote_is_no_statement():
    said = json.dumps({"content": '"usage": {"prompt_tokens": 77, "completion_tokens": 88}'}).encode()

    assert stated(said) == (0, 0)


def test_a_number_that_is_no_number_of_tokens_is_none():
    assert stated(b'{"prompt_tokens": 12345678901, "completion_tokens": -4, "output_tokens": "7"}') == (0, 0)
