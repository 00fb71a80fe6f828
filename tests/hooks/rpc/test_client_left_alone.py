"""A call by gRPC does what it did before: where it fails by itself, where we fail, where gRPC is another one."""

import contextlib

import grpc
import pytest
from echo_clients import Threaded
from google.protobuf.wrappers_pb2 import StringValue

from inferometer.catalog.stages import Outcome
from inferometer.hooks import grpc_aio_client, grpc_aio_server, grpc_calls, grpc_client, grpc_server
from inferometer.hooks.patching import UnsupportedError


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
