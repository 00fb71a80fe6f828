"""The sidecar's columns divide a request exactly as `inferometer.record` does."""

from random import Random

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from inferometer.catalog.stages import Kind, Stage
from inferometer.record.model import Moment
from inferometer.record.partition import MAX_SEGMENTS, STAGE_SLOTS, Segment, partition
from inferometer.wire.frame import Frame, Names
from inferometer.wire.layout import CALLS, EXECUTES, INTERVALS, REQUESTS, Section, Table
from inferometer.wire.records import records
from inferometer_exporters.columns import claims, planned
from inferometer_exporters.columns.partition import partition as partition_columns
from inferometer_exporters.columns.segments import segments
from inferometer_exporters.columns.tables import read, take

SPANS = st.integers(1, 12)
TIMES = st.one_of(st.just(0), st.integers(1, 40), st.integers(1_000, 2_000))
# Nobody marks `other`: it is what is left.
MARKED = st.sampled_from([stage for stage in range(13) if stage != Stage.OTHER])
NAMES = Names({1: ("svc", "m", "", "", "", "", "", "")}, {})


def packed(table: Table, rows: list[dict[str, int]]) -> bytes:
    return b"".join(table.row.pack(*(row.get(name, 0) for name in table.names)) for row in rows)


request_rows = st.lists(
    st.fixed_dictionaries(
        {
            "span_id": SPANS,
            **{moment.name.lower(): TIMES for moment in Moment},
            "flags": st.integers(0, 127),
            "shape": st.just(1),
        }
    ),
    max_size=12,
    unique_by=lambda row: row["span_id"],
)
execute_rows = st.lists(
    st.fixed_dictionaries(
        {
            "span_id": SPANS,
            "queued": TIMES,
            "start": TIMES,
            "end": TIMES,
            "kind": st.integers(0, 40),
            "final": st.integers(0, 1),
        }
    ),
    max_size=60,
)
call_rows = st.lists(
    st.fixed_dictionaries(
        {"span_id": SPANS, "kind": st.integers(0, 40)}
        | dict.fromkeys(("start", "sent", "headers", "end", "server_ns"), TIMES)
    ),
    max_size=30,
)
interval_rows = st.lists(
    st.fixed_dictionaries(
        {"span_id": SPANS, "start": TIMES, "end": TIMES, "stage": MARKED, "kind": st.integers(0, 40)}
    ),
    max_size=60,
)


def kept(segment: Segment) -> tuple[int, int, Stage, Kind, int]:
    return segment.start, segment.end, segment.stage, segment.kind, min(segment.merged, 255)


@given(request_rows, execute_rows, call_rows, interval_rows)
def test_totals_and_segments_of_columns_equal_those_of_each_record(requests, executes, calls, intervals):
    frame = Frame(
        worker_id=bytes(16),
        sequence=1,
        monotonic_ns=0,
        wall_ns=0,
        names=NAMES,
        tables={
            Section.REQUESTS: packed(REQUESTS, requests),
            Section.EXECUTES: packed(EXECUTES, executes),
            Section.CALLS: packed(CALLS, calls),
            Section.INTERVALS: packed(INTERVALS, intervals),
        },
    )
    tables = {table: read(table, [frame.tables[table.section]]) for table in (REQUESTS, EXECUTES, CALLS, INTERVALS)}
    final = take(tables[EXECUTES], tables[EXECUTES]["final"] != 0)

    found = partition_columns(tables[REQUESTS], final, tables[CALLS], tables[INTERVALS])

    for row, record in enumerate(records(frame, NAMES)):
        expected = partition(record)
        assert (found.start[row], found.end[row]) == (record.start, record.end)
        assert tuple(found.totals[:, row].tolist()) == expected.totals
        assert sum(expected.totals) == found.duration[row]
        coded = found.segments[: found.counts[row], row].tolist()
        assert [kept(s) for s in segments(coded, record.start)] == [kept(s) for s in expected.segments]
        assert not found.segments[found.counts[row] :, row].any()


