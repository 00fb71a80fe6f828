"""The wait in a proxy: four dialects of a time, told apart by magnitude; clocks that cannot be are counted."""

import asyncio
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inferometer.record.model import Moment
from inferometer.recorder.proxy_wait import LONGEST_NS, ProxyClock, parse_time

WALL = 1_700_000_000_123_456_789
DIALECTS = {
    "nginx: seconds with a fraction": (b"t=1700000000.123", WALL // 10**6 * 10**6),
    "seconds without t=": (b"1700000000.123456", WALL // 10**3 * 10**3),
    "whole seconds": (b"t=1700000000", WALL // 10**9 * 10**9),
    "Heroku: milliseconds": (b"1700000000123", WALL // 10**6 * 10**6),
    "milliseconds with a fraction": (b"1700000000123.456", WALL // 10**3 * 10**3),
    "Apache: microseconds": (b"t=1700000000123456", WALL // 10**3 * 10**3),
    "nanoseconds": (b"t=1700000000123456789", WALL),
    "the outermost of two proxies": (b"t=1700000000.123, t=1700000001.5", WALL // 10**6 * 10**6),
}


@pytest.mark.parametrize(("value", "wall_ns"), DIALECTS.values(), ids=DIALECTS)
def test_every_dialect_is_the_same_time(value, wall_ns):
    assert parse_time(value) == wall_ns


@pytest.mark.parametrize(
    "value",
    [b"", b"t=", b"t=soon", b"12", b"t=-1700000000", b"1e9", b"1700000000.1.2", b"t=1700000000.x", b"1" * 41,
     b"t=0x1700000000", "t=\u0661\u0667\u0660\u0660".encode(), b"\x00" * 20, b"170000000012345678901"],
)  # fmt: skip
def test_what_is_no_time_says_nothing(value):
    assert parse_time(value) is None


@given(st.binary(max_size=100))
def test_no_bytes_break_it(value):
    found = parse_time(value)

    assert found is None or 0 <= found < 10**21


@given(st.integers(10**18, 2 * 10**18))
def test_a_time_is_read_as_it_was_written_in_each_unit(wall_ns):
    assert parse_time(b"t=%d" % wall_ns) == wall_ns
    assert parse_time(b"%d" % (wall_ns // 10**3)) == wall_ns // 10**3 * 10**3
    assert parse_time(b"%d" % (wall_ns // 10**6)) == wall_ns // 10**6 * 10**6
    assert parse_time(b"t=%d.%09d" % divmod(wall_ns, 10**9)) == wall_ns


def test_the_wait_ends_where_the_request_begins():
    clock = ProxyClock(wall_ns=lambda: WALL, monotonic_ns=lambda: 5_000)

    # The request began 1,000 ns ago.
    assert clock.wait_ns({b"x-request-start": b"t=%d" % (WALL - 30_000)}, 4_000) == 29_000
    assert clock.wait_ns({b"x-queue-start": b"t=%d" % (WALL - 40_000)}, 4_000) == 39_000
    assert clock.wait_ns({}, 4_000) == 0
    assert clock.skews() == 0


@pytest.mark.parametrize("ahead_ns", [1, 10**9, -LONGEST_NS - 1], ids=["just ahead", "a second ahead", "long ago"])
def test_a_clock_that_cannot_be_is_counted_and_not_believed(ahead_ns):
    clock = ProxyClock(wall_ns=lambda: WALL, monotonic_ns=lambda: 0)

    assert clock.wait_ns({b"x-request-start": b"t=%d" % (WALL + ahead_ns)}, 0) == 0
    assert clock.skews() == 1


def test_a_record_has_the_wait_outside_its_duration(bench, client, answer):
    began = time.time() - 0.2
    asyncio.run(client(headers=((b"x-request-start", b"t=%.3f" % began),))(bench.wrap(answer())))
    (record,) = bench.records()

    assert 0.199e9 <= record.proxy_wait_ns < 5e9
    assert record.start == record.stamps[Moment.ENTRY]
    assert record.duration_ns < record.proxy_wait_ns


def test_a_wrong_clock_is_in_the_frame(bench, client, answer):
    asyncio.run(client(headers=((b"x-queue-start", b"t=%d" % (time.time_ns() + 10**10)),))(bench.wrap(answer())))
    frame = bench.frame()

    assert frame.gauges["proxy_skews"] == 1
