"""Runs on a device are told with its own times, of whom they are for, and without ever waiting for it."""

import threading

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from inferometer.catalog.stages import Kind, Stage
from inferometer.hooks import device_clock
from inferometer.hooks.compute import What
from inferometer.hooks.device_runs import MAX_PENDING
from inferometer.record.partition import partition, stage_totals
from inferometer.recorder.executes import BatchRun, running_batch
from inferometer.recorder.request import current_request

MS = 10**6
CLOSE = 5_000
"""ns by which two clocks may differ right after they were compared."""


def close_to(value, truth, within=CLOSE):
    return abs(value - truth) <= within


def test_a_run_has_the_times_of_the_device(bench):
    start, end = bench.run(20 * MS)
    bench.clock.pass_(30 * MS)
    bench.frame()
    ((span, run),) = bench.told

    assert (span, run.device, run.rows, run.queued) == (0, "cuda:0", 4, 0)
    assert close_to(run.start, start)
    assert close_to(run.end, end)


def test_what_waited_for_a_busy_device_was_queued_since_its_launch(bench):
    bench.run(50 * MS)
    launched = bench.clock.time
    start, end = bench.run(10 * MS)
    bench.clock.pass_(100 * MS)
    bench.frame()
    _, (_, run) = bench.told

    assert close_to(run.queued, launched, 100_000)
    assert close_to(run.start, start)
    assert close_to(run.end, end)
    assert run.start - run.queued > 49 * MS


def test_nothing_is_asked_of_the_device_but_whether_it_is_there_yet(bench):
    """A launch takes some microseconds of the host, whatever the device still has to do."""
    bench.run(1000 * MS)
    before = bench.clock.time
    bench.run(1000 * MS)

    assert bench.clock.time - before < 50_000
    assert bench.told == []


def test_what_ended_is_read_at_the_next_launch(bench):
    bench.run(5 * MS)
    bench.clock.pass_(10 * MS)
    bench.run(5 * MS)
    asked = bench.cuda.asked
    rows = bench.worker.buffers.take().tables

    assert len(bench.runs._pending) == 1
    assert any(rows.values())
    assert asked > 0


def test_a_frame_tells_what_began_before_it_and_nothing_that_did_not(bench):
    bench.run(100 * MS)
    bench.run(100 * MS)
    bench.clock.pass_(50 * MS)
    rows = bench.frame()
    bench.clock.pass_(100 * MS)
    later = bench.frame()

    assert [(final, run.end) for _, final, run in rows] == [(0, 0)]
    assert sorted(final for _, final, _ in later) == [0, 1]
    announced, (first, second) = rows[0][2], [run for _, _, run in sorted(later, key=lambda row: row[2].start)]
    assert first.start == announced.start
    assert second.start >= first.end - CLOSE


def test_a_request_that_waited_for_its_result_has_the_whole_run(bench):
    opened = bench.open()
    start, end = bench.run(20 * MS)
    bench.clock.pass_(25 * MS)
    bench.close(opened)
    bench.frame()
    (record,) = bench.finished
    (run,) = record.executes

    assert close_to(run.start, start)
    assert close_to(run.end, end)
    assert stage_totals(record)[Stage.EXECUTE] == run.end - run.start
    assert bench.told == [(record.span_id, run)]


def test_the_wait_for_a_busy_device_is_queue_of_the_request(bench):
    bench.run(30 * MS)
    opened = bench.open()
    bench.run(10 * MS)
    bench.clock.pass_(60 * MS)
    bench.close(opened)
    bench.frame()
    (record,) = bench.finished
    (waited,) = [part for part in partition(record).segments if part.kind is Kind.DEVICE]

    assert waited.stage is Stage.QUEUE
    assert waited.end - waited.start > 29 * MS


def test_what_runs_on_after_a_request_is_work_of_nobody(bench):
    opened = bench.open()
    start, end = bench.run(40 * MS)
    bench.clock.pass_(10 * MS)
    bench.close(opened)
    bench.clock.pass_(100 * MS)
    bench.frame()
    (record,) = bench.finished
    own, rest = sorted((run for _, run in bench.told), key=lambda run: run.start)

    assert close_to(own.start, start)
    assert own.end == opened.ended == rest.start
    assert close_to(rest.end, end)
    assert [span for span, run in bench.told if run is rest] == [0]
    assert record.executes == (own,)


def test_what_the_device_began_after_a_request_is_all_work_of_nobody(bench):
    bench.run(100 * MS)
    opened = bench.open()
    start, end = bench.run(10 * MS)
    bench.clock.pass_(10 * MS)
    bench.close(opened)
    bench.clock.pass_(200 * MS)
    bench.frame()
    (record,) = bench.finished
    _, late = sorted((run for _, run in bench.told), key=lambda run: run.start)

    assert record.executes == ()
    assert close_to(late.start, start)
    assert close_to(late.end, end)


