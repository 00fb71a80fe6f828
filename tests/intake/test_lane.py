"""The short way and the long way through the local Intake give the same numbers and the same spans."""

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from inferometer.aggregate import Aggregator
from inferometer.catalog import telemetry
from inferometer.catalog.stages import Kind, Outcome, Stage
from inferometer.fleet.objective import Objective, Sli
from inferometer.fleet.thresholds import NOTHING, Thresholds
from inferometer.intake import lane
from inferometer.intake.lane import Lane, Passed
from inferometer.intake.local_pipeline import LocalPipeline
from inferometer.intake.pipeline import Arrival, WorkerInfo
from inferometer.otlp.sender import Settled, Unit
from inferometer.otlp.writer import TraceWriter
from inferometer.record.model import Flag, Moment
from inferometer.wire.frame import Frame, Names
from inferometer.wire.layout import CALLS, EXECUTES, INTERVALS, REQUESTS, Section

US = 1_000
BEGIN = 5 * 10**9
INFO = WorkerInfo(worker_id=b"w" * 16, pid=42, service="svc", sdk_version="0", host="h", start_ns=1)
NAMES = Names(
    {1: ("svc", "m", "v", "eu", "acme", "", "POST", "/m"), 2: ("svc", "other", "", "eu", "", "", "GET", "/{id}")},
    {1: "cpu-host", 2: "cuda:0", 3: "callee:80"},
)
THRESHOLDS = Thresholds(
    objectives=tuple(
        Objective(slo=sli.value, service="svc", model="m", name=sli.value, sli=sli, threshold_ns=limit, target="99",
                  window_ns=1)
        for sli, limit in ((Sli.LATENCY, 50_000 * US), (Sli.AVAILABILITY, None))
    )
)  # fmt: skip


class Endpoint:
    """Accepts everything, and keeps it."""

    def __init__(self) -> None:
        self.units: list[Unit] = []

    def put(self, unit: Unit) -> bool:
        self.units.append(unit)
        return True

    def settled(self) -> Settled:
        return Settled()

    def spans(self) -> dict[tuple[bytes, bytes], tuple[bytes, Span]]:
        found = {}
        for unit in self.units:
            for resource in ExportTraceServiceRequest.FromString(unit.data).resource_spans:
                for scope in resource.scope_spans:
                    for span in scope.spans:
                        place = resource.resource.SerializeToString(deterministic=True)
                        assert (span.trace_id, span.span_id) not in found
                        found[span.trace_id, span.span_id] = place, span
        return found


class LongWay(Lane):
    def absorb(self, arrival, number, closed):  # noqa: ARG002 - as the lane has it
        yield Passed(left=list(arrival.frame.rows(REQUESTS)))


class Counted(Lane):
    taken: list[int]
    """Of each frame, how many requests went the short way."""

    def absorb(self, arrival, number, closed):
        self.taken.append(0)
        for passed in super().absorb(arrival, number, closed):
            self.taken[-1] += passed.taken
            yield passed


@dataclass
class Way:
    pipeline: LocalPipeline
    endpoint: Endpoint
    aggregator: Aggregator


def counting() -> tuple[type[Lane], list[int]]:
    taken: list[int] = []
    return type("Counted", (Counted,), {"taken": taken}), taken


def way(kind: type[Lane], ratio: float, *, traced: bool) -> Way:
    endpoint, aggregator = Endpoint(), Aggregator(monotonic_ns=lambda: BEGIN)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("inferometer.intake.local_pipeline.Lane", kind)
        pipeline = LocalPipeline(
            aggregator,
            THRESHOLDS,
            TraceWriter(endpoint) if traced else None,
            baseline_ratio=ratio,
            monotonic_ns=lambda: BEGIN,
        )
    return Way(pipeline, endpoint, aggregator)


def canonical(aggregator: Aggregator) -> list[bytes]:
    return sorted(line for line in aggregator.dump().splitlines() if telemetry.PASS_DURATION.name.encode() not in line)


def length(random: Random) -> int:
    return random.choice([random.randint(0, 3), random.randint(1, 900), random.randint(1_000, 3_000_000), 60_000 * US])


