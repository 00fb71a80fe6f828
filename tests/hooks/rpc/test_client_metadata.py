"""What goes out with a call by gRPC, beside what the user and the user's tracer send."""

from echo_calls import CODEC, PARENT, text
from opentelemetry.instrumentation.grpc import client_interceptor
from opentelemetry.instrumentation.grpc.grpcext import intercept_channel
from opentelemetry.sdk.trace import TracerProvider


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