def test_no_event_is_asked_while_a_graph_is_captured(bench):
    opened = bench.open()
    bench.run(5 * MS)
    bench.captures.begin()
    asked = bench.cuda.asked
    bench.clock.pass_(10 * MS)
    bench.run(5 * MS)  # by a thread that does not capture
    bench.frame()
    bench.clock.pass_(10 * MS)
    bench.close(opened)
    bench.frame()

    bench.clock.pass_(2 * device_clock.ANCHOR_NS)
    bench.run(5 * MS)  # the clocks were compared long ago

    assert bench.cuda.asked == asked
    assert bench.cuda.broken == 0
    assert bench.finished[0].executes == ()

    bench.captures.end()
    bench.frame()
    # Nobody could ask before that request ended: its runs are told as work of nobody, but they are told.
    bench.clock.pass_(10 * MS)
    bench.frame()
    assert [(span, close_to(run.end - run.start, 5 * MS)) for span, run in bench.told] == [(0, True)] * 3


def test_what_is_captured_is_no_run(bench):
    bench.cuda.capturing_here = True

    assert bench.runs.launch(What("cuda:0", "net", 1)) is None
    assert not bench.runs._pending


def test_a_capture_begins_only_when_nobody_asks(bench):
    began = threading.Event()
    bench.captures.lock.acquire()
    thread = threading.Thread(target=lambda: (bench.captures.begin(), began.set()))
    thread.start()

    assert not began.wait(0.05)
    bench.captures.lock.release()
    assert began.wait(5)
    thread.join()


def test_a_run_that_ends_inside_a_capture_keeps_no_event_in_the_graph(bench):
    begun = bench.runs.launch(What("cuda:0", "net", 1))
    bench.cuda.launch(MS)
    bench.cuda.capturing_here = True
    bench.captures.begin()
    bench.clock.pass_(2 * MS)
    bench.runs.launched(begun)
    bench.captures.end()
    bench.cuda.capturing_here = False
    bench.frame()
    ((_, run),) = bench.told

    assert not begun.recorded
    assert close_to(run.end - run.start, 2 * MS, 100_000)


@pytest.mark.parametrize("faster", [50.0, -50.0])
def test_clocks_that_drift_apart_are_compared_again(bench, faster):
    bench.cuda.faster = faster
    for _ in range(30):
        start, end = bench.run(MS)
        bench.clock.pass_(4000 * MS)
        bench.frame()
        _, run = bench.told[-1]
        # 50 ppm are 3 us within a run and its waiting, 400 us in 8 s and 6 ms in the two minutes of this test.
        assert close_to(run.start, start, 410_000)
        assert close_to(run.end - run.start, end - start, 5_000)


def test_a_start_is_not_before_the_launch_and_an_end_not_after_it_was_seen(bench):
    bench.run(MS)
    for error in (-50 * MS, 50 * MS):
        bench.clock.pass_(10 * MS)
        anchor = bench.runs._anchor
        bench.runs._anchor = device_clock.Anchor(anchor.event, anchor.at + error, 1)
        launched = bench.clock.time
        start, end = bench.run(5 * MS)
        bench.clock.pass_(10 * MS)
        bench.frame()
        seen = bench.clock.time
        bench.runs._anchor = anchor
        _, run = bench.told[-1]

        assert launched <= run.start < run.end <= seen
        assert close_to(run.end - run.start, end - start)


def test_a_device_whose_clock_is_much_faster_does_not_begin_before_the_launch(bench):
    bench.cuda.faster = 100_000.0
    launched = bench.clock.time
    _, end = bench.run(10 * MS)
    bench.clock.time = end
    bench.frame()
    ((_, run),) = bench.told

    assert launched < run.start < run.end <= bench.clock.time
    assert run.end - run.start > 9 * MS


def test_a_run_that_ends_while_its_request_is_told_is_told_to_no_later_than_that(bench):
    bench.run(MS)
    bench.clock.pass_(5 * MS)
    anchor = bench.runs._anchor
    bench.runs._anchor = device_clock.Anchor(anchor.event, anchor.at + 10_000, 1)
    opened = bench.open()
    _, end = bench.run(10 * MS)
    bench.clock.time = end - 300
    bench.close(opened)
    bench.frame()
    (record,) = bench.finished

    assert bench.runs._pending == []
    assert [run.end for run in record.executes] == [opened.ended]


