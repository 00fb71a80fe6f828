"""A server's methods and interceptors see what they saw before; a failure of ours is not theirs."""

import gc
import time

import grpc
import pytest
from echo_calls import OURS, ms, text
from google.protobuf.wrappers_pb2 import StringValue

import inferometer.recorder.rpc_request as code_under_test
from inferometer.catalog.stages import Outcome, Stage
from inferometer.recorder.rpc_method import Methods
from inferometer.recorder.rpc_request import RpcRequest
from inferometer.recorder.stretches import Stretches


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
