"""Device time belongs to the requests that used it, once, also when they share it or leave early."""

import asyncio
import threading
import time

import pytest

from inferometer.catalog.stages import Kind, Outcome, Stage
from inferometer.record.partition import partition
from inferometer.recorder.batching import Batcher
from inferometer.recorder.request import MAX_EXECUTES, current


def run(coroutine):
    return asyncio.run(coroutine)


def execute(worker, seconds=0.002, **more):
    mark = worker.executes.begin("gpu-0", model="net", **more)
    time.sleep(seconds)
    worker.executes.end(mark)
    return mark


def test_an_execute_is_a_row_of_its_request_and_names_its_model(bench, client, answer):
    async def inside():
        execute(bench.worker, rows=4, kind=Kind.PREFILL)

    run(client()(bench.wrap(answer(before=inside))))
    (record,) = bench.records()
    (run_,) = record.executes

    assert (run_.device, run_.rows, run_.kind, run_.batch_size) == ("gpu-0", 4, Kind.PREFILL, 1)
    assert record.labels.model == "net"
    assert partition(record).total(Stage.EXECUTE) == run_.end - run_.start >= 2_000_000


def test_an_execute_of_nobody_is_told_too(bench):
    execute(bench.worker)
    ((span, _, final, run_),) = bench.executes(bench.frame())

    assert (span, final) == (0, 1)
    assert run_.end > run_.start


def test_what_runs_is_announced_and_what_ended_is_told_once_before_its_request_ends(bench, client, answer):
    told = []

    async def inside():
        mark = bench.worker.executes.begin("gpu-0", model="net")
        told.append(bench.executes(bench.frame()))
        told.append(bench.executes(bench.frame()))
        bench.worker.executes.end(mark)
        told.append(bench.executes(bench.frame()))
        told.append(bench.executes(bench.frame()))

    run(client()(bench.wrap(answer(before=inside))))
    told.append(bench.executes(bench.frame()))

    assert [[(final, bool(run_.end)) for _, _, final, run_ in rows] for rows in told] == [
        [(0, False)],
        [(0, False)],
        [(0, True)],
        [],
        [(1, True)],
    ]
    assert len({run_.execute_id for rows in told for _, _, _, run_ in rows}) == 1


def test_an_execute_of_nobody_is_announced_while_it_runs(bench):
    mark = bench.worker.executes.begin("gpu-0")
    first = bench.executes(bench.frame())
    bench.worker.executes.end(mark)
    second = bench.executes(bench.frame())

    assert [(final, bool(run_.end)) for _, _, final, run_ in (*first, *second)] == [(0, False), (1, True)]


def test_what_runs_on_after_its_request_is_told_as_work_of_nobody(bench, client, answer):
    marks = []

    async def inside():
        marks.append(bench.worker.executes.begin("gpu-0", model="net"))

    run(client()(bench.wrap(answer(before=inside))))
    time.sleep(0.002)
    bench.worker.executes.end(marks[0])
    rows = bench.executes(bench.frame())
    (mine,) = [run_ for span, _, _, run_ in rows if span]
    (rest,) = [run_ for span, _, _, run_ in rows if not span]

    assert mine.end == rest.start
    assert (mine.execute_id, mine.start, rest.end) == (rest.execute_id, marks[0].start, marks[0].end)


def test_more_executes_than_a_request_keeps_are_work_of_nobody(bench, client, answer):
    async def inside():
        for _ in range(MAX_EXECUTES + 3):
            bench.worker.executes.end(bench.worker.executes.begin("gpu-0"))

    run(client()(bench.wrap(answer(before=inside))))
    rows = bench.executes(bench.frame())

    assert sum(1 for span, *_ in rows if span) == MAX_EXECUTES
    assert sum(1 for span, *_ in rows if not span) == 3


def batched(bench, function, max_size=3, max_wait=0.05):
    return Batcher(function, max_size, max_wait, lambda: bench.worker)


def serve_together(bench, client, answer, batcher, count):
    async def inside():
        await batcher.call(1)

    async def all_of_them():
        await asyncio.gather(*(client()(bench.wrap(answer(before=inside))) for _ in range(count)))

    run(all_of_them())


@pytest.mark.parametrize("hooked", [True, False], ids=["a hook sees the run", "no hook sees it"])
@pytest.mark.parametrize("threaded", [True, False], ids=["sync", "async"])
def test_members_of_a_batch_share_one_execute(bench, client, answer, hooked, threaded):
    def work(items):
        if hooked:
            execute(bench.worker, rows=len(items))
        else:
            time.sleep(0.002)
        return items

    async def work_async(items):
        return work(items)

    serve_together(bench, client, answer, batched(bench, work if threaded else work_async), 3)
    frame = bench.frame()
    rows = bench.executes(frame)
    (batch,) = bench.batches(frame)

    assert len({span for span, *_ in rows}) == 3
    assert len({run_.execute_id for _, _, _, run_ in rows}) == 1
    assert {run_.batch_id for _, _, _, run_ in rows} == {batch.batch_id}
    assert {(run_.batch_size, run_.rows) for _, _, _, run_ in rows} == {(3, 3)}
    assert {run_.kind for _, _, _, run_ in rows} == {Kind.NONE if hooked else Kind.BATCH}
    assert {run_.device for _, _, _, run_ in rows} == {"gpu-0" if hooked else "host-1"}
    assert (batch.size, batch.capacity, batch.reason, batch.waiting) == (3, 3, "full", 0)
    assert batch.labels.model == ("net" if hooked else "")


