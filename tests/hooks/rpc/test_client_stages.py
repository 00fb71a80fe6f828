"""Where the time of a call that a request makes by gRPC went: two hops, arities, codecs."""

import threading
import time

import grpc
import pytest
from echo_calls import PARENT, ms, text
from echo_clients import Threaded, numbers
from google.protobuf.wrappers_pb2 import StringValue

from inferometer.catalog.stages import Kind, Stage
from inferometer.record.model import Flag
from inferometer.record.partition import partition


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
