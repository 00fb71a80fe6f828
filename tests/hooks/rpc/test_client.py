"""Calls that a request makes by gRPC: what goes out, what is recorded, and two hops as one trace."""

import asyncio
import contextlib
import socket
import threading
import time

import grpc
import pytest
from google.protobuf.wrappers_pb2 import StringValue
from opentelemetry.instrumentation.grpc import client_interceptor
from opentelemetry.instrumentation.grpc.grpcext import intercept_channel
from opentelemetry.sdk.trace import TracerProvider

from inferometer.catalog.stages import Kind, Outcome, Stage
from inferometer.hooks import grpc_aio_client, grpc_aio_server, grpc_calls, grpc_client, grpc_server
from inferometer.hooks.patching import UnsupportedError
from inferometer.record.model import Flag
from inferometer.record.partition import partition
from inferometer.recorder.calls import MAX_CALLS
from inferometer.recorder.request import current_request

TRACE = "00-" + "ab" * 16 + "-" + "cd" * 8 + "-01"
CODEC = (StringValue.SerializeToString, StringValue.FromString)
PARENT = (b"traceparent", TRACE.encode())


def text(value):
    return StringValue(value=value)


def numbers():
    return (text(str(number)) for number in range(5))


async def anumbers():
    for number in range(5):
        yield text(str(number))


def fails(call, *args, **kwargs):
    with pytest.raises(grpc.RpcError):
        call(*args, **kwargs)


def ms(record, stage):
    return partition(record).total(stage) / 1e6


def until(condition):
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


class Threaded:
    """The threaded client: each way in which a method can be called."""

    kind = "threaded"

    def __init__(self, world, address, **options):
        self.world = world
        self.stub = world.stub(address, **options)

    def one(self, value, *, codec=CODEC, **more):
        call = self.stub.channel.unary_unary("/test.Echo/One", *codec)
        return call(text(value) if codec is CODEC else value, **more)

    def many(self, value):
        return list(self.stub.Many(text(value)))

    def sum(self):
        return self.stub.Sum(numbers())

    def each(self):
        return list(self.stub.Each(numbers()))

    def silent(self, value):
        return self.stub.Silent(text(value))

    def cancelled(self):
        call = self.stub.One.future(text("hold"), timeout=20)
        assert self.world.held.acquire(timeout=20)
        call.cancel()
        with pytest.raises(grpc.FutureCancelledError):
            call.result(20)
        self.world.free.set()
        until(lambda: current_request.get().calls[0].end)  # its thread says so a moment later


class Asyncio:
    """The asyncio client, on an event loop of its own."""

    kind = "asyncio"

    def __init__(self, world, address, **more):
        self.world = world
        self.loop = world.loop()
        self.channel = self.run(self.make(address, **more))
        world.stack.callback(lambda: self.run(self.channel.close()))

    async def make(self, address, **more):
        return grpc.aio.insecure_channel(address, **more)

    def run(self, coroutine):
        request = current_request.get()

        async def inside():
            current_request.set(request)
            return await coroutine

        return asyncio.run_coroutine_threadsafe(inside(), self.loop).result(20)

    def one(self, value, *, codec=CODEC, **more):
        async def act():
            argument = text(value) if codec is CODEC else value
            return await self.channel.unary_unary("/test.Echo/One", *codec)(argument, **more)

        return self.run(act())

    def many(self, value):
        async def act():
            return [answer async for answer in self.channel.unary_stream("/test.Echo/Many", *CODEC)(text(value))]

        return self.run(act())

    def sum(self):
        async def act():
            return await self.channel.stream_unary("/test.Echo/Sum", *CODEC)(anumbers())

        return self.run(act())

    def each(self):
        async def act():
            return [answer async for answer in self.channel.stream_stream("/test.Echo/Each", *CODEC)(anumbers())]

        return self.run(act())

    def silent(self, value):
        async def act():
            return await self.channel.unary_unary("/test.Echo/Silent", *CODEC)(text(value))

        return self.run(act())

    def cancelled(self):
        async def act():
            call = self.channel.unary_unary("/test.Echo/One", *CODEC)(text("hold"), timeout=20)
            assert await asyncio.to_thread(self.world.held.acquire, timeout=20)
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
            self.world.free.set()

        self.run(act())


@pytest.fixture(params=[Threaded, Asyncio], ids=lambda client: client.kind)
def client(request):
    return request.param


