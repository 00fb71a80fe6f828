"""What else a request says of its caller: b3 in both forms, an id of its own, baggage."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inferometer.record.model import Flag
from inferometer.recorder.caller import HEADERS, baggage, external_id, parse_b3

LOW = 0xA3CE929D0E0E4736
HIGH = 0x80F198EE56343BA8
SPAN = 0x05E3AC9A4F6E3B90
TRACE, LONG, PARENT = b"a3ce929d0e0e4736", b"80f198ee56343ba8a3ce929d0e0e4736", b"05e3ac9a4f6e3b90"

SINGLE = {
    "128 bits, sampled": (LONG + b"-" + PARENT + b"-1", (HIGH, LOW, SPAN, 1)),
    "64 bits, debug": (TRACE + b"-" + PARENT + b"-d", (0, LOW, SPAN, 1)),
    "denied": (TRACE + b"-" + PARENT + b"-0", (0, LOW, SPAN, 0)),
    "decision deferred": (TRACE + b"-" + PARENT, (0, LOW, SPAN, 0)),
    "with a parent's parent": (LONG + b"-" + PARENT + b"-1-" + TRACE, (HIGH, LOW, SPAN, 1)),
    "upper case": (LONG.upper() + b"-" + PARENT + b"-1", (HIGH, LOW, SPAN, 1)),
    "nothing but a denial": (b"0", None),
    "a short trace": (TRACE[1:] + b"-" + PARENT, None),
    "a trace of zeros": (b"0" * 32 + b"-" + PARENT + b"-1", None),
    "a span of zeros": (LONG + b"-" + b"0" * 16 + b"-1", None),
    "no hex": (b"g" * 32 + b"-" + PARENT, None),
    "no span": (LONG, None),
    "two of them": (LONG + b"-" + PARENT + b"," + LONG + b"-" + PARENT, None),
}


@pytest.mark.parametrize(("value", "found"), SINGLE.values(), ids=SINGLE)
def test_the_single_header(value, found):
    assert parse_b3({b"b3": value}) == found


@pytest.mark.parametrize(
    ("more", "flags"),
    [({}, 0), ({b"x-b3-sampled": b"1"}, 1), ({b"x-b3-sampled": b"0"}, 0), ({b"x-b3-sampled": b"True"}, 1),
     ({b"x-b3-flags": b"1"}, 1), ({b"x-b3-flags": b"0"}, 0)],
    ids=["deferred", "sampled", "denied", "sampled by an old tracer", "debug", "no debug"],
)  # fmt: skip
def test_the_headers_one_by_one(more, flags):
    assert parse_b3({b"x-b3-traceid": LONG, b"x-b3-spanid": PARENT, **more}) == (HIGH, LOW, SPAN, flags)


def test_the_single_header_wins_where_it_names_a_trace():
    many = {b"x-b3-traceid": b"1" * 32, b"x-b3-spanid": b"2" * 16}

    assert parse_b3({b"b3": LONG + b"-" + PARENT, **many}) == (HIGH, LOW, SPAN, 0)
    assert parse_b3({b"b3": b"0", **many}) == (0x1111111111111111, 0x1111111111111111, 0x2222222222222222, 0)


@given(st.dictionaries(st.sampled_from(HEADERS), st.binary(max_size=200)))
def test_no_bytes_break_it(headers):
    found = parse_b3(headers)

    assert found is None or (0 <= max(found[:3]) < 1 << 64 and (found[0] or found[1]) and found[2])
    assert len(external_id(headers)) <= 64
    assert len(baggage(headers)) <= 8192


def ask(bench, client, answer, *headers):
    asyncio.run(client(headers=headers)(bench.wrap(answer())))
    (record,) = bench.records()
    return record


def test_a_request_continues_a_trace_of_b3(bench, client, answer):
    record = ask(bench, client, answer, (b"b3", TRACE + b"-" + PARENT + b"-1"))

    assert (record.trace_id, record.parent_id) == (LOW, SPAN)
    # The caller is none of ours: the hop is an entry.
    assert record.flags == Flag.ENTRY | Flag.SAMPLED


def test_traceparent_wins_over_b3_where_it_is_valid(bench, client, answer):
    b3 = (b"b3", LONG + b"-" + PARENT + b"-1")
    valid = ask(bench, client, answer, b3, (b"traceparent", b"00-" + b"1" * 32 + b"-" + b"2" * 16 + b"-00"))
    broken = ask(bench, client, answer, b3, (b"traceparent", b"00-nonsense"), (b"tracestate", b"inferometer=1"))

    assert (valid.trace_id, valid.parent_id) == (int("1" * 32, 16), int("2" * 16, 16))
    assert (broken.trace_id, broken.parent_id) == (HIGH << 64 | LOW, SPAN)
    # A tracestate without its traceparent says nothing.
    assert broken.flags & Flag.ENTRY


@pytest.mark.parametrize(
    ("value", "kept"),
    [(b"req-7", "req-7"), (b"x" * 64, "x" * 64), (b"x" * 65, ""), (b"a\x00b", ""), (b"a\nb", ""), ("ü".encode(), ""),
     (b"", "")],
)  # fmt: skip
def test_an_id_of_the_callers_own_is_kept_where_it_can_be_printed(bench, client, answer, value, kept):
    assert ask(bench, client, answer, (b"x-request-id", value)).external_id == kept


def test_baggage_goes_along_whole_or_not_at_all(bench, client):
    seen = []

    async def app(scope, receive, send):
        seen.append(next(iter(bench.worker.open.values())).baggage)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    for headers in (
        ((b"baggage", b"user=1;p=2"), (b"baggage", b"tier=gold")),
        ((b"baggage", b"k=" + b"v" * 8190),),
        ((b"baggage", b"k=" + b"v" * 8191),),
        ((b"baggage", b"k=\r\nset-cookie: x"),),
        tuple((b"baggage", b"k%d=%s" % (index, b"v" * 4000)) for index in range(1000)),
    ):
        asyncio.run(client(headers=headers)(bench.wrap(app)))

    assert seen == [b"user=1;p=2,tier=gold", b"k=" + b"v" * 8190, b"", b"", b""]
