"""Calls that a server answers, on each kind of server: stages, outcomes, names, traces."""

import gc
import time

import grpc
import pytest
from google.protobuf.wrappers_pb2 import StringValue
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import inferometer.recorder.rpc_request as code_under_test
from inferometer.catalog.rpc import STATUS_NAMES
from inferometer.catalog.stages import Kind, Outcome, Stage
from inferometer.record.model import Flag
from inferometer.record.partition import partition
from inferometer.recorder.request import MAX_INTERVALS
from inferometer.recorder.rpc_method import Methods
from inferometer.recorder.rpc_request import RpcRequest
from inferometer.recorder.rpc_status import OUTCOMES, code_of, given_up
from inferometer.recorder.stretches import Stretches

TRACE = "00-" + "ab" * 16 + "-" + "cd" * 8 + "-01"
OURS = (("traceparent", TRACE), ("tracestate", "inferometer=1,theirs=2"))


def text(value):
    return StringValue(value=value)


def ms(record, stage, kind=None):
    divided = partition(record)
    if kind is None:
        return divided.total(stage) / 1e6
    return sum(s.end - s.start for s in divided.segments if (s.stage, s.kind) == (stage, kind)) / 1e6


def fails(call, *args, **kwargs):
    with pytest.raises(grpc.RpcError) as raised:
        call(*args, **kwargs)
    return raised.value.code().value[0]


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


@pytest.mark.parametrize("number", range(1, 17), ids=STATUS_NAMES[1:])
def test_an_aborted_call_has_the_outcome_of_its_code(world, kind, number):
    stub = world.stub(world.serve(kind))
    (record,) = world.recorded(lambda: fails(stub.One, text(f"abort {number}")))

    assert (record.status, record.outcome) == (number, OUTCOMES[number])


@pytest.mark.parametrize("number", [5, 13], ids=["NOT_FOUND", "INTERNAL"])
def test_an_aborted_stream_has_the_outcome_of_its_code(world, kind, number):
    stub = world.stub(world.serve(kind))
    (before,) = world.recorded(lambda: fails(lambda: list(stub.Many(text(f"abort {number};3")))))

    assert (before.status, before.outcome, before.chunks) == (number, OUTCOMES[number], 0)


# A plain function on the asyncio server aborts from another thread while its last message may still be on its way,
# which gRPC itself refuses.
@pytest.mark.parametrize("kind", ["threaded", "asyncio"])
def test_a_stream_that_is_aborted_in_the_middle_has_the_outcome_of_its_code(world, kind):
    stub = world.stub(world.serve(kind))
    (record,) = world.recorded(lambda: fails(lambda: list(stub.Late(text("abort 9")))))

    assert (record.status, record.outcome, record.chunks) == (9, Outcome.CLIENT_ERROR, 1)


def test_who_swallows_what_an_abort_raises_has_aborted_all_the_same(world, kind):
    stub = world.stub(world.serve(kind))
    (record,) = world.recorded(lambda: fails(stub.One, text("swallow 9")))

    assert (record.status, record.outcome) == (9, Outcome.CLIENT_ERROR)


def test_codes_have_the_outcomes_that_the_module_states():
    assert [outcome.label for outcome in OUTCOMES] == [
        "ok", "cancelled", "server_error", "client_error", "timeout", "client_error", "client_error", "client_error",
        "rejected", "client_error", "client_error", "client_error", "server_error", "server_error", "server_error",
        "server_error", "client_error",
    ]  # fmt: skip
    assert [code_of(status) for status in (None, grpc.StatusCode.ABORTED, 5, 99, -1, "5", object(), ())] == [
        0, 10, 5, 2, 2, 2, 2, 2,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("what", "status", "outcome"),
    [
        ("code 5", 5, Outcome.CLIENT_ERROR),
        ("fail 5", 5, Outcome.CLIENT_ERROR),
        ("raise ValueError", 2, Outcome.SERVER_ERROR),
        ("raise TimeoutError", 2, Outcome.TIMEOUT),
    ],
)
@pytest.mark.parametrize("method", ["One", "Many"])
def test_what_a_handler_says_or_raises_decides_the_outcome(world, kind, what, status, outcome, method):
    stub = world.stub(world.serve(kind))
    call = stub.One if method == "One" else lambda request: list(stub.Many(request))
    (record,) = world.recorded(lambda: fails(call, text(what if method == "One" else f"{what};3")))

    assert (record.status, record.outcome) == (status, outcome)


