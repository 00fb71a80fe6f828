"""What telemetry costs a unary call by gRPC: CPU µs added by inferometer and by OpenTelemetry, in one interleaved run.

Threaded and asyncio, each in two settings. *server*: the server is instrumented, its client is not. *hop*: the handler
calls a second server, so a call costs two server sides and a client side; both servers live in one process with the
client, as everything here does. Each variant lives in a process of its own; rounds go around all of them. The time is
that of all threads, gRPC's own included, until everything is exported (process_time): ours sends records to a socket,
OpenTelemetry's instrumentation sends OTLP over HTTP from its batch processor; further processes take both in.

    python benchmarks/grpc_calls.py [--rounds 15] [--calls 500] [--json]
"""

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from pathlib import Path

from overhead import tracer_provider

REACH = 0.15
FLAVOURS = ("threaded", "asyncio")
SETTINGS = ("server", "hop")
MODES = ("bare", "inferometer", "opentelemetry")
TEXT = "the quick brown fox jumps over the lazy dog"
METHOD, INNER = "/bench.Echo/Say", "/bench.Echo/Inner"


def instrument(mode: str, flavour: str, setting: str) -> Callable[[], object]:
    """Switch the mode on; what it gives waits until everything is exported."""
    if mode == "inferometer":
        import inferometer
        import inferometer.auto

        return lambda: inferometer.flush(10.0)
    if mode == "opentelemetry":
        from opentelemetry.instrumentation import grpc as peer

        provider = tracer_provider()
        threaded = flavour == "threaded"
        (peer.GrpcInstrumentorServer if threaded else peer.GrpcAioInstrumentorServer)().instrument()
        if setting == "hop":
            (peer.GrpcInstrumentorClient if threaded else peer.GrpcAioInstrumentorClient)().instrument()
        return provider.force_flush
    return lambda: None


def codec():
    from google.protobuf.wrappers_pb2 import StringValue

    return StringValue.FromString, StringValue.SerializeToString, StringValue(value=TEXT)


def threaded(setting: str, plain) -> Callable[[int], object]:
    import grpc

    decode, encode, request = codec()
    inner_call: list[Callable[..., object]] = []

    def say(message, _):
        return inner_call[0](message) if setting == "hop" else message

    def serve(name, behaviour):
        server = grpc.server(ThreadPoolExecutor(4))
        handler = grpc.unary_unary_rpc_method_handler(behaviour, decode, encode)
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("bench.Echo", {name: handler}),))
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        return server, f"127.0.0.1:{port}"

    inner, there = serve("Inner", lambda message, _: message)
    outer, here = serve("Say", say)
    inner_call.append(grpc.insecure_channel(there).unary_unary(INNER, encode, decode))
    call = plain(here).unary_unary(METHOD, encode, decode)

    def work(count: int) -> None:
        for _ in range(count):
            call(request)

    work.servers = (inner, outer)
    return work


async def on_loop(setting: str, plain, drain: Callable[[], object]) -> None:
    import grpc.aio

    decode, encode, request = codec()
    inner_call: list[Callable[..., object]] = []

    async def say(message, _):
        return await inner_call[0](message) if setting == "hop" else message

    async def same(message, _):
        return message

    async def serve(name, behaviour):
        server = grpc.aio.server()
        handler = grpc.unary_unary_rpc_method_handler(behaviour, decode, encode)
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("bench.Echo", {name: handler}),))
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        return server, f"127.0.0.1:{port}"

    inner, there = await serve("Inner", same)
    outer, here = await serve("Say", say)
    inner_call.append(grpc.aio.insecure_channel(there).unary_unary(INNER, encode, decode))
    call = plain(here).unary_unary(METHOD, encode, decode)
    for line in sys.stdin:
        before = time.process_time_ns()
        for _ in range(int(line)):
            await call(request)
        drain()
        print(time.process_time_ns() - before, flush=True)
    await outer.stop(0)
    await inner.stop(0)


def serve(flavour: str, setting: str, mode: str) -> None:
    """Read a number of calls per line, make them, and say what they took in ns of CPU."""
    import grpc
    import grpc.aio

    # Who calls first is a stranger: its channel is made as if nobody had instrumented clients.
    plain = (grpc if flavour == "threaded" else grpc.aio).insecure_channel
    drain = instrument(mode, flavour, setting)
    if flavour == "asyncio":
        asyncio.run(on_loop(setting, plain, drain))
        return
    work = threaded(setting, plain)
    for line in sys.stdin:
        before = time.process_time_ns()
        work(int(line))
        drain()
        print(time.process_time_ns() - before, flush=True)


def start(name: tuple[str, str, str], folder: Path, started: list[subprocess.Popen]) -> subprocess.Popen:
    path = folder / "-".join(name)
    sink = [sys.executable, str(Path(__file__).with_name("overhead.py")), "--sink", str(path)]
    taker = subprocess.Popen(sink, stdout=subprocess.PIPE, text=True)
    started.append(taker)
    environ = {
        **os.environ,
        "INFEROMETER_SIDECAR": f"unix://{path}",
        "OTLP_SINK": f"http://127.0.0.1:{taker.stdout.readline().strip()}/v1/traces",
    }
    command = [sys.executable, __file__, "--variant", *name]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environ)
    started.append(process)
    return process


def measure(rounds: int, calls: int) -> dict[tuple[str, str, str], float]:
    """Median CPU µs per call by (flavour, setting, mode); what a mode adds is taken round by round."""
    names = list(product(FLAVOURS, SETTINGS, MODES))
    taken: dict[tuple[str, str, str], list[float]] = {name: [] for name in names}
    started: list[subprocess.Popen] = []
    with tempfile.TemporaryDirectory() as folder:
        try:
            processes = {name: start(name, Path(folder), started) for name in names}
            for number in range(rounds + 2):
                for name, process in processes.items():
                    process.stdin.write(f"{calls}\n")
                    process.stdin.flush()
                    spent = int(process.stdout.readline())
                    if number >= 2:  # two rounds to warm up
                        taken[name].append(spent / calls / 1000)
                print(f"\rround {number + 1} of {rounds + 2}", end="", file=sys.stderr, flush=True)
        finally:
            print(file=sys.stderr)
            for process in started:
                process.kill()
                process.wait()
    return {name: statistics.median(values) for name, values in taken.items()}


def report(result: dict[tuple[str, str, str], float]) -> None:
    print(f"{'CPU µs per unary call':28} {'bare':>8} {'ours adds':>10} {'peer adds':>10} {'ratio':>8}")
    for flavour, setting in product(FLAVOURS, SETTINGS):
        bare, ours, peer = (result[flavour, setting, mode] for mode in MODES)
        ratio = (ours - bare) / (peer - bare)
        print(f"{flavour + ', ' + setting:28} {bare:8.1f} {ours - bare:10.1f} {peer - bare:10.1f} {ratio:7.3f}x")
    print(f"peer: opentelemetry-instrumentation-grpc; reach: <= {REACH} x")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--calls", type=int, default=500, help="per round and variant")
    parser.add_argument("--json", action="store_true", help="print medians as JSON")
    parser.add_argument("--variant", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.variant:
        serve(*arguments.variant)
        return
    result = measure(arguments.rounds, arguments.calls)
    if arguments.json:
        print(json.dumps({"_".join(name): value for name, value in result.items()}))
    else:
        report(result)


if __name__ == "__main__":
    main()