def test_two_hops_are_one_trace_and_the_network_is_what_the_callee_does_not_account_for(world, client, kind):
    caller = client(world, world.serve(kind))
    records = world.recorded(lambda: world.caller(lambda: caller.one("sleep 0.03"), PARENT), 2)
    first = next(record for record in records if not record.labels.method)
    second = next(record for record in records if record.labels.method)
    (call,) = first.calls

    assert second.trace_id == first.trace_id == int("ab" * 16, 16)
    assert second.parent_id == call.call_id
    assert not second.flags & Flag.ENTRY
    assert (call.method, call.status, call.kind, call.attempt) == ("test.Echo/One", 0, Kind.INFERENCE, 1)
    assert call.target.startswith("127.0.0.1:")
    assert 30_000_000 <= call.server_ns <= second.duration_ns
    assert call.headers - call.start - call.server_ns > 0
    assert ms(first, Stage.NETWORK) > 0
    assert ms(first, Stage.REMOTE) == pytest.approx(call.server_ns / 1e6)


@pytest.mark.parametrize("arity", ["one", "many", "sum", "each"])
def test_every_arity_is_a_call(world, client, arity):
    caller = client(world, world.serve("threaded"))
    arguments = {"one": ("",), "many": ("3",)}.get(arity, ())
    record = world.caller(lambda: getattr(caller, arity)(*arguments))
    (call,) = record.calls

    assert (call.method, call.status) == (f"test.Echo/{arity.capitalize()}", 0)
    assert 0 < call.server_ns <= call.end - call.start
    assert call.headers == call.end
    if arity != "one":
        assert ms(record, Stage.SERIALIZE) > 0
        assert ms(record, Stage.DESERIALIZE) > 0
    assert sum(partition(record).totals) == record.duration_ns


def test_a_future_and_a_call_with_its_call_are_calls(world):
    caller = Threaded(world, world.serve("threaded"))

    def act():
        caller.stub.One.future(text(""), 20, (("a", "b"),)).result(20)
        caller.stub.One.with_call(text(""), 20, (("a", "b"),))
        caller.stub.Sum.future(numbers()).result(20)
        caller.stub.Sum.with_call(numbers())

    record = world.caller(act)

    assert [(call.status, bool(call.server_ns)) for call in record.calls] == [(0, True)] * 4
    assert all(asked["a"] == "b" for _, asked in world.asked)


def test_encoding_and_decoding_are_stages_of_the_caller(world, client):
    def encode(value):
        time.sleep(0.03)
        return text(value).SerializeToString()

    def decode(data):
        time.sleep(0.02)
        return StringValue.FromString(data)

    caller = client(world, world.serve("threaded"))
    caller.one("")
    record = world.caller(lambda: caller.one("", codec=(encode, decode)))
    (call,) = record.calls

    assert ms(record, Stage.SERIALIZE) >= 30
    assert ms(record, Stage.DESERIALIZE) >= 20
    assert call.end - call.start <= record.duration_ns - 50_000_000


def test_a_codec_that_calls_somebody_itself_is_still_the_codec_of_its_own_call(world):
    inner = world.stub(world.serve("threaded"))

    def encode(message):
        inner.One(text(""))
        time.sleep(0.02)
        return message.SerializeToString()

    def decode(data):
        time.sleep(0.03)
        return StringValue.FromString(data)

    outer = inner.channel.unary_unary("/test.Echo/One", encode, decode)
    outer(text(""))
    record = world.caller(lambda: outer(text("")))

    assert len(record.calls) == 2
    assert ms(record, Stage.SERIALIZE) >= 20
    assert ms(record, Stage.DESERIALIZE) >= 30