USUAL = ((0, 1, 2, 3, 4, 5, 6, 8, 9, 10, 12, 13), (1, 2, 6, 12, 13), tuple(range(14)), (2, 13))


def stamps(random: Random) -> list[int]:
    usual = random.choice(USUAL)
    at, found = BEGIN, [0] * len(Moment)
    for moment in usual:
        at += length(random)
        found[moment] = at
    if random.random() < 0.1:
        first, second = random.choice(usual), random.choice(usual)
        found[first], found[second] = found[second], found[first]
    return found


def frame_of(random: Random, sequence: int) -> Frame:
    choice = random.choice
    tables: dict[Section, list[bytes]] = {table.section: [] for table in (REQUESTS, EXECUTES, CALLS, INTERVALS)}
    for _ in range(random.randint(0, 40)):
        span = random.getrandbits(63) | 1
        trace = choice([span * 0x9E3779B97F4A7C15 & (2**64 - 1) or 1] * 9 + [7])
        at = stamps(random)
        plain = random.random() < 0.8
        outcome = Outcome.OK if plain else choice(list(Outcome))
        flags = Flag.ENTRY if plain else choice([0, Flag.SAMPLED, Flag.STREAM, Flag.WARMUP | Flag.ENTRY, 5])
        sizes = choice([(0, 0), (10, 0), (0, 300), (84, 60)])
        tables[REQUESTS.section].append(
            REQUESTS.row.pack(
                0, trace, span, choice([0, 9]), *at, choice([0, 0, 0, 5]), *sizes,
                choice([1, 2]), 1, 0, choice([0, 0, 0, 4]), 200, outcome, int(flags), 0,
            )
        )  # fmt: skip
        for execute in range(choice([0, 0, 1, 1, 2])):
            begin = choice([BEGIN + 5, at[6] + 10, at[12]])
            end, batch = begin + length(random), span ^ execute << 8
            tables[EXECUTES.section].append(
                EXECUTES.row.pack(
                    span, span + execute, choice([0, 0, 0, batch]), choice([0, 0, 0, max(begin - 2, 0)]), begin, end, 1,
                    choice([1, 2]), 1, 4, choice([0, Kind.PREFILL]), choice([1, 1, 1, 0]), 0, 0,
                )
            )  # fmt: skip
        if random.random() < 0.2:
            begin = at[2] + length(random)
            row = INTERVALS.row.pack(span, begin, begin + length(random), Stage.PREPROCESS, Kind.NONE, 0, 0)
            tables[INTERVALS.section].append(row)
        if random.random() < 0.1:
            row = CALLS.row.pack(
                span, span + 77, at[2], at[2], at[12], at[12] + 1, 5, 3, 0, 200, Kind.INFERENCE, 1, 0, 0, 0, 0, 0
            )
            tables[CALLS.section].append(row)
    return Frame(
        worker_id=INFO.worker_id,
        sequence=sequence,
        monotonic_ns=BEGIN + 10**9,
        wall_ns=BEGIN + 10**18,
        tables={section: b"".join(rows) for section, rows in tables.items() if rows},
    )


@given(st.integers(0, 2**32), st.sampled_from([0.0, 0.5, 1.0]), st.booleans(), st.sampled_from([3, 17, lane.AT_ONCE]))
@example(29857, 0.5, True, 512)  # noqa: FBT003 - traced: of a trace, hops come that go either way
def test_both_ways_give_the_same_series_and_the_same_spans(seed, ratio, traced, at_once):
    random = Random(seed)
    short, long = way(Lane, ratio, traced=traced), way(LongWay, ratio, traced=traced)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lane, "AT_ONCE", at_once)
        for sequence in range(1, 6):
            frame = frame_of(random, sequence)
            for one in (short, long):
                one.pipeline.absorb([Arrival(INFO, frame, NAMES)])
                one.pipeline.tick(BEGIN)

    assert canonical(short.aggregator) == canonical(long.aggregator)
    assert short.endpoint.spans() == long.endpoint.spans()


