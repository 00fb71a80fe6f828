"""Spans that are written alike are read as columns; what they say is what protobuf's own objects say of them."""

import random
from pathlib import Path

import numpy as np
import pytest
from google.protobuf.message import DecodeError
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from inferometer.errors import WireError
from inferometer_exporters.receivers import messages
from inferometer_exporters.receivers.alike import FEWEST, MOST_NEW, Shapes
from inferometer_exporters.receivers.incoming import incoming, shapes
from inferometer_exporters.receivers.span_shape import shape_of

REAL = Path(__file__).parents[1] / "data/engine_spans/vllm-0.32.0-requests.json"
SPANS = 40
NUMBERS = st.one_of(st.integers(-(1 << 63), (1 << 63) - 1), st.integers(0, 5_000), st.just(0))
SOME = st.one_of(
    NUMBERS, st.floats(), st.booleans(), st.text(max_size=4), st.sampled_from(["llama", "qwen"]), st.lists(st.text())
)
NAMES = (
    "gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens", "gen_ai.usage.output_tokens", "gen_ai.response.model",
    "gen_ai.operation.name", "gen_ai.latency.time_to_first_token", "gen_ai.latency.time_in_model_prefill",
    "gen_ai.latency.time_in_queue", "http.response.status_code", "app.other",
)  # fmt: skip


def put(span, name, value):
    pair = span.attributes.add()
    pair.key = name
    if isinstance(value, list):
        for one in value:
            pair.value.array_value.values.add().string_value = one
        return
    kinds = {bool: "bool_value", int: "int_value", float: "double_value", str: "string_value"}
    setattr(pair.value, kinds[type(value)], value)


def body_of(rows, dice):
    """A request with a span for each of *rows*: (name, kind, failed, attributes)."""
    request = ExportTraceServiceRequest()
    scope = request.resource_spans.add().scope_spans.add()
    for name, kind, failed, said in rows:
        span = scope.spans.add()
        span.trace_id, span.span_id = dice.randbytes(16), dice.randbytes(8)
        if dice.random() < 0.5:
            span.parent_span_id = dice.randbytes(8)
        span.name, span.kind, span.flags = name, kind, 257
        span.start_time_unix_nano = dice.randrange(1, 1 << 60)
        span.end_time_unix_nano = dice.randrange(0, 1 << 60)
        if failed:
            span.status.code = 2
        for pair in said:
            put(span, *pair)
    return request.SerializeToString()


def of(body, known):
    read = incoming(messages.from_protobuf(body), len(body), near=True, port="otlp-http", body=body, known=known)
    return {name: column.tolist() for name, column in read.columns.items()}, read.generated, read.rejected


ROW = st.tuples(
    st.sampled_from(["llm_request", "chat", "POST /v1"]),
    st.sampled_from([1, 2, 3]),
    st.booleans(),
    st.lists(st.tuples(st.sampled_from(NAMES), SOME), max_size=6),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(ROW, min_size=1, max_size=3), st.integers(0, 1 << 30))
def test_whatever_spans_say_columns_say_the_same(kinds, seed):
    dice = random.Random(seed)
    known = shapes()
    for _ in range(2):
        body = body_of([dice.choice(kinds) for _ in range(SPANS)], dice)

        assert of(body, known) == of(body, None)


@pytest.mark.parametrize("seed", range(20))
def test_bodies_with_bytes_of_another_value_are_read_as_without_shapes(seed):
    dice = random.Random(seed)
    known = shapes()
    right = body_of([("llm_request", 2, False, [(name, 40 + index) for index, name in enumerate(NAMES)])] * SPANS, dice)
    of(right, known)
    read = 0
    for _ in range(150):
        wrong = bytearray(right)
        for _ in range(dice.randrange(1, 4)):
            wrong[dice.randrange(len(wrong))] = dice.choice((0, 1, 2, 8, 0x12, 0x7F, 0x80, 0xFF, dice.randrange(256)))
        try:
            expected = of(bytes(wrong), None)
        except WireError:
            continue
        read += 1

        assert of(bytes(wrong), known) == expected

    assert read