def test_a_device_that_does_not_answer_in_time_is_asked_again_soon(bench):
    bench.cuda.silent = True
    before = bench.clock.time
    bench.run(MS)
    assert bench.clock.time - before < 3 * MS
    assert bench.runs._anchor is None

    bench.cuda.silent = False
    bench.clock.pass_(10 * MS)
    bench.frame()
    (_, run) = bench.told[-1]
    assert close_to(run.end - run.start, MS)
    assert run.end <= bench.clock.time

    bench.clock.pass_(device_clock.RETRY_NS)
    bench.run(MS)
    assert bench.runs._anchor is not None


def test_events_are_used_again(bench):
    for _ in range(500):
        bench.run(MS)
        bench.clock.pass_(2 * MS)
    bench.frame()

    assert bench.cuda.events <= 32
    assert len(bench.told) == 500


def test_a_device_that_never_ends_anything_costs_a_bounded_memory(bench):
    for _ in range(MAX_PENDING + 100):
        bench.run(10**9)

    assert len(bench.runs._pending) == MAX_PENDING
    assert bench.cuda.events <= 2 * MAX_PENDING + 64


def test_a_device_that_fails_takes_the_hook_out_and_frames_go_on(bench, caplog):
    bench.run(MS)
    bench.cuda.failing = True
    bench.frame()
    bench.frame()

    assert bench.worker.hooks.errors() == {"torch": 2}
    assert "illegal memory access" in caplog.text


def test_threads_that_launch_and_ask_at_once_lose_and_double_nothing(bench):
    def launch():
        for _ in range(200):
            begun = bench.runs.launch(What("cuda:0", "net", 1))
            bench.clock.pass_(100_000)
            bench.runs.launched(begun)

    def ask():
        while not stop.is_set():
            bench.runs.read()

    stop = threading.Event()
    asking = threading.Thread(target=ask)
    threads = [threading.Thread(target=launch) for _ in range(4)]
    for thread in (asking, *threads):
        thread.start()
    for thread in threads:
        thread.join()
    stop.set()
    asking.join()
    bench.clock.pass_(10 * MS)
    bench.frame()

    assert len({run.execute_id for _, run in bench.told}) == len(bench.told) == 800
    assert bench.worker.hooks.errors() == {}


def test_the_runs_of_a_batch_are_shared_by_its_members(bench):
    opened = [bench.open(), bench.open()]
    current_request.set(None)
    batch = BatchRun(7, 2, tuple(opened))
    bench.worker.executes.begin_batch(batch, "host-1", 2)
    token = running_batch.set(batch)
    start, end = bench.run(5 * MS)
    bench.run(5 * MS)
    bench.clock.pass_(20 * MS)
    running_batch.reset(token)
    bench.worker.executes.end_batch(batch)
    for request in opened:
        request.close()
    bench.frame()

    for record in bench.finished:
        first, second = record.executes
        assert (first.batch_id, first.batch_size, first.device) == (7, 2, "cuda:0")
        assert close_to(first.start, start)
        assert close_to(first.end, end)
        assert second.start >= first.end


@example(
    steps=[("run", 1, 23_301), ("frame", 0, 0), ("run", 0, 2_801), ("run", 0, 17_901), ("run", 0, 1_000),
           ("frame", 0, 0), ("run", 1, 11_202)]
)  # fmt: skip
@given(
    steps=st.lists(
        st.one_of(
            st.tuples(st.just("run"), st.integers(0, 2), st.integers(1_000, 50 * MS)),
            st.tuples(st.just("wait"), st.just(0), st.integers(0, 60 * MS)),
            st.tuples(st.just("frame"), st.just(0), st.just(0)),
            st.tuples(st.just("capture"), st.just(0), st.integers(0, 20 * MS)),
        ),
        max_size=40,
    )
)
def test_every_run_is_told_once_and_at_its_time(build, steps):
    with pytest.MonkeyPatch.context() as patch:
        bench = build(patch)
        streams = [type(bench.cuda.current)() for _ in range(3)]
        truth = []
        for step, which, ns in steps:
            if step == "run":
                truth.append(bench.run(ns, streams[which], rows=len(truth) + 1))
            elif step == "wait":
                bench.clock.pass_(ns)
            elif step == "frame":
                bench.frame()
            else:
                bench.captures.begin()
                bench.frame()
                bench.clock.pass_(ns)
                bench.captures.end()
        bench.clock.pass_(10**10)
        bench.frame()
        bench.frame()

    assert bench.cuda.broken == 0
    # By their rows: runs of two streams may begin at the same moment.
    told = {run.rows: (run.start, run.end) for _, run in bench.told}
    assert len(bench.told) == len(told) == len(truth)
    for number, (real_start, real_end) in enumerate(truth, 1):
        start, end = told[number]
        assert close_to(start, real_start, 3 * CLOSE)
        assert close_to(end, real_end, 3 * CLOSE)