def test_a_message_that_cannot_be_decoded_is_recorded_and_the_server_goes_on(world, kind):
    stub = world.stub(world.serve(kind))
    raw = stub.channel.unary_unary("/test.Echo/One")
    seen = []
    (record,) = world.recorded(lambda: seen.append(fails(raw, b"bad")))
    (next_one,) = world.recorded(lambda: stub.One(text("")))

    assert (record.status, record.outcome) == (seen[0], Outcome.SERVER_ERROR)
    assert next_one.outcome is Outcome.OK


def test_an_answer_that_cannot_be_encoded_is_recorded(world, kind):
    def refuse(_):
        raise ValueError("no")

    stub = world.stub(world.serve(kind, coder={"encode": refuse}))
    seen = []
    (record,) = world.recorded(lambda: seen.append(fails(stub.One, text(""))))

    assert (record.status, record.outcome) == (seen[0], Outcome.SERVER_ERROR)


def test_a_method_that_nobody_has_is_the_callers_mistake_and_names_no_route(world, kind):
    stub = world.stub(world.serve(kind))
    (record,) = world.recorded(lambda: fails(stub.channel.unary_unary("/test.Echo/None"), b""))

    assert (record.status, record.outcome, record.labels.route) == (12, Outcome.CLIENT_ERROR, "")


def test_more_than_the_server_takes_at_once_is_rejected(world, kind):
    stub = world.stub(world.serve(kind, maximum_concurrent_rpcs=1))
    first = stub.One.future(text("hold"))
    assert world.held.acquire(timeout=20)
    # A second one may be let in by the asyncio server before it counts.
    (record,) = world.recorded(lambda: fails(stub.One, text(""), timeout=20))
    world.free.set()
    first.result(20)

    assert (record.status, record.outcome) == (8, Outcome.REJECTED)


def test_a_deadline_that_passes_is_a_timeout(world, kind):
    stub = world.stub(world.serve(kind))
    (record,) = world.recorded(lambda: fails(stub.One, text("sleep 0.3"), timeout=0.1))

    assert (record.status, record.outcome) == (4, Outcome.TIMEOUT)


def test_a_client_that_gives_up_is_cancelled(world, kind):
    stub = world.stub(world.serve(kind))

    def act():
        call = stub.One.future(text("hold"), timeout=20)
        assert world.held.acquire(timeout=20)
        call.cancel()
        time.sleep(0.05)  # the server must hear of it while the handler still runs
        world.free.set()

    (record,) = world.recorded(act)

    assert (record.status, record.outcome) == (1, Outcome.CANCELLED)


def test_a_client_that_gives_up_after_the_services_timeout_saw_a_timeout(world, kind):
    stub = world.stub(world.serve(kind))
    world.worker.timeout_ns = 10**7

    def act():
        call = stub.One.future(text("hold"), timeout=20)
        assert world.held.acquire(timeout=20)
        time.sleep(0.05)
        call.cancel()
        time.sleep(0.05)
        world.free.set()

    (record,) = world.recorded(act)

    assert (record.status, record.outcome) == (1, Outcome.TIMEOUT)


def test_a_cancel_just_before_the_deadline_is_the_deadline():
    second = 10**9
    cancels = [(None, 0), (0.015, second), (0.5, second), (0.5, 30 * second)]

    assert [given_up(left, waited) for left, waited in cancels] == [1, 4, 1, 4]


def test_only_the_wait_for_a_thread_is_long_where_there_is_one_thread(world):
    stub = world.stub(world.serve("threaded", threads=1))
    records = world.recorded(lambda: [f.result() for f in [stub.One.future(text("sleep 0.05")) for _ in range(4)]], 4)
    waits = sorted(ms(record, Stage.QUEUE, Kind.THREADPOOL) for record in records)

    assert waits[0] < waits[1] - 40
    assert waits[1] > 40
    assert waits[2] > 90
    assert waits[3] > 140
    for record in records:
        assert ms(record, Stage.QUEUE) == ms(record, Stage.QUEUE, Kind.THREADPOOL)
        assert ms(record, Stage.HANDLER) >= 50
    last = max(records, key=lambda record: record.duration_ns)
    assert ms(last, Stage.QUEUE) > max(ms(last, stage) for stage in Stage if stage is not Stage.QUEUE)


