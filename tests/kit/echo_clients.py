"""The two clients of gRPC: each way in which a method of echo_service can be called."""

import asyncio
import time

import grpc.aio
import pytest
from echo_calls import CODEC, text

from inferometer.recorder.request import current_request


def numbers():
    return (text(str(number)) for number in range(5))


async def anumbers():
    for number in range(5):
        yield text(str(number))


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
