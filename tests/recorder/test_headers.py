"""Headers of strangers are read strictly, and nothing they hold can do harm."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inferometer.recorder.headers import (
    format_traceparent,
    is_ours,
    outgoing_state,
    parse_server_timing,
    parse_traceparent,
    server_timing,
)

u64 = st.integers(0, 2**64 - 1)
VALID = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@given(u64, u64, st.integers(1, 2**64 - 1), st.booleans())
def test_a_traceparent_comes_back_as_it_went(high, low, span, sampled):
    text = format_traceparent(high, low, span, sampled=sampled).encode()

    assert parse_traceparent(text) == ((high, low, span, int(sampled)) if high or low else None)


@given(st.binary(max_size=80))
def test_any_bytes_are_a_traceparent_or_none(data):
    parsed = parse_traceparent(data)

    assert parsed is None or (len(parsed) == 4 and parsed[2] > 0)


@given(st.integers(0, 54), st.integers(0, 255))
def test_a_traceparent_with_a_wrong_byte_is_none_or_has_other_digits(index, byte):
    changed = VALID[:index] + bytes([byte]) + VALID[index + 1 :]
    parsed = parse_traceparent(changed)

    assert parsed is None or byte in b"0123456789abcdef-"


@pytest.mark.parametrize(
    "value",
    [
        VALID.upper(),
        b"ff" + VALID[2:],
        VALID + b"-00",
        VALID[:-1],
        b"00-" + b"0" * 32 + VALID[35:],
        VALID[:36] + b"0" * 16 + VALID[52:],
        VALID + b"," + VALID,
        b" " + VALID,
        b"00-+af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        b"00-0af7651916cd43dd8448eb211c8031_c-b7ad6b7169203331-01",
    ],
    ids=["capitals", "version ff", "more in version 00", "short", "no trace", "no span", "two", "blank", "sign", "_"],
)
def test_what_the_specification_forbids_is_no_traceparent(value):
    assert parse_traceparent(value) is None


def test_a_later_version_may_say_more():
    assert parse_traceparent(b"01" + VALID[2:] + b"-what") == parse_traceparent(VALID)


def test_our_member_is_found_among_others():
    assert is_ours(b"vendor=x, inferometer=1")
    assert not is_ours(b"vendor=inferometer=1")
    assert not is_ours(b"")


@given(st.binary(max_size=3000))
def test_an_outgoing_tracestate_is_ours_first_and_bounded(incoming):
    state = outgoing_state(incoming)

    assert state.split(",")[0] == "inferometer=1"
    assert len(state) <= 13 + 1 + 512
    assert state.isascii()
    assert state.isprintable()


def test_members_of_others_go_on_in_their_order():
    assert outgoing_state(b"a=1,inferometer=1,b=2") == "inferometer=1,a=1,b=2"


@given(st.integers(0, 86_400_000 * 10**6))
def test_a_duration_comes_back_to_the_nanosecond(duration_ns):
    assert parse_server_timing(server_timing(duration_ns).decode()) == duration_ns


@given(st.text(max_size=200))
def test_any_server_timing_is_a_duration_or_nothing(text):
    assert parse_server_timing(text) >= 0
    assert parse_server_timing("inferometer;dur=" + text) >= 0


@pytest.mark.parametrize(
    "text",
    ["", "cache;dur=3", "inferometer", "inferometer;dur=", "inferometer;dur=-1", "inferometer;dur=1e9",
     "inferometer;dur=inf", "inferometer;dur=99999999999", "inferometer;dur=1.2.3", "inferometer;dur=٣"],
)  # fmt: skip
def test_what_is_no_duration_of_ours_is_nothing(text):
    assert parse_server_timing(text) == 0


def test_a_header_of_megabytes_is_not_looked_through():
    assert parse_server_timing("inferometer;dur=1, " + "x" * 8192) == 0


def test_our_metric_is_found_among_others():
    assert parse_server_timing('cache;desc="x", inferometer;desc=a;dur="2.5", db;dur=9') == 2_500_000
