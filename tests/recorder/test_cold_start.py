"""A process tells of its start once: phases that follow each other, loads of models, the first answered request."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inferometer.catalog.phases import IN_ORDER, Phase
from inferometer.catalog.stages import Outcome
from inferometer.record.model import Moment
from inferometer.recorder.cold_start import MAX_LOADS, WAIT_NS, ColdStart
from inferometer.recorder.shapes import Shapes
from inferometer.recorder.worker import Worker
from inferometer.settings import Policy, Settings
from inferometer.testing import Collector
from inferometer.wire.cold_starts import cold_start
from inferometer.wire.frame import Frame
from inferometer.wire.layout import PHASES, REQUESTS, Section

MS = 1_000_000
START = 1_000 * MS


@pytest.fixture
def new_worker():
    made = []

    def make(settings):
        made.append(Worker(settings))
        return made[-1]

    yield make
    for worker in made:
        worker.close()


class Clock:
    """Nanoseconds that stand still."""

    def __init__(self) -> None:
        self.ns = START

    def __call__(self) -> int:
        return self.ns


class Begun:
    """A process that was started, and what its frames say."""

    def __init__(self, line: int = 100 * MS) -> None:
        self.clock = Clock()
        self.clock.ns = START + line
        self.cold = ColdStart(START, now=self.clock)
        self.shapes = Shapes("svc", "eu")

    def at(self, ms: int) -> "ColdStart":
        self.clock.ns = START + ms * MS
        return self.cold

    def told(self, *finished: bytes):
        rows = self.cold.rows(b"".join(finished), self.shapes, region="eu", traced=True)
        frame = Frame(worker_id=b"w" * 16, sequence=1, monotonic_ns=1, wall_ns=1, tables={Section.PHASES: rows})
        return cold_start(frame, self.shapes.all())


def request(arrival: int, end: int, *, outcome: Outcome = Outcome.OK, span: int = 7) -> bytes:
    stamps = [0] * len(Moment)
    stamps[Moment.START], stamps[Moment.LAST] = START + arrival * MS, START + end * MS
    values = dict.fromkeys(REQUESTS.names, 0) | {"trace_hi": 5, "trace_lo": 6, "span_id": span, "outcome": outcome}
    values |= {moment.name.lower(): stamps[moment] for moment in Moment}
    return REQUESTS.row.pack(*values.values())


def in_ms(start):
    return [(run.phase, (run.start - START) // MS, (run.end - START) // MS) for run in start.phases]


def test_the_phases_follow_each_other_up_to_the_first_answer():
    begun = Begun()
    begun.at(100).loaded("minilm", START + 200 * MS, START + 900 * MS)
    begun.at(1000).starting()
    begun.at(1300).ready()
    begun.at(9000)
    assert begun.told() is None

    start = begun.told(request(8100, 8150, span=8), request(8000, 8100))

    assert in_ms(start) == [
        (Phase.INTERPRETER, 0, 100),
        (Phase.IMPORT, 100, 1000),
        (Phase.STARTUP, 1000, 1300),
        (Phase.WAIT, 1300, 8000),
        (Phase.FIRST_REQUEST, 8000, 8100),
        (Phase.MODEL_LOAD, 200, 900),
    ]
    first = start.phases[4]
    assert (first.trace_id, first.span_id, start.phases[5].model, start.region) == (5 << 64 | 6, 7, "minilm", "eu")
    assert (start.ready_ns, start.start, start.end) == (1300 * MS, START, START + 8100 * MS)
    assert begun.told(request(9000, 9001)) is None


@given(st.lists(st.integers(0, 5000), min_size=5, max_size=5), st.booleans())
def test_the_phases_sum_to_the_whole_whatever_the_order_of_the_stamps(at, startup):
    line, starting, ready, arrival, took = at
    begun = Begun((line + 1) * MS)
    if startup:
        begun.at(starting).starting()
    begun.at(ready).ready()
    start = begun.told(request(arrival, arrival + took))
    runs = [run for run in start.phases if run.phase in IN_ORDER]

    assert sum(run.end - run.start for run in runs) == start.end - START
    assert all(before.end == after.start for before, after in pairwise(runs))
    assert all(run.end > run.start for run in runs)
    assert [run.phase for run in runs] == sorted(run.phase for run in runs)


def test_a_process_that_nobody_asks_tells_after_a_while():
    begun = Begun()
    begun.at(500).ready()
    begun.clock.ns += WAIT_NS - 1
    assert begun.told() is None

    begun.clock.ns += 1
    assert in_ms(begun.told()) == [(Phase.INTERPRETER, 0, 100), (Phase.IMPORT, 100, 500)]
    assert begun.told(request(600, 700)) is None


def test_a_process_that_ends_tells_before():
    begun = Begun()
    begun.at(500).ready()
    begun.cold.ends()

    assert begun.told().ready_ns == 500 * MS


@pytest.mark.parametrize("end", [True, False])
def test_a_process_that_was_never_ready_tells_nothing(end):
    begun = Begun()
    if end:
        begun.cold.ends()

    assert begun.told(request(1, 2)) is None


def test_a_request_whose_client_left_is_not_the_first():
    begun = Begun()
    begun.at(500).ready()

    cancelled = request(600, 700, outcome=Outcome.CANCELLED)
    assert begun.told(cancelled) is None
    assert begun.told(cancelled, request(650, 800)).end == START + 800 * MS


def test_a_request_that_came_before_its_worker_was_ready_waited_for_it():
    begun = Begun()
    begun.at(500).ready()

    assert in_ms(begun.told(request(300, 700)))[-1] == (Phase.FIRST_REQUEST, 500, 700)


def test_a_forked_worker_begins_at_its_fork():
    begun = Begun()
    begun.cold.loaded("theirs", START, START + MS)
    begun.at(500).ready()
    begun.at(510)
    begun.cold.after_fork(START + 505 * MS)
    assert begun.told(request(600, 700)) is None
    begun.at(550).ready()

    assert in_ms(begun.told(request(600, 700))) == [
        (Phase.INTERPRETER, 505, 510),
        (Phase.IMPORT, 510, 550),
        (Phase.WAIT, 550, 600),
        (Phase.FIRST_REQUEST, 600, 700),
    ]


def test_loads_are_bounded():
    begun = Begun()
    for _ in range(MAX_LOADS + 5):
        begun.cold.loaded("m", START, START + MS)
    begun.at(500).ready()
    begun.cold.ends()

    assert sum(run.phase is Phase.MODEL_LOAD for run in begun.told().phases) == MAX_LOADS


@given(st.binary(min_size=PHASES.size, max_size=PHASES.size * 4).map(lambda data: data[: len(data) // 8 * 8]))
def test_rows_of_a_strange_worker_are_read_or_passed_over(data):
    rows = data[: len(data) // PHASES.size * PHASES.size]
    frame = Frame(worker_id=b"w" * 16, sequence=1, monotonic_ns=1, wall_ns=1, tables={Section.PHASES: rows})
    start = cold_start(frame, Shapes("svc", "").all())

    assert start is None or start.end >= start.start > 0


@pytest.mark.parametrize("policy", [None, Policy.OFF])
def test_a_worker_says_it_in_one_frame_and_whether_it_is_traced(tmp_path, policy, new_worker):
    with Collector(tmp_path / "c.sock") as collector:
        worker = new_worker(Settings(sidecar=collector.address, flush_seconds=0.02, traces=policy, host="h"))
        worker.loaded("minilm", 5 * MS)
        worker.start()
        worker.flush_at_exit()
        collector.until(lambda: any(frame.count(PHASES) for frame in collector.frames))
        seen = len(collector.frames)
        collector.until(lambda: len(collector.frames) > seen + 3)
        told = [cold_start(frame, collector.names_of(frame.worker_id)) for frame in collector.frames]
    (start,) = [one for one in told if one is not None]

    assert start.traced is (policy is None)
    load = start.phases[-1]
    assert (load.phase, load.model, load.end - load.start) == (Phase.MODEL_LOAD, "minilm", 5 * MS)


def test_a_server_that_was_first_seen_by_a_request_is_not_known_to_be_ready(tmp_path, new_worker):
    with Collector(tmp_path / "c.sock") as collector:
        worker = new_worker(Settings(sidecar=collector.address, flush_seconds=0.02, host="h"))
        worker.start(ready=False)
        worker.flush_at_exit()

    assert not any(frame.count(PHASES) for frame in collector.frames)
