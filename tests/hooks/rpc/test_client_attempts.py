"""Calls by gRPC that fail, are given up, made again or outlive their request."""

import socket

import grpc
import pytest
from echo_calls import CODEC, fails, text
from echo_clients import Asyncio, Threaded

from inferometer.catalog.stages import Outcome
from inferometer.hooks import grpc_calls
from inferometer.recorder.calls import MAX_CALLS
from inferometer.recorder.request import current_request


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