def plain_rows(count: int) -> Iterator[bytes]:
    at = [0] * len(Moment)
    for place, moment in enumerate((1, 2, 3, 4, 5, 6, 8, 9, 10, 12, 13)):
        at[moment] = BEGIN + 1 + place * 2_000
    for span in range(1, count + 1):
        yield REQUESTS.row.pack(1, span, span, 0, *at, 0, 84, 60, 1, 1, 0, 0, 200, Outcome.OK, int(Flag.ENTRY), 0)


@pytest.mark.parametrize("with_execute", [False, True])
def test_of_usual_requests_nearly_all_go_the_short_way(with_execute):
    tables = {Section.REQUESTS: list(plain_rows(100))}
    if with_execute:
        tables[Section.EXECUTES] = [
            EXECUTES.row.pack(span, span, 0, 0, BEGIN + 11_000, BEGIN + 12_000, 1, 1, 1, 1, 0, 1, 0, 0)
            for span in range(1, 101)
        ]
    kind, taken = counting()
    one = way(kind, 1.0, traced=True)
    for sequence in (1, 2):
        given_rows = {
            section: b"".join(
                row[:8] + (100 * sequence + at).to_bytes(8, "little") * 2 + row[24:] if section is Section.REQUESTS
                else (100 * sequence + at).to_bytes(8, "little") + row[8:]
                for at, row in enumerate(rows)
            )
            for section, rows in tables.items()
        }  # fmt: skip
        frame = Frame(worker_id=b"w" * 16, sequence=sequence, monotonic_ns=BEGIN, wall_ns=BEGIN, tables=given_rows)
        one.pipeline.absorb([Arrival(INFO, frame, NAMES)])

    # The first frame's requests are rare still; of the second's one becomes the exemplar of its bucket.
    assert taken == [0, 99]


def counted(clock) -> tuple[LocalPipeline, list[int]]:
    """A pipeline, and how many requests of each frame went the short way."""
    kind, taken = counting()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("inferometer.intake.local_pipeline.Lane", kind)
        writer = TraceWriter(Endpoint())
        return LocalPipeline(Aggregator(), THRESHOLDS, writer, baseline_ratio=1.0, monotonic_ns=clock), taken


def renumbered(rows: Iterator[bytes], first: int) -> bytes:
    return b"".join(
        row[:8] + (first + at).to_bytes(8, "little") * 2 + row[24:] for at, row in enumerate(rows)
    )  # fmt: skip


def whole_frame(sequence: int, rows: bytes) -> Frame:
    return Frame(
        worker_id=b"w" * 16, sequence=sequence, monotonic_ns=BEGIN, wall_ns=BEGIN, tables={Section.REQUESTS: rows}
    )


def test_requests_whose_moments_come_in_several_orders_go_the_short_way_together():
    pipeline, taken = counted(lambda: BEGIN)
    body_start = 32 + 8 * Moment.BODY_START
    without_body = [row[:body_start] + bytes(16) + row[body_start + 16 :] for row in plain_rows(50)]
    mixed = [row for pair in zip(plain_rows(50), without_body, strict=True) for row in pair]
    for sequence in (1, 2, 3):
        pipeline.absorb([Arrival(INFO, whole_frame(sequence, renumbered(mixed, 1_000 * sequence)), NAMES)])

    assert taken == [0, 99, 100]


def test_the_exemplar_of_a_bucket_is_renewed_once_a_second():
    now = [BEGIN]
    pipeline, taken = counted(lambda: now[0])
    for sequence in range(1, 7):
        pipeline.absorb([Arrival(INFO, whole_frame(sequence, renumbered(plain_rows(50), 1_000 * sequence)), NAMES)])
        now[0] += 400_000_000

    assert taken == [0, 49, 50, 49, 50, 50]


@pytest.mark.parametrize("thresholds", [NOTHING, THRESHOLDS])
def test_where_nobody_wants_traces_none_is_rare_or_an_exemplar(thresholds):
    kind, taken = counting()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("inferometer.intake.local_pipeline.Lane", kind)
        pipeline = LocalPipeline(Aggregator(), thresholds, None, monotonic_ns=lambda: BEGIN)
    for sequence in (1, 2):
        pipeline.absorb([Arrival(INFO, whole_frame(sequence, renumbered(plain_rows(50), 1_000 * sequence)), NAMES)])

    assert taken == [50, 50]