@settings(max_examples=min(30, settings.default.max_examples), deadline=None)
@given(st.integers(1, 5), st.integers(0, 80), st.randoms(use_true_random=False))
def test_a_request_with_many_executes_is_divided_like_a_record(count, runs, random):
    requests = [{"span_id": span, "entry": 100, "last": 100_000, "shape": 1} for span in range(1, count + 1)]
    executes = []
    for span in range(1, count + 1):
        for _ in range(runs):
            start = random.randrange(100, 90_000)
            executes.append({"span_id": span, "start": start, "end": start + random.randrange(500), "final": 1})
    frame = Frame(
        worker_id=bytes(16),
        sequence=1,
        monotonic_ns=0,
        wall_ns=0,
        tables={Section.REQUESTS: packed(REQUESTS, requests), Section.EXECUTES: packed(EXECUTES, executes)},
    )

    found = partition_columns(
        read(REQUESTS, [frame.tables[Section.REQUESTS]]),
        read(EXECUTES, [frame.tables[Section.EXECUTES]]),
        read(CALLS, ()),
        read(INTERVALS, ()),
    )

    for row, record in enumerate(records(frame, NAMES)):
        expected = partition(record)
        assert tuple(found.totals[:, row].tolist()) == expected.totals
        coded = found.segments[: found.counts[row], row].tolist()
        assert [kept(s) for s in segments(coded, record.start)] == [kept(s) for s in expected.segments]


@st.composite
def many_alike(draw):
    """Records of a few kinds, dozens of each: the same moments in the same order at other times, some equal."""
    random = Random(draw(st.integers(0, 1 << 32)))
    requests, executes, calls, intervals = [], [], [], []
    for kind in range(draw(st.integers(1, 3))):
        stamps = draw(st.lists(st.sampled_from([moment.name.lower() for moment in Moment]), unique=True))
        runs, marks = draw(st.integers(0, 3)), draw(st.integers(0, 2))
        points = [*stamps, *range(2 * (runs + marks))]
        random.shuffle(points)
        flags, hop = draw(st.integers(0, 127)), draw(st.booleans())
        for number in range(draw(st.integers(30, 90))):
            span, now, at = kind * 1_000 + number + 1, 10, {}
            for point in points:
                now += random.choice((0, 1, 5, 1_000)) if random.random() < 0.05 else random.randrange(1, 1_000)
                at[point] = now
            requests.append({"span_id": span, "shape": 1, "flags": flags} | {name: at[name] for name in stamps})
            for index in range(runs + marks):
                begin, end = sorted((at[2 * index], at[2 * index + 1]))
                row = {"span_id": span, "start": begin, "end": end}
                if index < runs:
                    executes.append(row | {"final": 1, "kind": 20 + index, "queued": begin - 1 if hop else 0})
                else:
                    intervals.append(row | {"stage": 3 + index, "kind": 0})
            if hop and random.random() < 0.5:
                calls.append({"span_id": span, "start": 20, "sent": 25, "headers": 90, "end": 99, "server_ns": 40})
    random.shuffle(requests)
    return requests, executes, calls, intervals


@settings(max_examples=min(60, settings.default.max_examples), deadline=None)
@given(many_alike())
def test_many_records_that_are_alike_are_divided_like_each_of_them(tables):
    sections = dict(zip((REQUESTS, EXECUTES, CALLS, INTERVALS), tables, strict=True))
    frame = Frame(
        worker_id=bytes(16),
        sequence=1,
        monotonic_ns=0,
        wall_ns=0,
        names=NAMES,
        tables={table.section: packed(table, rows) for table, rows in sections.items()},
    )

    found = partition_columns(*(read(table, [frame.tables[table.section]]) for table in sections))

    for row, record in enumerate(records(frame, NAMES)):
        expected = partition(record)
        assert tuple(found.totals[:, row].tolist()) == expected.totals
        coded = found.segments[: found.counts[row], row].tolist()
        assert [kept(s) for s in segments(coded, record.start)] == [kept(s) for s in expected.segments]
        assert not found.segments[found.counts[row] :, row].any()


def test_records_that_come_in_one_order_are_divided_by_one_plan():
    rows = [
        {"span_id": span, "entry": 100 + span, "endpoint": 300 + 2 * span, "last": 900 + 3 * span, "shape": 1}
        for span in range(1, 101)
    ]
    requests = read(REQUESTS, [packed(REQUESTS, rows)])
    at = claims.stamps(requests)
    nothing = claims.joined(claims.of_intervals(read(INTERVALS, ()), np.zeros(0, np.int64)), claims.bounds(at))
    result = planned.Divided(*(np.zeros((size, len(rows)), np.int64) for size in (STAGE_SLOTS, MAX_SEGMENTS)),
                             np.zeros(len(rows), np.int64))  # fmt: skip

    done = planned.divide(
        result, planned.Records(at, np.zeros(len(rows), np.int64), nothing, np.zeros(len(rows) + 1, np.int64))
    )

    assert done.all()
    assert (result.totals.sum(axis=0) == [800 + 2 * span for span in range(1, 101)]).all()


def test_no_rows_make_an_empty_partition():
    found = partition_columns(read(REQUESTS, ()), read(EXECUTES, ()), read(CALLS, ()), read(INTERVALS, ()))

    assert found.totals.shape[1] == 0
    assert np.array_equal(found.duration, np.zeros(0, np.int64))
