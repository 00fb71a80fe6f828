"""A service by gRPC on each kind of server, in this process, and the records of its calls."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field

import grpc
import grpc._channel
import grpc._server  # hooks reach what is imported
import grpc.aio
import pytest
from echo_clients import Asyncio, Threaded
from echo_service import PATIENCE, SERVICE, Coroutines, Functions, Stub, methods
from hooks_out import take_out

from inferometer.hooks.registry import HOOKS, install
from inferometer.recorder.request import OpenRequest, current_request
from inferometer.recorder.worker import Worker
from inferometer.settings import Settings
from inferometer.testing import Collector

KINDS = ("threaded", "asyncio", "functions")
"""The threaded server, the asyncio server, and the asyncio server with plain functions, which run in threads."""
EXCLUDED = f"/{SERVICE}/Silent"
NAMES = {"grpc", "grpc.aio", "grpc.server", "grpc.aio.server", "threads"}


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
        stack.callback(take_out, worker)
        yield World(worker, collector, stack)


@pytest.fixture(params=KINDS)
def kind(request):
    return request.param


@pytest.fixture(params=[Threaded, Asyncio], ids=lambda client: client.kind)
def client(request):
    return request.param
