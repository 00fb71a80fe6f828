"""A service by gRPC on each kind of server, in this process, and the records of its calls."""

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field

import grpc
import grpc._channel
import grpc._server  # hooks reach what is imported
import grpc.aio
import pytest
from google.protobuf.wrappers_pb2 import StringValue

from inferometer.hooks.registry import HOOKS, install
from inferometer.recorder.request import OpenRequest, current_request
from inferometer.recorder.worker import Worker
from inferometer.settings import Settings
from inferometer.testing import Collector

KINDS = ("threaded", "asyncio", "functions")
"""The threaded server, the asyncio server, and the asyncio server with plain functions, which run in threads."""
SERVICE = "test.Echo"
EXCLUDED = f"/{SERVICE}/Silent"
NAMES = {"grpc", "grpc.aio", "grpc.server", "grpc.aio.server", "threads"}
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


@dataclass
class World:
    """A hooked process."""

    worker: Worker
    collector: Collector
    stack: ExitStack
    asked: list = field(default_factory=list)
    """(current request, metadata) of each call of ``One``, as its behaviour saw them."""
    loops: list = field(default_factory=list)
    """Event loops of servers and clients, each in a thread."""
    held: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    """Released by each call that holds."""
    free: threading.Event = field(default_factory=threading.Event)
    """Lets go whom ``hold`` holds."""
    closed: threading.Event = field(default_factory=threading.Event)
    """A stream's generator has run its ``finally``."""

    def serve(self, kind="threaded", *, threads=4, handlers=None, coder=None, registered=False, **options) -> str:
        """A server of that kind; its address."""
        behaviours = Coroutines(self) if kind == "asyncio" else Functions(self)
        found = handlers or methods(behaviours, **(coder or {}))
        pool = self.stack.enter_context(ThreadPoolExecutor(threads))

        def add(server):
            if registered:
                server.add_registered_method_handlers(SERVICE, found)
            else:
                server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, found),))
            return f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"

        if kind == "threaded":
            server = grpc.server(pool, **options)
            address = add(server)
            server.start()
            self.stack.callback(lambda: server.stop(0).wait(PATIENCE))
            return address

        async def start():
            server = grpc.aio.server(pool, **options)
            address = add(server)
            await server.start()
            return server, address

        loop = self.loop()
        server, address = asyncio.run_coroutine_threadsafe(start(), loop).result(PATIENCE)
        self.stack.callback(lambda: asyncio.run_coroutine_threadsafe(server.stop(0), loop).result(PATIENCE))
        return address

    def loop(self) -> asyncio.AbstractEventLoop:
        loop = asyncio.new_event_loop()
        self.loops.append(loop)
        thread = threading.Thread(target=loop.run_forever, daemon=True)
        thread.start()

        def stop():
            loop.call_soon_threadsafe(loop.stop)
            thread.join(PATIENCE)
            loop.close()

        self.stack.callback(stop)
        return loop

    def stub(self, address, **options) -> Stub:
        channel = grpc.insecure_channel(address, options=list(options.items()))
        self.stack.callback(channel.close)
        return Stub(channel)

    def recorded(self, act, count=1):
        """The records of what *act* asks."""
        before = len(self.collector.records)
        act()
        return self.collector.wait(before + count, PATIENCE)[before:]

    def request(self, *headers) -> OpenRequest:
        """A request that calls somebody: the current one from now on."""
        opened = OpenRequest(self.worker, headers)
        current_request.set(opened)
        self.stack.callback(current_request.set, None)
        return opened

    def caller(self, act, *headers):
        """The record of a request that calls somebody."""

        def whole():
            request = self.request(*headers)
            try:
                act()
            finally:
                request.status = 200
                request.close()

        before = len(self.collector.records)
        whole()
        self.collector.until(lambda: any(not r.labels.method for r in self.collector.records[before:]), PATIENCE)
        return next(r for r in self.collector.records[before:] if not r.labels.method)


@pytest.fixture
def world(tmp_path):
    with ExitStack() as stack:
        collector = stack.enter_context(Collector(tmp_path / "intake.sock"))
        settings = Settings(
            service="echo", host="host-1", sidecar=collector.address, flush_seconds=0.02,
            excluded_paths=frozenset({EXCLUDED}),
        )  # fmt: skip
        worker = Worker(settings, timeout_of=lambda _: 2 * 10**9)
        install(worker, [hook for hook in HOOKS if hook.name in NAMES])
        assert set(worker.hooks.statuses().values()) == {"active"}
        worker.start()
        stack.callback(worker.close)
        stack.callback(undo, worker)
        yield World(worker, collector, stack)


def undo(worker):
    for steps in list(worker.hooks._undo.values()):
        for step in reversed(steps):
            step()


@pytest.fixture(params=KINDS)
def kind(request):
    return request.param
