"""Where the time of a call went, on each kind of server: stages, arities, queues, streams."""

import time

import pytest
from echo_calls import ms, text
from echo_clients import until
from google.protobuf.wrappers_pb2 import StringValue

from inferometer.catalog.stages import Kind, Outcome, Stage
from inferometer.record.partition import partition
from inferometer.recorder.request import MAX_INTERVALS


def slow(function):
    def slowed(value):
        time.sleep(0.02)
        return function(value)

    return slowed


def test_a_call_is_divided_into_its_stages(world, kind):
    coder = {"decode": slow(StringValue.FromString), "encode": slow(StringValue.SerializeToString)}
    stub = world.stub(world.serve(kind, coder=coder))
    (record,) = world.recorded(lambda: stub.One(text("sleep 0.02")))

    assert (record.labels.method, record.labels.route, record.labels.model) == (
        "GRPC",
        "test.Echo/One",
        "test.Echo/One",
    )
    assert (record.outcome, record.status, record.chunks) == (Outcome.OK, 0, 1)
    assert (record.bytes_in, record.bytes_out) == (text("sleep 0.02").ByteSize(), 102)
    for stage in (Stage.DESERIALIZE, Stage.SERIALIZE, Stage.HANDLER):
        assert 20 <= ms(record, stage) <= record.duration_ns / 1e6 - 40, stage
    assert sum(partition(record).totals) == record.duration_ns


@pytest.mark.parametrize("registered", [False, True], ids=["generic", "registered"])
def test_each_arity_is_recorded(world, kind, registered):
    stub = world.stub(world.serve(kind, registered=registered))

    def numbers():
        return (text(str(number)) for number in range(5))

    (one,) = world.recorded(lambda: stub.One(text("")))
    (many,) = world.recorded(lambda: list(stub.Many(text("3"))))
    (total,) = world.recorded(lambda: stub.Sum(numbers()))
    (each,) = world.recorded(lambda: list(stub.Each(numbers())))

    assert [record.labels.route for record in (one, many, total, each)] == [
        "test.Echo/One", "test.Echo/Many", "test.Echo/Sum", "test.Echo/Each",
    ]  # fmt: skip
    assert {record.outcome for record in (one, many, total, each)} == {Outcome.OK}
    assert [record.chunks for record in (one, many, total, each)] == [1, 3, 1, 5]
    assert total.bytes_in == each.bytes_in == each.bytes_out
    assert one.first_chunk_ns is None
    assert 0 < many.first_chunk_ns < many.duration_ns
    for record in (one, many, total, each):
        assert sum(partition(record).totals) == record.duration_ns
        assert ms(record, Stage.DESERIALIZE) > 0
        assert ms(record, Stage.SERIALIZE) > 0
    assert not world.worker.open


def test_a_coroutine_that_reads_and_writes_is_recorded(world):
    stub = world.stub(world.serve("asyncio"))
    (record,) = world.recorded(lambda: list(stub.Written(text(str(number)) for number in range(4))))

    assert (record.outcome, record.chunks, record.bytes_in) == (Outcome.OK, 4, record.bytes_out)
    assert record.first_chunk_ns is not None


def queued(world, stub, count):
    """The records of so many calls for one thread: the first has it until a fifth of a second after all have come."""

    def act():
        calls = [stub.One.future(text("hold"))]
        assert world.held.acquire(timeout=20)
        calls += [stub.One.future(text("sleep 0.05")) for _ in range(count - 1)]
        until(lambda: len(world.worker.open) == count)
        time.sleep(0.2)
        world.free.set()
        for call in calls:
            call.result(20)

    return world.recorded(act, count)


def test_only_the_wait_for_a_thread_is_long_where_there_is_one_thread(world):
    records = queued(world, world.stub(world.serve("threaded", threads=1)), 4)
    waits = sorted(ms(record, Stage.QUEUE, Kind.THREADPOOL) for record in records)

    assert waits[0] < waits[1] - 40
    assert waits[1] >= 200
    assert waits[2] >= 250
    assert waits[3] >= 300
    for record in records:
        assert ms(record, Stage.QUEUE) == ms(record, Stage.QUEUE, Kind.THREADPOOL)
        assert ms(record, Stage.HANDLER) >= 50
    last = max(records, key=lambda record: record.duration_ns)
    assert ms(last, Stage.QUEUE) > max(ms(last, stage) for stage in Stage if stage is not Stage.QUEUE)


def test_plain_functions_of_an_asyncio_server_wait_for_a_thread(world):
    records = queued(world, world.stub(world.serve("functions", threads=1)), 3)
    waits = sorted(ms(record, Stage.QUEUE, Kind.THREADPOOL) for record in records)

    assert waits[1] >= 200
    assert waits[2] >= 250


def test_only_the_wait_for_the_event_loop_is_long_where_something_keeps_it_busy(world):
    stub = world.stub(world.serve("asyncio"))
    world.recorded(lambda: stub.One(text("")))
    busy = True

    def work(loop):
        time.sleep(0.02)
        if busy:
            loop.call_soon(work, loop)

    loop = world.loops[0]
    loop.call_soon_threadsafe(work, loop)
    records = world.recorded(lambda: [stub.One(text("")) for _ in range(3)], 3)
    busy = False

    for record in records:
        waited = ms(record, Stage.QUEUE, Kind.EVENT_LOOP)
        assert waited >= 19
        assert ms(record, Stage.QUEUE) == waited
        assert waited > max(ms(record, stage) for stage in Stage if stage is not Stage.QUEUE)


def test_an_idle_event_loop_has_no_queue(world):
    stub = world.stub(world.serve("asyncio"))
    records = world.recorded(lambda: [stub.One(text("")) for _ in range(20)], 20)

    assert min(ms(record, Stage.QUEUE) for record in records) == 0


@pytest.mark.slow
def test_a_long_stream_has_a_bounded_number_of_intervals(world, kind):
    count = 3000
    stub = world.stub(world.serve(kind))
    (record,) = world.recorded(lambda: list(stub.Each(text(str(number)) for number in range(count))))

    assert record.chunks == count
    assert len(record.intervals) < 1000 < MAX_INTERVALS
    assert not world.worker.buffers.drops()
    for stage in (Stage.DESERIALIZE, Stage.SERIALIZE, Stage.NETWORK):
        assert ms(record, stage) > 0
    assert sum(partition(record).totals) == record.duration_ns


@pytest.mark.parametrize("kind", ["threaded", "asyncio"])
def test_a_slow_reader_is_the_networks_time(world, kind):
    big = StringValue(value="x" * 200_000).SerializeToString()
    stub = world.stub(world.serve(kind, coder={"encode": lambda _: big}), **{"grpc.http2.bdp_probe": 0})

    def act():
        answers = iter(stub.channel.unary_stream("/test.Echo/Many")(text("40").SerializeToString()))
        next(answers)
        time.sleep(0.3)
        assert len(list(answers)) == 39

    (record,) = world.recorded(act)

    assert ms(record, Stage.NETWORK, Kind.SEND) > 150


@pytest.mark.parametrize("kind", ["threaded", "asyncio"])
def test_a_slow_writer_is_the_networks_time(world, kind):
    stub = world.stub(world.serve(kind))

    def numbers():
        for number in range(4):
            time.sleep(0.03)
            yield text(str(number))

    (record,) = world.recorded(lambda: stub.Sum(numbers()))

    assert ms(record, Stage.NETWORK, Kind.READ) > 80
    assert ms(record, Stage.HANDLER) < ms(record, Stage.NETWORK)
