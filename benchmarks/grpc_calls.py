"""What telemetry costs a unary call by gRPC: CPU µs added by inferometer and by OpenTelemetry, in one interleaved run.

Threaded and asyncio, each in two settings. *server*: a method answers at once. *hop*: it asks another server first, so
a call costs a server's side and a client's. Who calls, and who is asked, is this process: it is instrumented by nobody
and its time is nobody's. Each variant is a server in a process of its own; rounds go around all of them. The time is
that of all threads of the server's process, gRPC's own included, until everything is exported (process_time): ours
sends its records to a socket, OpenTelemetry's instrumentation sends OTLP over HTTP from its batch processor; further
processes take both in. Servers have one core and everybody else another: where threads wander, two equal processes
differ by a third. Of the rounds the lower quartile counts: whatever else the machine does only ever adds.

    python benchmarks/grpc_calls.py [--rounds 25] [--calls 300] [--json]
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
from contextlib import ExitStack
from itertools import product
from pathlib import Path

from overhead_variants import tracer_provider

REACH = 0.15
CORES = os.sched_getaffinity(0)
FLAVOURS = ("threaded", "asyncio")
SETTINGS = ("server", "hop")
MODES = ("bare", "inferometer", "opentelemetry")
TEXT = "the quick brown fox jumps over the lazy dog"
Name = tuple[str, str, str]
"""flavour, setting, mode"""


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


def handlers(behaviour):
    import grpc
    from google.protobuf.wrappers_pb2 import StringValue

    method = grpc.unary_unary_rpc_method_handler(behaviour, StringValue.FromString, StringValue.SerializeToString)
    return (grpc.method_handlers_generic_handler("bench.Echo", {"Say": method}),)


def say(channel):
    from google.protobuf.wrappers_pb2 import StringValue

    return channel.unary_unary("/bench.Echo/Say", StringValue.SerializeToString, StringValue.FromString)


def told(line: str, drain: Callable[[], object]) -> None:
    """Say the CPU time so far in ns; at the end of a round when everything is exported."""
    if line.startswith("end"):
        drain()
    print(time.process_time_ns(), flush=True)


def serve_threaded(setting: str, there: str, drain: Callable[[], object]) -> None:
    import grpc

    ask = say(grpc.insecure_channel(there))
    server = grpc.server(ThreadPoolExecutor(4))
    server.add_generic_rpc_handlers(handlers(lambda request, _: ask(request) if setting == "hop" else request))
    print(server.add_insecure_port("127.0.0.1:0"), flush=True)
    server.start()
    for line in sys.stdin:
        told(line, drain)


async def serve_asyncio(setting: str, there: str, drain: Callable[[], object]) -> None:
    import grpc.aio

    ask = say(grpc.aio.insecure_channel(there))

    async def behaviour(request, _):
        return await ask(request) if setting == "hop" else request

    server = grpc.aio.server()
    server.add_generic_rpc_handlers(handlers(behaviour))
    print(server.add_insecure_port("127.0.0.1:0"), flush=True)
    await server.start()
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        told(line, drain)


def serve(flavour: str, setting: str, mode: str, there: str) -> None:
    os.sched_setaffinity(0, {int(os.environ["SERVERS_CORE"])})
    drain = instrument(mode, flavour, setting)
    if flavour == "asyncio":
        asyncio.run(serve_asyncio(setting, there, drain))
    else:
        serve_threaded(setting, there, drain)


class Variant:
    """A server's process, a process that takes its telemetry in, and a channel to it."""

    def __init__(self, name: Name, folder: Path, there: str, stack: ExitStack) -> None:
        import grpc

        path = folder / "-".join(name)
        sink = [sys.executable, str(Path(__file__).with_name("overhead_sink.py")), str(path)]
        taker = started(stack, sink)
        environ = {
            **os.environ,
            "INFEROMETER_SIDECAR": f"unix://{path}",
            "SERVERS_CORE": str(min(CORES)),
            "OTLP_SINK": f"http://127.0.0.1:{taker.stdout.readline().strip()}/v1/traces",
        }
        self._process = started(stack, [sys.executable, __file__, "--variant", *name, there], env=environ)
        port = int(self._process.stdout.readline())
        self._call = say(stack.enter_context(grpc.insecure_channel(f"127.0.0.1:{port}")))
        self.taken: list[float] = []

    def _cpu_ns(self, when: str) -> int:
        self._process.stdin.write(f"{when}\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())

    def round(self, calls: int) -> float:
        """CPU µs per call."""
        from google.protobuf.wrappers_pb2 import StringValue

        request = StringValue(value=TEXT)
        before = self._cpu_ns("begin")
        for _ in range(calls):
            self._call(request)
        return (self._cpu_ns("end") - before) / calls / 1000


def started(stack: ExitStack, command: list[str], **options) -> subprocess.Popen:
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, **options)
    stack.callback(process.wait)
    stack.callback(process.kill)
    return process


def measure(rounds: int, calls: int) -> dict[Name, float]:
    """CPU µs per call, the lower quartile of the rounds."""
    import grpc

    names = list(product(FLAVOURS, SETTINGS, MODES))
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        asked = grpc.server(ThreadPoolExecutor(4))
        asked.add_generic_rpc_handlers(handlers(lambda request, _: request))
        there = f"127.0.0.1:{asked.add_insecure_port('127.0.0.1:0')}"
        asked.start()
        stack.callback(asked.stop, 0)
        variants = {name: Variant(name, folder, there, stack) for name in names}
        for number in range(rounds + 2):
            for variant in variants.values():
                spent = variant.round(calls)
                if number >= 2:  # two rounds to warm up
                    variant.taken.append(spent)
            print(f"\rround {number + 1} of {rounds + 2}", end="", file=sys.stderr, flush=True)
        print(file=sys.stderr)
        return {name: statistics.quantiles(variant.taken, n=4)[0] for name, variant in variants.items()}


def report(result: dict[Name, float]) -> None:
    print(f"{'CPU µs per unary call':28} {'bare':>8} {'ours adds':>10} {'peer adds':>10} {'ratio':>8}")
    for flavour, setting in product(FLAVOURS, SETTINGS):
        bare, ours, peer = (result[flavour, setting, mode] for mode in MODES)
        ratio = (ours - bare) / (peer - bare)
        print(f"{flavour + ', ' + setting:28} {bare:8.1f} {ours - bare:10.1f} {peer - bare:10.1f} {ratio:7.3f}x")
    print(f"peer: opentelemetry-instrumentation-grpc; reach: <= {REACH} x")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=25)
    parser.add_argument("--calls", type=int, default=300, help="per round and variant")
    parser.add_argument("--json", action="store_true", help="print them as JSON")
    parser.add_argument("--variant", nargs=4, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.variant:
        serve(*arguments.variant)
        return
    os.sched_setaffinity(0, {max(CORES)})
    result = measure(arguments.rounds, arguments.calls)
    if arguments.json:
        print(json.dumps({"_".join(name): value for name, value in result.items()}))
    else:
        report(result)


if __name__ == "__main__":
    main()