def test_threads_that_call_one_method_at_once_each_have_their_own_call(world):
    together, closed = threading.Barrier(2, timeout=10), len(world.collector.records)

    def encode(message):
        together.wait()
        time.sleep(0.1 if message.value else 0.0)
        return StringValue().SerializeToString()

    stub = world.stub(world.serve("threaded"))
    shared = stub.channel.unary_unary("/test.Echo/One", encode, StringValue.FromString)

    def caller(words):
        request = world.request()
        shared(text(words))
        request.status = 200
        request.close()

    threads = [threading.Thread(target=caller, args=(words,)) for words in ("", "long")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    def callers():
        return [one for one in world.collector.records[closed:] if not one.labels.method]

    world.collector.until(lambda: len(callers()) == 2)
    short, long = sorted(callers(), key=lambda record: ms(record, Stage.SERIALIZE))
    assert [len(record.calls) for record in (short, long)] == [1, 1]
    assert ms(short, Stage.SERIALIZE) < 50
    assert ms(long, Stage.SERIALIZE) >= 100


def test_a_codec_that_raises_leaves_no_call_behind(world):
    def encode(message):
        if message.value == "odd":
            raise ValueError("no")
        return message.SerializeToString()

    method = world.stub(world.serve("threaded")).channel.unary_unary("/test.Echo/One", encode, StringValue.FromString)

    def act():
        with pytest.raises(grpc.RpcError, match="serializing"):
            method(text("odd"))

    world.caller(act)
    (codec,) = {method.inferometer_twin._request_serializer.__self__}

    assert codec._here.call is None
    assert len(world.caller(lambda: method(text(""))).calls) == 1


def test_all_calls_of_a_method_that_block_use_one_copy_of_it(world):
    one = world.stub(world.serve("threaded")).One
    world.caller(lambda: one(text("")))
    copy = one.inferometer_twin
    world.caller(lambda: one(text("")))

    assert one.inferometer_twin is copy
    assert len(one(text("")).value) == 100  # outside of any request


def test_a_callee_that_says_nothing_is_remote_as_a_whole(world, client):
    caller = client(world, world.serve("threaded"))
    record = world.caller(lambda: caller.silent("sleep 0.02"))
    (call,) = record.calls

    assert call.server_ns == 0
    assert ms(record, Stage.REMOTE) == pytest.approx((call.end - call.start) / 1e6, abs=1)
    assert ms(record, Stage.NETWORK) == 0


def test_who_sends_nothing_to_us_is_told_nothing(world, client):
    caller = client(world, world.serve("threaded"))
    caller.one("", metadata=(("mine", "1"),))
    ((_, asked),) = world.asked

    assert asked["mine"] == "1"
    assert {"traceparent", "tracestate"}.isdisjoint(asked)


def test_state_and_baggage_go_on_and_the_users_own_come_first(world, client):
    caller = client(world, world.serve("threaded"))
    headers = (PARENT, (b"tracestate", b"theirs=1"), (b"baggage", b"user=1"))
    world.caller(lambda: caller.one(""), *headers)
    world.caller(lambda: caller.one("", metadata=(("baggage", "mine=1"), ("tracestate", "mine=2"))), *headers)
    first, second = (asked for _, asked in world.asked)

    assert (first["tracestate"], first["baggage"]) == ("inferometer=1,theirs=1", "user=1")
    assert (second["tracestate"], second["baggage"]) == ("inferometer=1,mine=2", "mine=1")


def test_a_traceparent_of_the_users_tracer_wins(world, client):
    caller = client(world, world.serve("threaded"))
    theirs = "00-" + "ef" * 16 + "-" + "12" * 8 + "-01"
    record = world.caller(lambda: caller.one("", metadata=(("traceparent", theirs),)))
    ((_, asked),) = world.asked

    assert asked["traceparent"] == theirs
    assert record.calls[0].call_id == int("12" * 8, 16)


def test_opentelemetrys_own_instrumentation_of_the_client_goes_first(world):
    stub = world.stub(world.serve("threaded"))
    channel = intercept_channel(stub.channel, client_interceptor(tracer_provider=TracerProvider()))
    record = world.caller(lambda: channel.unary_unary("/test.Echo/One", *CODEC)(text("")))
    ((_, asked),) = world.asked

    assert int(asked["traceparent"].split("-")[2], 16) == record.calls[0].call_id


def test_nobody_who_listens_is_an_attempt_without_an_answer(world, client):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    caller = client(world, address)
    record = world.caller(lambda: fails(caller.one, ""))
    (call,) = record.calls

    assert (call.status, call.headers, call.server_ns) == (14, 0, 0)
    assert call.target == address


def test_a_deadline_and_a_cancel_end_the_attempt(world, client):
    caller = client(world, world.serve("threaded"))
    late = world.caller(lambda: fails(caller.one, "sleep 0.3", timeout=0.1))
    given_up = world.caller(caller.cancelled)

    assert (late.calls[0].status, late.calls[0].outcome) == (4, Outcome.TIMEOUT)
    assert late.calls[0].end - late.calls[0].start >= 90_000_000
    assert (given_up.calls[0].status, given_up.calls[0].outcome) == (1, Outcome.CANCELLED)


def test_a_request_that_cannot_be_encoded_fails_as_before(world, client):
    def refuse(_):
        raise ValueError("no")

    caller = client(world, world.serve("threaded"))

    def act():
        # The asyncio client sends nothing in its place.
        with contextlib.suppress(grpc.RpcError):
            caller.one("", codec=(refuse, StringValue.FromString))

    record = world.caller(act)

    assert record.calls[0].end
    assert not world.worker.hooks.errors()


def test_who_retries_makes_attempts(world):
    class Retrying(grpc.UnaryUnaryClientInterceptor):
        def intercept_unary_unary(self, continuation, details, request):
            for _ in range(3):
                answer = continuation(details, request)
            return answer

    channel = grpc.intercept_channel(world.stub(world.serve("threaded")).channel, Retrying())

    def act():
        with pytest.raises(grpc.RpcError):
            channel.unary_unary("/test.Echo/One", *CODEC)(text("abort 14"))
        channel.unary_unary("/test.Echo/Silent", *CODEC)(text(""))

    record = world.caller(act)

    assert [(call.attempt, call.status) for call in record.calls[:3]] == [(1, 14), (2, 14), (3, 14)]
    assert [call.attempt for call in record.calls[3:]] == [1, 1, 1]


def test_who_retries_on_an_event_loop_makes_attempts(world):
    class Retrying(grpc.aio.UnaryUnaryClientInterceptor):
        async def intercept_unary_unary(self, continuation, details, request):
            for _ in range(2):
                answer = await continuation(details, request)
                await answer.code()
            return answer

    caller = Asyncio(world, world.serve("threaded"), interceptors=[Retrying()])
    record = world.caller(lambda: fails(caller.one, "abort 14"))

    assert [(call.attempt, call.status) for call in record.calls] == [(1, 14), (2, 14)]
    assert len({call.call_id for call in record.calls}) == 2


def test_a_call_that_outlives_its_request_ends_with_it(world):
    caller = Threaded(world, world.serve("threaded"))
    futures = []
    record = world.caller(lambda: futures.append(caller.stub.One.future(text("hold"))))
    world.free.set()
    assert len(futures[0].result(20).value) == 100

    assert record.calls[0].end <= record.stamps[-1]
    assert not world.worker.hooks.errors()


def test_a_request_has_a_bounded_number_of_calls(world):
    caller = Threaded(world, "127.0.0.1:1")

    def act():
        request = current_request.get()
        while request.calls is None or len(request.calls) < MAX_CALLS:
            assert grpc_calls.begin(world.worker, "grpc", b"/a.B/C", b"dns:///somewhere:1", None) is not None
        # One more is in the trace, though nobody will tell of it.
        told = dict(grpc_calls.begin(world.worker, "grpc", b"/a.B/C", b"somewhere:1", None).metadata)
        assert told["traceparent"].split("-")[2] == f"{request.span_id:016x}"
        fails(caller.one, "")

    record = world.caller(act)

    assert len(record.calls) == MAX_CALLS
    assert {call.target for call in record.calls} == {"somewhere:1"}


@pytest.mark.parametrize("place", ["_begin", "serialize", "_ended"])
def test_a_failure_of_ours_leaves_the_calls_alone_and_takes_the_hook_out(world, client, place, monkeypatch, caplog):
    caller = client(world, world.serve("threaded"))
    broken = {
        "_begin": (grpc_calls, "_begin"),
        "serialize": (grpc_calls.Stretches, "add"),
        "_ended": (grpc_calls.OutgoingCall, "_ended"),
    }[place]
    monkeypatch.setattr(*broken, lambda *_: 1 / 0)

    def act():
        for _ in range(2):
            assert len(caller.one("").value) == 100
            assert [answer.value for answer in caller.many("2")] == ["0", "1"]
            assert [answer.value for answer in caller.each()] == list("01234")

    record = world.caller(act)

    hook = "grpc" if client is Threaded else "grpc.aio"
    assert world.worker.hooks.statuses()[hook] == "failed"
    assert record.outcome is Outcome.OK
    assert "ZeroDivisionError" in caplog.text


@pytest.mark.parametrize(
    ("hook", "says"),
    [
        (grpc_server, "grpc._server has no _find_method_handler"),
        (grpc_client, "grpc._channel has no _UnaryUnaryMultiCallable"),
        (grpc_aio_client, "grpc.aio has no UnaryUnaryCall that takes deadline"),
        (grpc_aio_server, "grpc.aio.Server does not take its interceptors third"),
    ],
)
def test_another_grpc_is_unsupported_and_untouched(hooked, hook, says):
    other = type(grpc)("grpc")
    other.Server = type("Server", (), {})

    with pytest.raises(UnsupportedError, match=says):
        hook.install(hooked, other, "grpc")