def test_waiting_for_a_batch_is_queue_time(bench, client, answer):
    async def work(items):
        return items

    serve_together(bench, client, answer, batched(bench, work, max_wait=0.02), 2)
    frame_records = bench.records()

    assert len(frame_records) == 2
    waits = [wait for record in frame_records for wait in record.intervals if wait.kind is Kind.BATCH_WAIT]
    # They wait from when each came until both leave, which the first one's patience decides.
    assert [wait.stage for wait in waits] == [Stage.QUEUE] * 2
    assert len({wait.end for wait in waits}) == 1
    assert waits[0].end - min(wait.start for wait in waits) >= 20_000_000


def test_a_batch_that_was_announced_as_a_whole_stays_one(bench, client, answer):
    frames = []

    async def work(items):
        frames.append(bench.frame())
        execute(bench.worker)
        return items

    serve_together(bench, client, answer, batched(bench, work), 3)
    frames.append(bench.frame())
    rows = [row for frame in frames for row in bench.executes(frame)]

    assert len({run_.execute_id for _, _, _, run_ in rows}) == 1
    assert {run_.kind for _, _, _, run_ in rows} == {Kind.BATCH}
    assert {bench.names.shapes[shape][1] for _, shape, final, _ in rows if final} == {"net"}


def test_a_member_that_leaves_is_not_in_the_batch_and_one_that_leaves_later_pays_its_part(bench, client, answer):
    began = threading.Event()
    goes_on = threading.Event()

    def work(items):
        mark = bench.worker.executes.begin("gpu-0", model="net")
        began.set()
        goes_on.wait(5)
        bench.worker.executes.end(mark)
        return items

    batcher = batched(bench, work, max_size=2)

    async def inside():
        await batcher.call(1)

    async def story():
        tasks = [asyncio.ensure_future(client()(bench.wrap(answer(before=inside)))) for _ in range(2)]
        await asyncio.to_thread(began.wait, 5)
        tasks[0].cancel()
        await asyncio.wait([tasks[0]])
        goes_on.set()
        await tasks[1]

    run(story())
    frame = bench.frame()
    rows = bench.executes(frame)
    owned = [run_ for span, _, _, run_ in rows if span]
    (rest,) = [run_ for span, _, _, run_ in rows if not span]

    assert len(owned) == 2
    assert {run_.batch_size for run_ in (*owned, rest)} == {2}
    first, second = sorted(owned, key=lambda run_: run_.end)
    assert (rest.start, rest.end) == (first.end, second.end)


def test_a_member_that_leaves_while_it_waits_takes_no_place_in_the_batch(bench):
    done = []

    async def work(items):
        done.append(items)
        return items

    batcher = batched(bench, work, max_size=3, max_wait=0.02)

    async def story():
        first, second = asyncio.ensure_future(batcher.call(1)), asyncio.ensure_future(batcher.call(2))
        # One turn of the loop: both are in the queue.
        await asyncio.sleep(0)
        first.cancel()
        assert await second == 2

    run(story())

    assert done == [[2]]


def test_an_error_of_the_batch_reaches_every_member(bench, client, answer):
    async def broken(items):
        raise ValueError("bad batch")

    batcher = batched(bench, broken, max_size=2)
    errors = []

    async def inside():
        try:
            await batcher.call(1)
        except ValueError as error:
            errors.append(str(error))

    async def both():
        await asyncio.gather(*(client()(bench.wrap(answer(before=inside))) for _ in range(2)))

    run(both())

    assert errors == ["bad batch"] * 2
    assert [record.outcome for record in bench.records()] == [Outcome.OK] * 2


def test_too_few_results_are_an_error_that_says_so(bench):
    batcher = batched(bench, lambda items: items[1:], max_size=2)

    async def both():
        return await asyncio.gather(batcher.call(1), batcher.call(2), return_exceptions=True)

    assert [str(error) for error in run(both())] == ["the batch function returned 1 results for 2 items"] * 2


def test_batches_keep_order_and_never_exceed_their_size(bench):
    sizes = []

    async def work(items):
        sizes.append(len(items))
        await asyncio.sleep(0.001)
        return [item * 10 for item in items]

    batcher = batched(bench, work, max_size=4, max_wait=0.001)

    async def many():
        return await asyncio.gather(*(batcher.call(n) for n in range(30)))

    assert run(many()) == [n * 10 for n in range(30)]
    assert max(sizes) == 4
    assert sum(sizes) == 30
    closed = bench.batches(bench.frame())
    assert [batch.size for batch in closed] == sizes
    assert {batch.reason for batch in closed} <= {"full", "timeout"}


def test_a_batch_function_is_no_request_of_its_own(bench, client, answer):
    inside_batch = []

    async def work(items):
        inside_batch.append(current())
        return items

    serve_together(bench, client, answer, batched(bench, work), 3)

    assert inside_batch == [None]
