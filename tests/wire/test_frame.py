"""Frames survive the way to bytes and back, in every version, and garbage is refused with a reason."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inferometer.errors import WireError
from inferometer.wire.frame import Frame, Names, decode, encode, peek
from inferometer.wire.gauges import Gauges
from inferometer.wire.layout import REQUESTS, SHAPE_FIELDS, TABLES, Section
from inferometer.wire.message import Hello, Reader, Type, ack, acked, pack

WORKER = bytes(range(16))
u64 = st.integers(0, 2**63 - 1)


@st.composite
def rows(draw, table):
    count = draw(st.integers(0, 3))
    return draw(st.binary(min_size=count * table.size, max_size=count * table.size))


frames = st.builds(
    lambda sequence, mono, wall, shapes, strings, tables: Frame(
        worker_id=WORKER,
        sequence=sequence,
        monotonic_ns=mono,
        wall_ns=wall,
        names=Names(shapes, strings),
        gauges={"in_flight": sequence % 7 + 1},
        tables={k: v for k, v in tables.items() if v},
    ),
    u64,
    u64,
    u64,
    st.dictionaries(st.integers(0, 2**32 - 1), st.tuples(*[st.text(max_size=5)] * len(SHAPE_FIELDS)), max_size=3),
    st.dictionaries(st.integers(0, 2**32 - 1), st.text(max_size=20), max_size=3),
    st.fixed_dictionaries({table.section: rows(table) for table in TABLES}),
)


@given(frames)
def test_a_frame_comes_back_as_it_went(frame):
    data = encode(frame)

    assert decode(data) == frame
    assert peek(data) == (WORKER, frame.sequence)


@given(st.binary(max_size=400))
def test_garbage_is_a_wire_error_and_nothing_else(data):
    try:
        frame = decode(data)
    except WireError:
        return
    assert isinstance(frame, Frame)


@given(frames, st.data())
def test_a_truncated_frame_is_refused_or_ends_at_a_section(frame, data):
    whole = encode(frame)
    cut = whole[: data.draw(st.integers(0, len(whole) - 1))]
    try:
        tables = decode(cut).tables
    except WireError:
        tables = {}
    assert set(tables) <= set(frame.tables)


def test_rows_of_a_later_version_lose_the_columns_we_do_not_know():
    ours = bytes(range(REQUESTS.size % 256)) * 1
    ours = ours.ljust(REQUESTS.size, b"\x01")
    section = struct.pack("<HHI", Section.REQUESTS, REQUESTS.size + 8, 2) + (ours + b"\xff" * 8) * 2
    head = struct.pack("<16sQQQ", WORKER, 1, 2, 3)

    assert decode(head + section).tables[Section.REQUESTS] == ours * 2


def test_rows_of_an_earlier_version_get_zeros_for_what_they_lack():
    section = struct.pack("<HHI", Section.REQUESTS, 8, 1) + b"\x05" * 8
    head = struct.pack("<16sQQQ", WORKER, 1, 2, 3)

    row = next(decode(head + section).rows(REQUESTS))

    assert row[0] == 0x0505050505050505
    assert set(row[1:]) == {0}


def test_sections_of_an_unknown_kind_are_passed_over():
    head = struct.pack("<16sQQQ", WORKER, 1, 2, 3)

    assert decode(head + struct.pack("<HHI", 999, 4, 2) + b"12345678").tables == {}


@given(st.lists(st.tuples(st.sampled_from(Type), st.binary(max_size=50)), max_size=6), st.integers(1, 17))
def test_messages_are_cut_right_however_the_stream_arrives(messages, step):
    stream = b"".join(pack(kind, payload) for kind, payload in messages)
    reader = Reader()
    got = [message for i in range(0, len(stream), step) for message in reader.feed(stream[i : i + step])]

    assert got == messages


def test_a_stream_that_is_not_ours_is_refused_with_its_first_bytes():
    with pytest.raises(WireError, match="a message begins with b'GET '"):
        list(Reader().feed(b"GET / HTTP/1.1\r\n\r\n"))


def test_a_message_that_claims_too_much_is_refused_before_it_is_stored():
    with pytest.raises(WireError, match="claims 4294967295 bytes"):
        list(Reader().feed(struct.pack("<4sHHI", b"IFMR", 2, 1, 2**32 - 1)))


def test_acknowledgements_carry_the_sequence():
    ((kind, payload),) = Reader().feed(ack(77))

    assert (kind, acked(payload)) == (Type.ACK, 77)
    with pytest.raises(WireError, match="8 are right"):
        acked(b"123")


def test_hello_comes_back_as_it_went_and_says_what_is_wrong():
    hello = Hello(
        worker_id=WORKER, pid=5, service="s", sdk_version="0.1", boot_id="b", host="h", start_ns=9,
        names=Names({1: ("s", "m", "", "", "", "", "POST", "/p")}, {1: "cpu"}),
    )  # fmt: skip

    assert Hello.from_bytes(hello.to_bytes()) == hello
    with pytest.raises(WireError, match="HELLO is not as a worker writes it"):
        Hello.from_bytes(b"{}")
    with pytest.raises(WireError, match="16 are right"):
        Hello.from_bytes(hello.to_bytes().replace(WORKER.hex().encode(), b"00"))


def test_gauges_of_another_version_are_read_as_far_as_they_are_known():
    gauges = Gauges(in_flight=3, hooks={"fastapi": "active"}, model_loads=(("m", 5),))

    assert Gauges.from_json({**gauges.to_json(), "later": 1}) == gauges
    assert Gauges.from_json({}) == Gauges()
    with pytest.raises(WireError, match="gauge in_flight is str, int is right"):
        Gauges.from_json({"in_flight": "3"})
    for load in ("m", ["m"], ["m", "5"], [5, "m"], ["m", 5, 6]):
        with pytest.raises(WireError, match="model_loads"):
            Gauges.from_json({"model_loads": [load]})
