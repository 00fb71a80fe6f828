"""However a span is written, columns say what protobuf's own objects say: fields in any order, twice, too long, odd."""

import random
from dataclasses import dataclass

import pytest
from google.protobuf import empty_pb2
from google.protobuf.message import DecodeError
from google.protobuf.unknown_fields import UnknownFieldSet
from hypothesis import event, given, reject, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from inferometer.errors import WireError
from inferometer_exporters.receivers import messages
from inferometer_exporters.receivers.alike import FEWEST
from inferometer_exporters.receivers.incoming import incoming, shapes
from inferometer_exporters.receivers.protobuf import CutError, cut

VARINT, FIXED64, DELIMITED, BEGIN, END, FIXED32 = range(6)
TRACE, SPAN, PARENT, NAME, KIND, START, FINISH, ATTRIBUTE, STATUS = 1, 2, 4, 5, 6, 7, 8, 9, 15
SPANS = 2 * FEWEST
WANTED = ("gen_ai.usage.input_tokens", "gen_ai.response.model", "gen_ai.latency.time_to_first_token", "app.other")
SIZES = {TRACE: 16, SPAN: 8, PARENT: 8}


def varint(number, padding=0):
    """A number as protobuf writes it; *padding*: bytes more than it needs."""
    number &= (1 << 64) - 1
    out = bytearray()
    while number >= 128 or padding > 0:
        padding -= number < 128
        out.append(number & 127 | 128)
        number >>= 7
    return bytes((*out, number))


@dataclass(frozen=True)
class Field:
    """One field; *fresh* bytes of its value are others in each span."""

    number: int
    wire: int
    value: object = b""
    fresh: bool = False
    padding: int = 0
    cut: int = 0

    def encoded(self, dice):
        tag = varint(self.number << 3 | self.wire, min(self.padding, 3))
        if self.wire == VARINT:
            value = dice.randrange(128, 16_384) if self.fresh else self.value
            return tag + varint(value, self.padding)
        if self.wire in {FIXED64, FIXED32}:
            size = 8 if self.wire == FIXED64 else 4
            value = dice.randrange(1, 1 << 60).to_bytes(8, "little") if self.fresh else bytes(self.value)
            return tag + value[:size].ljust(size, b"\1")
        if self.wire == BEGIN:
            return tag + encoded(self.value, dice) + varint(self.number << 3 | END)
        value = encoded(self.value, dice) if isinstance(self.value, tuple) else bytes(self.value)
        if self.fresh:
            value = dice.randbytes(len(value))
        return tag + varint(len(value) + self.cut, self.padding) + value


def encoded(fields, dice):
    return b"".join(one.encoded(dice) for one in fields)


def required():
    return [
        Field(TRACE, DELIMITED, bytes(16), fresh=True), Field(SPAN, DELIMITED, bytes(8), fresh=True),
        Field(NAME, DELIMITED, b"llm_request"), Field(KIND, VARINT, 2), Field(START, FIXED64, fresh=True),
        Field(FINISH, FIXED64, fresh=True),
    ]  # fmt: skip


FEW = st.integers(0, 4)
NUMBERS = st.one_of(st.integers(0, 3), st.integers(120, 140), st.sampled_from([1 << 32, (1 << 32) + 2, -1, 1 << 63]))
PADDED = st.one_of(st.just(0), st.just(0), st.integers(1, 8))
TEXT = st.one_of(st.sampled_from([b"llama", b"", b"llm_request", "é".encode()]), st.binary(max_size=4))
KINDS_OF_VALUE = st.one_of(
    st.builds(Field, st.just(1), st.just(DELIMITED), TEXT),
    st.builds(Field, st.integers(2, 3), st.just(VARINT), NUMBERS, fresh=st.booleans(), padding=PADDED),
    st.builds(Field, st.just(4), st.just(FIXED64), st.binary(min_size=8, max_size=8), fresh=st.booleans()),
    st.builds(Field, st.integers(1, 9), st.just(VARINT), st.just(7)),
    st.builds(Field, st.integers(1, 9), st.just(FIXED32), st.just(bytes(4))),
)
VALUES = st.lists(KINDS_OF_VALUE, min_size=0, max_size=2).map(tuple) | st.tuples(KINDS_OF_VALUE)
KEYS = st.builds(Field, st.just(1), st.just(DELIMITED), st.sampled_from([name.encode() for name in WANTED]))
PAIRS = st.one_of(
    st.tuples(KEYS, st.builds(Field, st.just(2), st.just(DELIMITED), VALUES, padding=PADDED)),
    st.lists(KEYS | st.builds(Field, st.just(2), st.just(DELIMITED), VALUES), max_size=3).map(tuple),
)
ODD = st.one_of(
    st.builds(Field, st.integers(1, 20), st.just(VARINT), NUMBERS, padding=PADDED),
    st.builds(Field, st.integers(1, 20), st.just(FIXED64), st.binary(min_size=8, max_size=8)),
    st.builds(Field, st.integers(1, 1 << 20), st.just(DELIMITED), TEXT, padding=PADDED),
    st.builds(Field, st.integers(16, 20), st.just(BEGIN), st.lists(KINDS_OF_VALUE, max_size=1).map(tuple)),
    st.builds(Field, st.just(NAME), st.just(DELIMITED), TEXT, cut=st.sampled_from([0, 0, 1, 300])),
    st.sampled_from(sorted(SIZES)).map(lambda number: Field(number, DELIMITED, bytes(SIZES[number]), fresh=True)),
    st.builds(Field, st.just(KIND), st.just(VARINT), NUMBERS, padding=PADDED),
    st.builds(
        Field, st.just(STATUS), st.just(DELIMITED),
        st.lists(st.builds(Field, st.integers(2, 3), st.just(VARINT), NUMBERS, padding=PADDED), max_size=2).map(tuple),
    ),
)  # fmt: skip