def test_plain_functions_of_an_asyncio_server_wait_for_a_thread(world):
    stub = world.stub(world.serve("functions", threads=1))
    records = world.recorded(lambda: [f.result() for f in [stub.One.future(text("sleep 0.05")) for _ in range(3)]], 3)
    waits = sorted(ms(record, Stage.QUEUE, Kind.THREADPOOL) for record in records)

    assert waits[1] > 40
    assert waits[2] > 90


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


def test_a_call_belongs_to_the_trace_that_its_metadata_names(world, kind):
    stub = world.stub(world.serve(kind))
    (record,) = world.recorded(
        lambda: stub.One(text(""), metadata=(*OURS, ("x-tenant", "acme"), ("traceparent-bin", b"\0")))
    )

    assert record.trace_id == int("ab" * 16, 16)
    assert record.parent_id == int("cd" * 8, 16)
    assert record.labels.tenant == "acme"
    assert not record.flags & Flag.ENTRY
    assert record.flags & Flag.SAMPLED


@pytest.mark.parametrize("method", ["One", "Many", "Sum", "Each"])
def test_only_a_caller_of_ours_is_told_how_long_it_took(world, kind, method):
    stub = world.stub(world.serve(kind))
    call = getattr(stub, method)
    argument = {"One": text("trailing 1"), "Many": text("2")}.get(method)

    def trailing(metadata):
        request = argument if argument is not None else iter([text("1")])
        if method in {"One", "Sum"}:
            _, inner = call.with_call(request, metadata=metadata)
        else:
            inner = call(request, metadata=metadata)
            list(inner)
        return dict(inner.trailing_metadata())

    told, kept = trailing(OURS), trailing((("traceparent", TRACE), ("tracestate", "theirs=2")))

    assert told["server-timing"].startswith("inferometer;dur=")
    assert "server-timing" not in kept
    if method == "One":
        assert told["theirs"] == kept["theirs"] == "1"


@pytest.mark.parametrize("what", ["code 5", "raise ValueError", "abort 5"])
def test_a_caller_of_ours_is_told_with_an_error_too(world, kind, what):
    stub = world.stub(world.serve(kind))
    with pytest.raises(grpc.RpcError) as raised:
        stub.One(text(what), metadata=OURS)
    told = dict(raised.value.trailing_metadata())

    # Of an abort the asyncio server sends everything before anybody can say more.
    assert ("server-timing" in told) is not (what == "abort 5" and kind != "threaded")


@pytest.mark.parametrize("method", ["One", "Many"])
def test_the_handler_runs_inside_its_request(world, kind, method):
    stub = world.stub(world.serve(kind))
    (record,) = world.recorded(lambda: stub.One(text("")))

    assert world.asked[0][0].span_id == record.span_id


def test_probes_and_what_settings_leave_out_are_not_recorded(world, kind):
    stub = world.stub(world.serve(kind))
    channel = stub.channel

    def act():
        fails(channel.unary_unary("/grpc.health.v1.Health/Check"), b"")
        fails(channel.unary_unary("/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"), b"")
        stub.Silent(text(""))
        stub.One(text(""))

    (record,) = world.recorded(act)

    assert record.labels.route == "test.Echo/One"
    assert world.asked[0][0] is None


def test_interceptors_of_the_user_get_the_methods_own_handler(world):
    seen = []

    class Theirs(grpc.ServerInterceptor):
        def intercept_service(self, continuation, details):
            handler = continuation(details)
            seen.append(handler)
            return handler._replace(response_serializer=lambda _: b"")

    stub = world.stub(world.serve("threaded", interceptors=[Theirs(), Theirs()]))
    (record,) = world.recorded(lambda: stub.One(text("sleep 0.01")))

    assert len(seen) == 2
    assert not any(isinstance(handler, RpcRequest) for handler in seen)
    assert (record.outcome, record.bytes_out) == (Outcome.OK, 0)
    assert ms(record, Stage.HANDLER) >= 10


