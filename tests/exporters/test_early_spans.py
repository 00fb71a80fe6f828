"""Stages of an engine that come long before the request that they are of is known."""

import time

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from inferometer.catalog.labels import PORT
from inferometer.catalog.stages import Kind, Stage
from inferometer.fleet.thresholds import NOTHING
from inferometer_exporters.naming import Naming
from inferometer_exporters.receivers import earlier, messages
from inferometer_exporters.receivers.enrichment import Home
from inferometer_exporters.receivers.foreign import Foreign
from inferometer_exporters.receivers.inbox import Inbox
from inferometer_exporters.receivers.taking import Taking
from inferometer_exporters.recorder.store import Recorder
from inferometer_exporters.tally import Tally

SECOND = 10**9
ROOT, THREAD = 1, 2
NAMES = {THREAD: "Scheduler [TP 0] (host:a | pid:7)", 3: "prefill_waiting", 4: "prefill_forward", 5: "decode_forward"}


@pytest.fixture
def passes(tmp_path):
    """Takes spans of SGLang, pass by pass: (id, parent, first second, last second), at a second of our clock."""
    recorder = Recorder(tmp_path / "recorder.duckdb")
    inbox = Inbox()
    taking = Taking(inbox, Tally(), PORT.values[3])
    # Of a machine that has been up for an hour, whatever this one says.
    begun, wall, clock = 3_600 * SECOND, time.time_ns() - 1_000 * SECOND, [0]
    foreign = Foreign(
        inbox, recorder, Naming(recorder, NOTHING), home=Home(host="box"), wall_ns=lambda: wall + clock[0]
    )

    def come(second, *spans, trace=b"t"):
        request = ExportTraceServiceRequest()
        scope = request.resource_spans.add().scope_spans.add()
        for own, parent, first, last in spans:
            span = scope.spans.add(trace_id=trace * 16, span_id=bytes([own] * 8))
            span.parent_span_id = bytes([parent] * 8) if parent else b""
            span.name = NAMES.get(own, "unified Req 1f2e3d4c")
            span.start_time_unix_nano, span.end_time_unix_nano = wall + first * SECOND, wall + last * SECOND
            if not parent:
                pair = span.attributes.add(key="rid")
                pair.value.string_value = "1f2e3d4c"
        taking.take(request.SerializeToString(), messages.from_protobuf, near=True)
        clock[0] = second * SECOND
        made = foreign.release(begun + second * SECOND, 0, everything=True)
        rows = made.intervals
        return [
            (Stage(stage), Kind(kind), (end - start) // SECOND)
            for stage, kind, start, end in zip(*(rows[name].tolist() for name in ("stage", "kind", "start", "end")),
                                               strict=True)
        ] if rows else []  # fmt: skip

    yield come
    recorder.close()


EARLY = ((3, THREAD, 0, 2), (4, THREAD, 2, 5))
LAST = ((5, THREAD, 5, 60), (THREAD, ROOT, 0, 60), (ROOT, 0, 0, 60))
WHOLE = {
    (Stage.QUEUE, Kind.ENGINE, 2),
    (Stage.EXECUTE, Kind.PREFILL, 3),
    (Stage.EXECUTE, Kind.DECODE, 55),
}


def test_stages_that_came_a_minute_before_their_request_are_in_it(passes):
    assert passes(5, *EARLY) == []
    # A sender that heard no answer sends again.
    assert passes(6, *EARLY) == []

    found = passes(61, *LAST)
    assert set(found) == WHOLE
    assert len(found) == len(WHOLE)


def test_a_thread_that_ended_before_its_request_keeps_its_stages(passes):
    passes(5, *EARLY, (THREAD, ROOT, 0, 5))

    assert set(passes(61, (ROOT, 0, 0, 60))) == {one for one in WHOLE if one[1] is not Kind.DECODE}


def test_stages_of_another_trace_and_of_a_request_that_took_too_long_are_not_in_it(passes):
    passes(5, *EARLY, trace=b"u")
    assert {kind for _, kind, _ in passes(61, *LAST)} == {Kind.DECODE}

    longest = earlier.LONGEST_NS // SECOND
    passes(100, *EARLY, trace=b"v")
    passes(102 + longest, (6, THREAD, 0, 1), trace=b"w")
    assert {kind for _, kind, _ in passes(103 + longest, *LAST, trace=b"v")} <= {Kind.DECODE}


def test_no_more_are_kept_than_there_is_room_for(passes, monkeypatch):
    monkeypatch.setattr(earlier, "MOST", 1)
    passes(5, *EARLY)

    assert {kind for _, kind, _ in passes(61, *LAST)} == {Kind.PREFILL, Kind.DECODE}


def test_a_stage_that_came_early_and_comes_again_with_its_request_counts_once(passes):
    passes(5, *EARLY, (THREAD, ROOT, 0, 5))

    found = passes(61, *EARLY, *LAST)
    assert set(found) == WHOLE
    assert len(found) == len(WHOLE)


def test_many_that_wait_below_one_span_are_forgotten_as_quickly_as_any(monkeypatch):
    monkeypatch.setattr(earlier, "MOST", 10)
    kept = earlier.Earlier(lambda _: True, frozenset())
    looked = 0

    class Counted(int):
        def __eq__(self, other):
            nonlocal looked
            looked += 1
            return int(self) == int(other)

        __hash__ = int.__hash__

    many = 2_000
    for number in range(many):
        own = Counted(number)
        kept._kept[own] = (1, 2, 3), 0
        kept._below.setdefault((1, 2, 3), {})[own] = earlier.Early(own, "x", 0, 1, failed=False, attributes={})
    kept._forget(0)

    assert [one.span_id for one in kept.below((1, 2, 3))] == list(range(many - 10, many))
    assert looked < 10 * many
