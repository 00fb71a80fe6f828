"""Held hops: a trace is kept as a whole or not at all, within bounds, across restarts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inferometer.errors import StateError, WireError
from inferometer.intake.held_frames import HeldFrames
from inferometer.intake.hold import HOLD_NS, TraceHold


class Held:
    """A hold with a frame of three requests per hop that is held."""

    def __init__(self, rows, **bounds: int) -> None:
        self.rows = rows()
        self.frames = HeldFrames()
        self.hold = TraceHold(self.frames, **bounds)
        self.span = 0

    def frame(self) -> int:
        for _ in range(3):
            self.span += 1
            self.rows.request(self.span, trace=self.span).execute(self.span)
        return self.frames.offer(self.rows.arrival())

    def put(self, trace: int, now: int = 0) -> tuple[int, int]:
        hop = self.frame(), self.span
        self.hold.hold(trace, *hop, now)
        return hop

    def keep(self, trace: int) -> list[tuple[int, int]]:
        return list(self.hold.keep(trace, "slow"))


@pytest.fixture
def held(rows) -> Held:
    return Held(rows)


def test_hops_that_waited_leave_when_their_trace_is_kept(held):
    first = held.put(1)
    held.put(2)
    second = held.put(1, 5)

    assert held.hold.kept(1) is None
    assert held.keep(1) == [first, second]
    assert held.hold.kept(1) == "slow"
    assert held.keep(1) == []


def test_a_hop_is_read_with_its_parts_while_it_leaves_and_not_after(held):
    held.put(1)
    ((frame, span),) = ((frame, span) for frame, span in held.hold.keep(1, "slow") if held.frames.read(frame, span))
    held.put(2)

    for number, span_id in held.hold.keep(2, "slow"):
        record, resource, offset = held.frames.read(number, span_id)
        assert (record.span_id, record.labels.model, len(record.executes)) == (span_id, "m", 1)
        assert (resource.pid, offset) == (42, 10**18)
        with pytest.raises(WireError, match="cannot be read any more"):
            held.frames.read(number, 999)
    with pytest.raises(KeyError):
        held.frames.read(frame, span)
    assert held.frames.size == 0


def test_a_hop_that_waited_still_knows_what_its_caller_calls_it(rows):
    frames = HeldFrames()
    number = frames.offer(rows().request(1).called(1, b"req-1").request(2).arrival())
    frames.retain(number)
    frames.retain(number)

    assert [frames.read(number, span)[0].external_id for span in (1, 2)] == ["req-1", ""]


def test_a_trace_is_forgotten_two_seconds_after_its_last_hop(held):
    first = held.put(1)
    held.put(2)
    last = held.put(1, 5)

    held.hold.pass_by(HOLD_NS, ())

    assert held.keep(2) == []
    assert held.keep(1) == [first, last]


def test_a_trace_with_open_requests_waits_on(held):
    hop = held.put(1)
    held.put(2)

    held.hold.pass_by(10 * HOLD_NS, {1})

    assert held.keep(1) == [hop]
    assert held.keep(2) == []
    held.put(3)
    held.hold.pass_by(100 * HOLD_NS, ())
    assert held.keep(3) == []
    assert held.frames.size == 0


def test_what_finds_no_room_is_forgotten_oldest_first_and_counted(rows):
    held = Held(rows, max_traces=3)
    hops = [held.put(trace) for trace in range(5)]

    assert held.hold.take_forgotten() == 2
    assert held.hold.take_forgotten() == 0
    assert [held.keep(trace) for trace in range(5)] == [[], [], *[[hop] for hop in hops[2:]]]


def test_frames_are_bounded_too(rows):
    one = Held(rows)
    one.put(1)
    held = Held(rows, max_bytes=one.frames.size * 2)
    for trace in range(5):
        held.put(trace)

    assert held.hold.take_forgotten() == 3
    assert held.frames.size == one.frames.size * 2


STEPS = st.lists(st.tuples(st.integers(0, 5), st.booleans()), max_size=30)


@given(STEPS)
def test_a_restart_in_between_changes_nothing(rows, steps):
    first = Held(rows)
    for now, (trace, keep) in enumerate(steps):
        if keep:
            first.keep(trace << 100)
        elif first.hold.kept(trace << 100) is None:
            first.put(trace << 100, now)
    second = Held(rows)
    second.frames.load_names(first.frames.dump_names())
    second.frames.load(first.frames.dump())
    second.hold.load(first.hold.dump(first.frames.durable()))
    second.frames.drop_unheld()

    assert second.frames.size == first.frames.size
    assert second.frames.dump() == first.frames.dump()
    for trace in range(6):
        hops = list(first.hold.keep(trace << 100, "slow")) if first.hold.kept(trace << 100) is None else []
        for number, span_id in second.hold.keep(trace << 100, "slow"):
            assert (number, span_id) in hops
            assert second.frames.read(number, span_id)[0].span_id == span_id
            hops.remove((number, span_id))
        assert hops == []
    assert first.frames.size == second.frames.size == 0


def after_restart(held: Held) -> TraceHold:
    frames = HeldFrames()
    frames.load(held.frames.dump())
    hold = TraceHold(frames)
    hold.load(held.hold.dump(held.frames.durable()))
    return hold


def test_after_a_restart_traces_are_forgotten_in_the_same_order(held):
    first = held.put(1)
    held.put(2, 1)
    last = held.put(1, 5)
    again = after_restart(held)

    again.pass_by(HOLD_NS + 1, ())

    assert list(again.keep(2, "slow")) == []
    assert list(again.keep(1, "slow")) == [first, last]


def test_after_a_restart_the_newest_of_the_kept_are_known_each_by_its_last_reason(held, monkeypatch):
    monkeypatch.setattr("inferometer.intake.hold.REMEMBERED", 3)
    for trace in (1, 2, 3, 4):
        held.hold.remember(trace, "slow")
    held.hold.remember(3, "rare")
    again = after_restart(held)

    assert [again.kept(trace) for trace in (1, 2, 3, 4)] == [None, "slow", "rare", "slow"]
    held.hold.remember_all([5, 6], [0, 0], [5, 6], "baseline")
    assert [after_restart(held).kept(trace) for trace in (3, 4, 5, 6)] == [None, "slow", "baseline", "baseline"]


def test_only_the_newest_frames_are_part_of_the_state(held, monkeypatch):
    first = held.put(1)
    size = held.frames.size
    last = held.put(2)
    monkeypatch.setattr("inferometer.intake.held_frames.DURABLE_BYTES", size)

    assert held.frames.durable() == {last[0]}
    other = TraceHold(HeldFrames())
    other._frames.load(held.frames.dump())
    other.load(held.hold.dump(held.frames.durable()))
    assert list(other.keep(1, "slow")) == []
    assert list(other.keep(2, "slow")) == [last]
    assert first != last


@pytest.mark.parametrize("data", [b"", b"short", bytes(40)])
def test_bytes_that_are_no_hold_are_refused(data):
    with pytest.raises(StateError, match="held requests"):
        TraceHold(HeldFrames()).load(data)


def test_hops_of_a_frame_that_is_not_there_are_refused(held):
    held.put(1)
    with pytest.raises(StateError, match="held requests"):
        TraceHold(HeldFrames()).load(held.hold.dump(held.frames.durable()))


@pytest.mark.parametrize("data", [b"short", bytes(20)])
def test_bytes_that_are_no_frames_are_refused(data):
    with pytest.raises(StateError, match="held frames"):
        HeldFrames().load(data)
    with pytest.raises(StateError, match="names of workers"):
        HeldFrames().load_names(data)
