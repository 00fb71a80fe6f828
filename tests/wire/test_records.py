"""Requests get back what belongs to them when a frame is read."""

from inferometer.catalog.stages import Kind, Outcome, Stage
from inferometer.record.model import Flag, Moment
from inferometer.wire.frame import Frame, Names
from inferometer.wire.layout import BATCHES, CALLS, EXECUTES, INTERVALS, REQUESTS, Section
from inferometer.wire.records import batches, executes, records

NAMES = Names(
    {7: ("svc", "minilm", "v1", "eu", "acme", "interactive", "POST", "/embed")}, {1: "cpu", 2: "a:1", 3: "GET"}
)
STAMPS = tuple(range(101, 101 + len(Moment)))


def frame(**tables) -> Frame:
    packed = {Section[name.upper()]: data for name, data in tables.items()}
    return Frame(worker_id=b"w" * 16, sequence=1, monotonic_ns=1, wall_ns=2, names=NAMES, tables=packed)


def request_row(span: int, shape: int = 7) -> bytes:
    flags = Flag.ENTRY | Flag.STREAM
    return REQUESTS.row.pack(1, 2, span, 9, *STAMPS, 40, 10, 20, shape, 2, 3, 4, 200, Outcome.DEGRADED, flags, 0)


def test_a_record_has_its_own_executes_calls_and_intervals_and_no_others():
    def run(span: int, final: int) -> bytes:
        return EXECUTES.row.pack(span, 50 + span, 6, 0, 110, 120, 7, 1, 8, 4, Kind.BATCH, final, 0, 0)

    data = frame(
        requests=request_row(11) + request_row(12),
        executes=run(11, 1) + run(12, 1) + run(13, 0),
        calls=CALLS.row.pack(12, 77, 111, 0, 115, 119, 3, 2, 3, 503, Kind.DEPENDENCY, 2, 0, 4, 0, 0, 0),
        intervals=INTERVALS.row.pack(11, 105, 109, Stage.PREPROCESS, 0, 0, 0),
    )

    first, second = records(data, NAMES)

    assert first.trace_id == 1 << 64 | 2
    assert (first.labels.model, first.labels.request_class, first.labels.route) == ("minilm", "interactive", "/embed")
    assert [e.execute_id for e in first.executes] == [61]
    assert first.executes[0].device == "cpu"
    assert [i.stage for i in first.intervals] == [Stage.PREPROCESS]
    assert first.calls == ()
    assert (second.calls[0].target, second.calls[0].method, second.calls[0].attempt) == ("a:1", "GET", 2)
    assert second.calls[0].outcome is Outcome.TIMEOUT
    assert first.outcome is Outcome.DEGRADED
    assert first.flags == Flag.ENTRY | Flag.STREAM
    assert [row[0] for row in executes(data, NAMES)] == [11, 12, 13]


def test_a_shape_that_was_never_named_gives_empty_labels():
    (record,) = records(frame(requests=request_row(11, shape=99)), NAMES)

    assert (record.labels.service, record.labels.model) == ("", "")


def test_batches_are_read_with_their_labels_and_reason():
    data = frame(batches=BATCHES.row.pack(6, 100, 105, 140, 7, 8, 8, 3, 1, 0, 0, 0))

    (batch,) = batches(data, NAMES)

    assert (batch.labels.model, batch.size, batch.waiting, batch.reason) == ("minilm", 8, 3, "timeout")
