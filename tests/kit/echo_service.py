"""A service by gRPC that does what a request tells it, and how its methods are called."""

import asyncio
import time
from contextlib import suppress
from dataclasses import dataclass

import grpc
import grpc.aio
from google.protobuf.wrappers_pb2 import StringValue

from inferometer.recorder.request import current_request

SERVICE = "test.Echo"
PATIENCE = 20.0


def code(number):
    return next(status for status in grpc.StatusCode if status.value[0] == number)


class Functions:
    """What the methods do, told by the request: ``sleep 0.02``, ``abort 5``, ``code 5``, ``raise TimeoutError``, …"""

    def __init__(self, world):
        self.world = world

    def obey(self, text, context):
        verb, _, what = text.partition(" ")
        if verb == "sleep":
            time.sleep(float(what))
        elif verb == "trailing":
            context.set_trailing_metadata((("theirs", what),))
        elif verb == "hold":
            self.world.held.release()
            self.world.free.wait(PATIENCE)
        else:
            self.refuse(verb, what, context)

    def refuse(self, verb, what, context):
        if verb == "abort":
            context.abort(code(int(what)), "as asked")
        elif verb == "swallow":
            with suppress(Exception):
                context.abort(code(int(what)), "as asked")
        elif verb in {"code", "fail"}:
            context.set_code(code(int(what)))
            if verb == "fail":
                raise ValueError(what)
        elif verb == "raise":
            raise {"TimeoutError": TimeoutError, "ValueError": ValueError}[what]

    def one(self, request, context):
        self.world.asked.append((current_request.get(), dict(context.invocation_metadata())))
        for text in request.value.split(";"):
            self.obey(text, context)
        return StringValue(value="x" * 100)

    def many(self, request, context):
        texts = request.value.split(";")
        count = int(texts.pop())
        for text in texts:
            self.obey(text, context)
        try:
            for number in range(count):
                yield StringValue(value=str(number))
        finally:
            self.world.closed.set()

    def late(self, request, context):
        yield StringValue(value="first")
        self.obey(request.value, context)

    def sum(self, requests, _):
        return StringValue(value=str(sum(int(request.value) for request in requests)))

    def each(self, requests, _):
        yield from requests


class Coroutines(Functions):
    """The same on an event loop."""

    async def obey(self, text, context):
        verb, _, what = text.partition(" ")
        if verb == "sleep":
            await asyncio.sleep(float(what))
        elif verb == "block":
            time.sleep(float(what))  # noqa: ASYNC251 - it is to block
        elif verb == "abort":
            await context.abort(code(int(what)), "as asked")
        elif verb == "swallow":
            with suppress(Exception):
                await context.abort(code(int(what)), "as asked")
        elif verb == "hold":
            self.world.held.release()
            await asyncio.to_thread(self.world.free.wait, PATIENCE)
        elif verb == "trailing":
            context.set_trailing_metadata((("theirs", what),))
        else:
            self.refuse(verb, what, context)

    async def one(self, request, context):
        self.world.asked.append((current_request.get(), dict(context.invocation_metadata())))
        for text in request.value.split(";"):
            await self.obey(text, context)
        return StringValue(value="x" * 100)

    async def many(self, request, context):
        texts = request.value.split(";")
        count = int(texts.pop())
        for text in texts:
            await self.obey(text, context)
        try:
            for number in range(count):
                yield StringValue(value=str(number))
        finally:
            self.world.closed.set()

    async def late(self, request, context):
        yield StringValue(value="first")
        await self.obey(request.value, context)

    async def sum(self, requests, _):
        return StringValue(value=str(sum([int(request.value) async for request in requests])))

    async def each(self, requests, _):
        async for request in requests:
            yield request

    async def written(self, _, context):
        """By the other interface: it reads and writes."""
        while (request := await context.read()) is not grpc.aio.EOF:
            await context.write(request)


def decode(data):
    if data == b"bad":
        raise ValueError("bad")
    return StringValue.FromString(data)


def encode(message):
    return message.SerializeToString()


def methods(behaviours, *, decode=decode, encode=encode):
    b, codec = behaviours, (decode, encode)
    found = {
        "One": grpc.unary_unary_rpc_method_handler(b.one, *codec),
        "Silent": grpc.unary_unary_rpc_method_handler(b.one, *codec),
        "Many": grpc.unary_stream_rpc_method_handler(b.many, *codec),
        "Late": grpc.unary_stream_rpc_method_handler(b.late, *codec),
        "Sum": grpc.stream_unary_rpc_method_handler(b.sum, *codec),
        "Each": grpc.stream_stream_rpc_method_handler(b.each, *codec),
    }
    if hasattr(b, "written"):
        found["Written"] = grpc.stream_stream_rpc_method_handler(b.written, *codec)
    return found


@dataclass
class Stub:
    """The methods, as a client calls them."""

    channel: object

    def __getattr__(self, name):
        kinds = {"Many": "unary_stream", "Late": "unary_stream", "Sum": "stream_unary"}
        make = getattr(self.channel, kinds.get(name, "stream_stream" if name in {"Each", "Written"} else "unary_unary"))
        return make(f"/{SERVICE}/{name}", StringValue.SerializeToString, StringValue.FromString)
