"""Held hops: a trace is kept as a whole or not at all, within bounds."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inferometer.errors import StateError
from inferometer.intake.hold import HOLD_NS, TraceHold


def test_hops_that_waited_leave_when_their_trace_is_kept():
    hold = TraceHold()
    hold.hold(1, b"a", 0)
    hold.hold(2, b"x", 0)
    hold.hold(1, b"b", 5)

    assert hold.kept(1) is None
    assert hold.keep(1, "slow") == [b"a", b"b"]
    assert hold.kept(1) == "slow"
    assert hold.keep(1, "slow") == []


def test_a_trace_is_forgotten_two_seconds_after_its_last_hop():
    hold = TraceHold()
    hold.hold(1, b"a", 0)
    hold.hold(2, b"b", 0)
    hold.hold(1, b"c", 5)

    hold.pass_by(HOLD_NS, ())

    assert hold.keep(2, "slow") == []
    assert hold.keep(1, "slow") == [b"a", b"c"]


def test_a_trace_with_open_requests_waits_on():
    hold = TraceHold()
    hold.hold(1, b"a", 0)
    hold.hold(2, b"b", 0)

    hold.pass_by(10 * HOLD_NS, {1})

    assert hold.keep(1, "slow") == [b"a"]
    assert hold.keep(2, "slow") == []
    hold.hold(3, b"c", 0)
    hold.pass_by(100 * HOLD_NS, ())
    assert hold.keep(3, "slow") == []


def test_what_finds_no_room_is_forgotten_oldest_first_and_counted():
    hold = TraceHold(max_bytes=30)
    for trace in range(5):
        hold.hold(trace, b"0123456789", trace)

    assert hold.take_forgotten() == 2
    assert hold.take_forgotten() == 0
    assert [hold.keep(trace, "slow") for trace in range(5)] == [[], [], *[[b"0123456789"]] * 3]


@given(st.lists(st.tuples(st.integers(0, 5), st.binary(min_size=1, max_size=20), st.booleans()), max_size=40))
def test_a_restart_in_between_changes_nothing(steps):
    first = TraceHold()
    for now, (trace, hop, keep) in enumerate(steps):
        if keep:
            first.keep(trace << 100, "rare")
        elif first.kept(trace << 100) is None:
            first.hold(trace << 100, hop, now)

    second = TraceHold()
    second.load(first.dump())

    assert second.dump() == first.dump()
    for trace in range(6):
        assert second.kept(trace << 100) == first.kept(trace << 100)
        assert second.keep(trace << 100, "slow") == first.keep(trace << 100, "slow")


@pytest.mark.parametrize("data", [b"", b"short", bytes(40)])
def test_bytes_that_are_no_hold_are_refused(data):
    with pytest.raises(StateError, match="held requests"):
        TraceHold().load(data)