@pytest.mark.parametrize("kind", ["asyncio", "functions"])
def test_asyncio_interceptors_of_the_user_get_the_methods_own_handler(world, kind):
    seen = []

    class Theirs(grpc.aio.ServerInterceptor):
        async def intercept_service(self, continuation, details):
            seen.append(await continuation(details))
            return seen[-1]

    stub = world.stub(world.serve(kind, interceptors=[Theirs()]))
    (record,) = world.recorded(lambda: stub.One(text("")))

    assert not isinstance(seen[0], RpcRequest)
    assert record.outcome is Outcome.OK


def test_an_interceptor_that_raises_is_the_calls_failure(world):
    class Theirs(grpc.ServerInterceptor):
        def intercept_service(self, *_):
            raise ValueError

    stub = world.stub(world.serve("threaded", interceptors=[Theirs()]))
    (record,) = world.recorded(lambda: fails(stub.One, text("")))

    assert (record.status, record.outcome) == (2, Outcome.SERVER_ERROR)


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


@pytest.mark.parametrize("kind", ["threaded", "asyncio"])
def test_the_generator_of_a_client_that_left_is_closed(world, kind):
    stub = world.stub(world.serve(kind))

    def act():
        answers = stub.Many(text("1000000"))
        next(iter(answers))
        answers.cancel()

    (record,) = world.recorded(act)

    assert world.closed.wait(20)
    assert (record.status, record.outcome) == (1, Outcome.CANCELLED)


@settings(
    max_examples=min(40, settings.default.max_examples),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(
                ["traceparent", "tracestate", "baggage", "x-tenant", "b3", "x-request-id", "x-request-start"]
            ),
            st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=300),
        ),
        max_size=8,
    )
)
def test_hostile_metadata_does_no_harm(world, metadata):
    if not world.asked:
        world.address = world.serve("threaded")
    stub = world.stub(world.address)
    stub.One(text(""), metadata=tuple(metadata))

    assert not world.worker.hooks.errors()


@pytest.mark.parametrize("place", ["open", "serve", "told", "outcome", "stream"])
def test_a_failure_of_ours_leaves_the_calls_alone_and_takes_the_hook_out(world, kind, place, monkeypatch, caplog):
    stub = world.stub(world.serve(kind))
    broken = {
        "open": [(RpcRequest, "__init__")],
        "serve": [(Methods, "of")],
        "told": [(code_under_test, "server_timing")],
        "outcome": [(RpcRequest, "_outcome")],
        "stream": [(Stretches, "add")],
    }
    for owner, name in broken[place]:
        monkeypatch.setattr(owner, name, lambda *_, **__: 1 / 0)
    hook = "grpc.server" if kind == "threaded" else "grpc.aio.server"

    for _ in range(3):
        assert len(stub.One(text(""), metadata=OURS).value) == 100
        assert [m.value for m in stub.Each(iter([text("a"), text("b")]))] == ["a", "b"]

    assert world.worker.hooks.statuses()[hook] == "failed"
    deadline = time.monotonic() + 20
    while world.worker.open:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert "ZeroDivisionError" in caplog.text


def test_what_grpc_asks_of_a_behaviour_is_still_there(world):
    sent = []

    def behaviour(request, context, send):
        sent.append(request.value)
        send(text("a"))
        send(text("b"))
        send(None)

    behaviour.experimental_non_blocking = True
    handler = grpc.unary_stream_rpc_method_handler(behaviour, StringValue.FromString, StringValue.SerializeToString)
    stub = world.stub(world.serve("threaded", handlers={"Many": handler}))
    (record,) = world.recorded(lambda: list(stub.Many(text("x"))))

    assert sent == ["x"]
    assert (record.outcome, record.chunks) == (Outcome.OK, 2)


def test_a_call_that_has_ended_needs_no_garbage_collector(world, kind):
    stub = world.stub(world.serve(kind))
    stub.One(text(""))
    gc.collect()
    gc.disable()
    try:
        world.recorded(lambda: [stub.One(text("")) for _ in range(30)], 30)
        world.asked.clear()
        alive = sum(isinstance(found, RpcRequest) for found in gc.get_objects())
    finally:
        gc.enable()

    assert alive <= 3
