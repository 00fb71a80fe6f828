"""The part of a request that runs in another process: what is told there is in the request's one record."""

import asyncio
import pickle

import pytest

from inferometer.catalog.stages import Kind, Stage
from inferometer.record.model import Flag
from inferometer.record.partition import partition
from inferometer.recorder.batch_run import FULL, RunningBatch
from inferometer.recorder.calls import CallMark
from inferometer.recorder.distant import Part, given_up, take_over, take_over_inside
from inferometer.recorder.executes import running_batch
from inferometer.recorder.marks import annotate, stage
from inferometer.recorder.predict import Predict
from inferometer.recorder.request import current, current_request, now
from inferometer.recorder.worker import Worker
from inferometer.settings import Settings
from inferometer.wire.records import records


@pytest.fixture
def there():
    """The worker of the other process."""
    worker = Worker(Settings(service="there", host="host-1"))
    worker.started = True
    return worker


def told_by(worker, *, inside=True):
    """What a part tells that waited, decoded, and ran a model."""
    part = Part(worker)
    token = current_request.set(part)
    try:
        began = now()
        part.add_interval(began - 2_000_000, began, Stage.QUEUE, Kind.ENGINE)
        annotate(version="4", cache_hit=True)
        predict = Predict(worker, part)
        if inside:
            worker.executes.end(worker.executes.begin("cuda:0", model="net", rows=3, kind=Kind.PREFILL))
        predict.end()
    finally:
        current_request.reset(token)
    return pickle.loads(pickle.dumps(part.told()))  # noqa: S301 - our own values


def served(bench, client, answer, act):
    async def before():
        act(current())

    asyncio.run(client()(bench.wrap(answer(before=before))))
    return list(records(bench.frame(), bench.names))


def test_what_was_told_is_in_the_requests_record(bench, client, answer, there):
    (record,) = served(bench, client, answer, lambda request: take_over(request, told_by(there)))
    (run,) = record.executes

    assert (run.device, run.rows, run.kind, run.batch_id, run.batch_size) == ("cuda:0", 3, Kind.PREFILL, 0, 1)
    assert (record.labels.model, record.labels.version) == ("net", "4")
    assert record.flags & Flag.CACHE_HIT
    assert [(each.stage, each.kind) for each in record.intervals] == [(Stage.QUEUE, Kind.ENGINE)]
    assert partition(record).total(Stage.EXECUTE) > 0


def test_nothing_of_a_part_is_a_request_of_its_own_process(there):
    told_by(there)

    assert there.open == {}
    assert len(there.buffers) == 0


def test_a_model_that_is_named_already_keeps_its_name(bench, client, answer, there):
    def act(request):
        request.hooked = "service"
        take_over(request, told_by(there))

    (record,) = served(bench, client, answer, act)

    assert record.labels.model == "service"


def test_a_part_makes_no_calls(there):
    assert not Part(there).add_call(CallMark(1, 1, 1))


def test_what_is_told_after_its_end_adds_nothing(there):
    part = Part(there)
    part.told()
    part.add_interval(1, 2, Stage.QUEUE)

    assert part.told_intervals == []


def test_what_comes_after_the_end_of_its_request_is_work_of_nobody(bench, client, answer, there):
    kept = []
    served(bench, client, answer, kept.append)
    take_over(kept[0], told_by(there))
    given_up(bench.worker, told_by(there))
    rows = bench.executes(bench.frame())

    assert [(span, final, run.device) for span, _, final, run in rows] == [(0, 1, "cuda:0")] * 2
    assert all(run.end > run.start for *_, run in rows)


@pytest.mark.parametrize("announced", [False, True], ids=["not announced", "announced"])
def test_a_run_elsewhere_takes_the_place_of_the_batch_it_is(bench, client, answer, there, announced):
    def act(request):
        batch = RunningBatch(bench.worker, [(now(), request)], capacity=4, waiting=0, reason=FULL)
        if announced:
            bench.frame()
        take_over_inside(bench.worker, running_batch.get(), told_by(there))
        batch.end()
        batch.leave()

    (record,) = served(bench, client, answer, act)
    (run,) = record.executes

    assert (run.batch_size, run.batch_id != 0) == (1, True)
    # When the ledger knows that the batch executes on this host, it stays so.
    assert run.device == ("host-1" if announced else "cuda:0")
    assert running_batch.get() is None


def test_a_call_of_a_model_is_one_execute(bench, client, answer):
    def act(request):
        Predict(bench.worker, request).end()

    (record,) = served(bench, client, answer, act)
    (run,) = record.executes

    assert (run.device, run.kind, run.batch_id) == ("host-1", Kind.NONE, 0)


def test_a_stage_inside_takes_the_place_of_the_call(bench, client, answer, monkeypatch):
    monkeypatch.setattr("inferometer.recorder.marks.worker", lambda: bench.worker)

    def act(request):
        predict = Predict(bench.worker, request)
        with stage("execute"):
            pass
        predict.end()

    (record,) = served(bench, client, answer, act)

    assert len(record.executes) == 1


def test_a_model_that_asks_elsewhere_does_not_execute_here(bench, client, answer):
    def act(request):
        predict = Predict(bench.worker, request)
        request.add_call(CallMark(7, bench.worker.shapes.string("there:80"), bench.worker.shapes.string("POST")))
        predict.end()

    (record,) = served(bench, client, answer, act)

    assert partition(record).total(Stage.EXECUTE) == 0
    assert partition(record).total(Stage.REMOTE) > 0