@st.composite
def spans(draw):
    """Fields of a span: what one needs, attributes, and what nobody expects, anywhere."""
    pairs = draw(st.lists(PAIRS, max_size=3))
    fields = [*required(), *(Field(ATTRIBUTE, DELIMITED, pair) for pair in pairs), *draw(st.lists(ODD, max_size=2))]
    return draw(st.permutations(fields)) if draw(st.booleans()) else fields


def body_of(recipes, around, dice):
    """A request of spans made by these recipes, with odd fields *around* them."""
    made = [Field(2, DELIMITED, encoded(dice.choice(recipes), dice)) for _ in range(SPANS)]
    scope = Field(2, DELIMITED, (*made, *around))
    # So that it is taken for one of a generative model.
    pair = (Field(1, DELIMITED, b"gen_ai.x"),)
    return encoded((Field(1, DELIMITED, (*around, scope, Field(1, DELIMITED, (Field(1, DELIMITED, pair),)))),), dice)


def of(body, known):
    read = incoming(messages.from_protobuf(body), len(body), near=True, port="otlp-http", body=body, known=known)
    return {name: column.tolist() for name, column in read.columns.items()}, read.generated, read.rejected


AROUND = st.lists(
    st.one_of(
        st.builds(Field, st.integers(1, 9), st.just(VARINT), NUMBERS, padding=PADDED),
        st.builds(
            Field, st.integers(1, 9), st.just(FIXED64), st.sampled_from([bytes(8), b"\x12\x06\x12\x04\x12\x00aa"])
        ),
        st.builds(Field, st.integers(4, 9), st.just(BEGIN), st.just((Field(2, DELIMITED, b""),))),
    ),
    max_size=1,
)


@settings(max_examples=300, deadline=None)
@given(st.lists(spans(), min_size=1, max_size=2), AROUND, st.integers(0, 1 << 30))
def test_whatever_protobuf_accepts_is_read_as_its_objects_say_it(recipes, around, seed):
    dice, known = random.Random(seed), shapes()
    for _ in range(2):
        body = body_of(recipes, around, dice)
        try:
            expected = of(body, None)
        except WireError:
            event("no request")
            return
        event(f"alike: {bool(known.alike(body, SPANS))}")

        assert of(body, known) == expected


FIELDS = st.recursive(
    ODD | KINDS_OF_VALUE,
    lambda inner: st.builds(Field, st.integers(1, 9), st.just(DELIMITED), st.tuples(inner)),
    max_leaves=4,
)


@settings(max_examples=300, deadline=None)
@given(
    st.one_of(st.binary(max_size=40), st.lists(FIELDS, max_size=5).map(lambda some: encoded(some, random.Random(1))))
)
def test_fields_are_cut_where_protobuf_cuts_them(data):
    try:
        parsed = empty_pb2.Empty.FromString(data)
    except DecodeError:
        reject()
    expected = [(one.field_number, one.wire_type, one.data) for one in UnknownFieldSet(parsed)]
    if BEGIN in {wire for _, wire, _ in expected}:
        with pytest.raises(CutError):
            list(cut(data, 0, len(data)))
        return

    def told(one):
        if one.wire == VARINT:
            return one.value & ((1 << 64) - 1)
        value = data[one.begin : one.end]
        return value if one.wire == DELIMITED else int.from_bytes(value, "little")

    assert [(one.number, one.wire, told(one)) for one in cut(data, 0, len(data))] == expected


@pytest.mark.parametrize("kind", [-1, 128, 255, 256, 300, 1 << 31, (1 << 32) + 2])
@pytest.mark.parametrize("number", [1, SPANS])
def test_a_kind_that_there_is_not_is_none(kind, number):
    fields = [*required()[:3], Field(KIND, VARINT, kind), *required()[4:]]
    dice = random.Random(1)
    made = tuple(Field(2, DELIMITED, encoded(fields, dice)) for _ in range(number))
    body = encoded((Field(1, DELIMITED, (Field(2, DELIMITED, made),)),), dice)
    columns, _, rejected = of(body, shapes())

    (told,) = {span.kind for span in ExportTraceServiceRequest.FromString(body).resource_spans[0].scope_spans[0].spans}
    assert columns["kind"] == [told if 0 <= told < 128 else 0] * number
    assert not rejected


@pytest.mark.parametrize("code", [2, 1, 130, (1 << 32) + 2])
@pytest.mark.parametrize("padding", [0, 1, 4])
def test_a_status_is_what_protobuf_makes_of_its_number(code, padding):
    said = Field(
        ATTRIBUTE, DELIMITED, (Field(1, DELIMITED, WANTED[0].encode()), Field(2, DELIMITED, (Field(3, VARINT, 7),)))
    )
    status = Field(STATUS, DELIMITED, (Field(3, VARINT, code, padding=padding),))
    body = body_of([[*required(), said, status]], [], random.Random(1))

    assert len(of(body, None)[1]) == SPANS
    assert of(body, shapes()) == of(body, None)