def test_spans_of_a_running_vllm_have_one_shape():
    body = messages.from_json(REAL.read_bytes()).SerializeToString()
    count = sum(len(scope.spans) for one in messages.from_protobuf(body).resource_spans for scope in one.scope_spans)
    request = messages.from_protobuf(body * FEWEST)
    body = request.SerializeToString()
    groups = shapes().alike(body, count * FEWEST)

    assert sum(len(group.at) for group in groups) == count * FEWEST
    assert {group.shape.name for group in groups} == {"llm_request"}
    assert of(body, shapes()) == of(body, None)
    assert len(of(body, shapes())[1]) == count * FEWEST


def test_spans_that_are_all_written_otherwise_have_no_shape_and_few_are_tried():
    rows = [(f"name-{number:04}", 2, False, [(NAMES[0], 7)]) for number in range(200)]
    body = body_of(rows, random.Random(1))
    tried = []

    class Counting(Shapes):
        def _keep(self, size, shape):
            tried.append(shape)
            super()._keep(size, shape)

    known = Counting(frozenset(NAMES))
    groups = known.alike(body, len(rows))

    # By twos, for half of them have a parent.
    assert sum(len(group.at) for group in groups) == len(tried) <= MOST_NEW
    assert of(body, known) == of(body, None)


@pytest.mark.parametrize(
    ("kind", "failed", "said"),
    [
        (2, True, [(NAMES[0], 7), (NAMES[3], "llama")]),
        (2, False, [(NAMES[0], -7), (NAMES[1], 300_000), (NAMES[5], 0.25), (NAMES[6], 0.125)]),
        (2, False, [(NAMES[0], True), (NAMES[8], 429)]),
        (1, False, [(NAMES[0], 7)]),
    ],
    ids=["failed", "numbers", "no-count", "not-served"],
)
def test_what_a_shape_says_once_is_of_each_of_its_spans(kind, failed, said):
    known = shapes()
    body = body_of([("llm_request", kind, failed, said)] * SPANS, random.Random(2))
    groups = known.alike(body, SPANS)

    assert sum(len(group.at) for group in groups) == SPANS
    assert of(body, known) == of(body, None)


def test_a_number_that_ends_elsewhere_is_of_another_shape():
    right = body_of([("chat", 2, False, [(NAMES[0], 300_000)])], random.Random(3))
    (span,) = messages.from_protobuf(right).resource_spans[0].scope_spans[0].spans
    one = span.SerializeToString()
    shape = shape_of(one, frozenset(NAMES))
    # 5, and behind it the same field again, which is 7.
    other = one.replace(b"\xe0\xa7\x12", b"\x05\x18\x07")
    rows = np.frombuffer(one + other, np.uint8).reshape(2, -1)

    assert len(other) == len(one)
    assert other != one
    assert messages.Span.FromString(other).attributes[0].value.int_value == 7
    assert shape.fits(rows).tolist() == [True, False]


def test_a_span_that_nobody_foresaw_has_no_shape():
    span = messages.Span(trace_id=b"t" * 16, span_id=b"s" * 8, name="x", start_time_unix_nano=1, end_time_unix_nano=2)
    right = span.SerializeToString()
    span.attributes.add(key=NAMES[0]).value.array_value.values.add().string_value = "x"
    wanted = frozenset(NAMES)

    assert shape_of(right, wanted) is not None
    # A list, a field twice, a field of another type, an id that is too long, a field cut short.
    assert shape_of(span.SerializeToString(), wanted) is None
    assert shape_of(right + right, wanted) is None
    assert shape_of(b"\x08\x01" + right, wanted) is None
    assert shape_of(right.replace(b"\x12\x08" + b"s" * 8, b"\x12\x09" + b"s" * 9), wanted) is None
    assert shape_of(right[:-1], wanted) is None
    span.ClearField("attributes")
    span.start_time_unix_nano = 0
    assert shape_of(span.SerializeToString(), wanted) is None
    with pytest.raises(DecodeError):
        messages.Span.FromString(right[:-1])
