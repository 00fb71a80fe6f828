"""Stages are exclusive and sum to the duration, whatever marks a request has."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from inferometer.catalog.stages import PRECEDENCE, Kind, Outcome, Stage
from inferometer.record.claims import RANKS, Claim, claims
from inferometer.record.model import Call, Execute, Flag, Interval, Labels, Moment, RequestRecord
from inferometer.record.partition import MAX_SEGMENTS, Segment, divide, merge, partition, stage_totals

LABELS = Labels(service="svc", model="m")


def request(*, executes=(), calls=(), intervals=(), flags=Flag(0), **moments) -> RequestRecord:  # noqa: B008 - a flag does not change
    """A request from the moments that came, by name in lower case."""
    stamps = [moments.get(moment.name.lower(), 0) for moment in Moment]
    return RequestRecord(
        trace_id=1, span_id=2, labels=LABELS, stamps=stamps, outcome=Outcome.OK, status=200, flags=flags,
        executes=tuple(executes), calls=tuple(calls), intervals=tuple(intervals),
    )  # fmt: skip


stamp = st.one_of(st.just(0), st.integers(1, 2_000))
executes = st.builds(
    Execute, execute_id=st.just(1), start=stamp, end=stamp, device=st.just("cpu"), queued=stamp,
    kind=st.sampled_from(Kind),
)  # fmt: skip
calls = st.builds(
    Call, call_id=st.just(3), start=stamp, end=stamp, sent=stamp, headers=stamp, server_ns=st.integers(0, 3_000),
    target=st.just("a:1"),
)  # fmt: skip
intervals = st.builds(Interval, start=stamp, end=stamp, stage=st.sampled_from(Stage), kind=st.sampled_from(Kind))
records = st.builds(
    lambda stamps, done, flags, e, c, i: RequestRecord(
        trace_id=1,
        span_id=2,
        labels=LABELS,
        stamps=[*stamps, done],
        outcome=Outcome.OK,
        flags=flags,
        executes=tuple(e),
        calls=tuple(c),
        intervals=tuple(i),
    ),
    st.lists(stamp, min_size=len(Moment) - 1, max_size=len(Moment) - 1),
    st.integers(1, 3_000),
    st.sampled_from([Flag(0), Flag.STREAM]),
    st.lists(executes, max_size=4),
    st.lists(calls, max_size=4),
    st.lists(intervals, max_size=30),
)


@given(records)
def test_stages_sum_to_the_duration_for_any_marks_in_any_order(record):
    result = partition(record)

    assert sum(result.totals) == record.duration_ns
    assert list(result.totals) == stage_totals(record)
    assert min(result.totals) >= 0


@given(records)
def test_a_remembered_plan_divides_as_the_sweep_over_all_claims_does(record):
    assert partition(record) == divide(claims(record), record.start, record.end)


@given(records)
def test_segments_cover_the_request_without_gap_or_overlap_and_stay_bounded(record):
    segments = partition(record).segments

    assert len(segments) <= MAX_SEGMENTS
    edges = [record.start, *(segment.end for segment in segments)]
    assert [segment.start for segment in segments] == edges[:-1]
    assert edges[-1] == record.end if segments else record.duration_ns == 0
    assert all(segment.start < segment.end for segment in segments)


@given(records)
def test_every_instant_belongs_to_the_first_claim_in_the_order_of_precedence(record):
    result = partition(record)
    wanted = [0] * len(result.totals)
    edges = {record.start, record.end}
    asked = list(claims(record))
    for claim in asked:
        edges.update(edge for edge in claim[:2] if record.start < edge < record.end)
    cuts = sorted(edges)
    for low, high in itertools.pairwise(cuts):
        owners = [claim.rank for claim in asked if claim.start <= low and claim.end >= high]
        stage = RANKS[min(owners, default=len(RANKS) - 1)][0]
        wanted[stage] += high - low

    assert list(result.totals) == wanted


def test_ranks_follow_the_published_precedence_and_contain_every_stage():
    order = list(dict.fromkeys(stage for stage, kind in RANKS if kind is not Kind.THREADPOOL))

    assert order == list(PRECEDENCE)
    assert set(order) == set(Stage)
    assert RANKS.index((Stage.QUEUE, Kind.THREADPOOL)) == RANKS.index((Stage.DESERIALIZE, Kind.NONE)) - 1


def test_a_plain_request_is_divided_as_its_stamps_say():
    record = request(
        start=100, entry=110, body_start=120, body_end=130, validate=131, endpoint=200, encode=900, respond=950,
        first_chunk=960, last=1000, done=1010,
        executes=[Execute(execute_id=1, start=300, end=700, device="cpu")],
        intervals=[Interval(start=220, end=310, stage=Stage.PREPROCESS)],
    )  # fmt: skip

    result = partition(record)

    assert {stage.label: result.total(stage) for stage in Stage if result.total(stage)} == {
        "queue": 10, "other": 10, "network": 60, "deserialize": 70, "handler": 220, "preprocess": 80,
        "execute": 400, "serialize": 50,
    }  # fmt: skip


def test_a_call_that_is_decoded_when_it_has_a_thread_is_divided_as_its_stamps_say():
    record = request(
        entry=100, endpoint=110, thread=400, body_start=400, body_end=450, validate=500, encode=900, respond=950,
        last=1000, done=1000,
    )  # fmt: skip

    result = partition(record)

    assert {stage.label: result.total(stage) for stage in Stage if result.total(stage)} == {
        "other": 10, "queue": 290, "network": 100, "deserialize": 50, "handler": 400, "serialize": 50,
    }  # fmt: skip


def test_background_work_after_the_last_byte_is_outside_the_duration():
    record = request(entry=10, respond=20, last=30, done=5_000)

    assert record.duration_ns == 20


def test_a_call_that_answers_its_own_time_splits_transit_in_halves():
    call = Call(call_id=3, start=100, sent=110, headers=210, end=230, server_ns=60, target="embedder:1")
    record = request(entry=100, endpoint=100, respond=230, last=230, done=230, calls=[call])

    result = partition(record)

    assert [(s.stage, s.kind, s.duration_ns) for s in result.segments] == [
        (Stage.QUEUE, Kind.POOL, 10),
        (Stage.NETWORK, Kind.TRANSIT, 20),
        (Stage.REMOTE, Kind.INFERENCE, 60),
        (Stage.NETWORK, Kind.TRANSIT, 20),
        (Stage.REMOTE, Kind.INFERENCE, 20),
    ]


def test_a_call_that_says_nothing_is_remote_as_a_whole():
    call = Call(call_id=3, start=100, headers=210, end=230, target="triton:1")
    record = request(entry=100, endpoint=100, respond=230, last=230, done=230, calls=[call])

    assert partition(record).total(Stage.NETWORK) == 0
    assert partition(record).total(Stage.REMOTE) == 130


def test_a_callee_that_claims_more_time_than_passed_leaves_no_negative_network():
    call = Call(call_id=3, start=100, headers=210, end=210, server_ns=500, target="liar:1")
    record = request(entry=100, endpoint=100, respond=210, last=210, done=210, calls=[call])

    assert partition(record).total(Stage.REMOTE) == 110


def test_a_stream_belongs_to_the_handler_and_not_to_the_network():
    record = request(entry=1, endpoint=10, respond=20, first_chunk=30, last=900, done=900, flags=Flag.STREAM)

    assert partition(record).total(Stage.HANDLER) == 890
    assert record.first_chunk_ns == 29


@given(st.lists(st.tuples(st.integers(0, 500), st.integers(1, 50)), min_size=40, max_size=80))
def test_merged_segments_say_how_many_they_are(pieces):
    asked = [Claim(start, start + width, start % (len(RANKS) - 1)) for start, width in pieces]
    exact = divide(asked, 0, 600)
    runs = sum(segment.merged for segment in exact.segments)

    assert len(exact.segments) <= MAX_SEGMENTS
    assert runs >= len(exact.segments)
    assert sum(exact.totals) == 600


def simply_merged(segments, limit):
    """The rule of `merge`, in the plainest way."""
    parts = [(segment, segment.duration_ns) for segment in segments]
    while len(parts) > limit:
        index = min(range(len(parts)), key=lambda i: parts[i][0].duration_ns)
        left = parts[index - 1][0].duration_ns if index else None
        right = parts[index + 1][0].duration_ns if index + 1 < len(parts) else None
        first = index - 1 if right is None or (left is not None and left <= right) else index
        (a, largest_a), (b, largest_b) = parts[first : first + 2]
        main = a if largest_a >= largest_b else b
        whole = Segment(a.start, b.end, main.stage, main.kind, a.merged + b.merged)
        parts[first : first + 2] = [(whole, max(largest_a, largest_b))]
    return [segment for segment, _ in parts]


@given(st.lists(st.tuples(st.integers(1, 40), st.sampled_from(Stage)), max_size=60), st.integers(1, 20))
def test_merging_many_segments_follows_its_rule(pieces, limit):
    segments, start = [], 0
    for width, stage in pieces:
        segments.append(Segment(start, start + width, stage))
        start += width

    assert merge(segments, limit) == simply_merged(segments, limit)


def test_time_claimed_for_other_leaves_what_follows_in_one_piece():
    result = divide([Claim(10, 20, len(RANKS) - 1)], 0, 100)

    assert [(s.start, s.end, s.stage) for s in result.segments] == [(0, 100, Stage.OTHER)]
