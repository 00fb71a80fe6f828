"""What telemetry costs a request: CPU µs added by inferometer and by its peers, in one interleaved run.

An in-process ASGI call of a FastAPI application, POST JSON -> pydantic -> JSON. Each variant lives in a process of its
own; rounds go around all of them, so that a slow minute of the host hits every variant. *Path* is the CPU time of the
thread that serves (thread_time), *whole* that of all threads until everything is exported (process_time). Ours sends
its records to a socket, and in a second variant is its own Intake: it counts, keeps every trace, and sends OTLP over
HTTP, as the traced peers do. A further process takes all of that in, its time is nobody's.

    python benchmarks/overhead.py [--rounds 15] [--requests 2000] [--json]
"""

import argparse
import asyncio
import contextlib
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from overhead_sink import environments
from overhead_variants import OURS, VARIANTS, one

Drain = Callable[[], object]


async def serve(app, drain: Drain) -> None:
    """Read a number of requests per line, serve them, and say what they took in ns of CPU."""
    for line in sys.stdin:
        count = int(line)
        whole, path = time.process_time_ns(), time.thread_time_ns()
        for _ in range(count):
            await one(app)
        path = time.thread_time_ns() - path
        drain()
        print(path, time.process_time_ns() - whole, flush=True)


@contextlib.contextmanager
def started(program: str, names: Iterable[str]) -> Iterator[dict[str, subprocess.Popen]]:
    """A process of *program* for each variant, by name, while the block runs."""
    with tempfile.TemporaryDirectory() as folder, environments(Path(folder)) as environ_of:
        processes = {
            name: subprocess.Popen(
                [sys.executable, program, "--variant", name],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                env=environ_of(name),
            )
            for name in names
        }
        try:
            yield processes
        finally:
            print(file=sys.stderr)
            for process in processes.values():
                process.kill()
                process.wait()


def measure(rounds: int, requests: int) -> dict[str, tuple[float, float]]:
    """Median CPU µs per request, (path, whole), by variant."""
    taken: dict[str, list[tuple[int, int]]] = {name: [] for name in VARIANTS}
    with started(__file__, VARIANTS) as processes:
        for number in range(rounds + 2):
            for name, process in processes.items():
                process.stdin.write(f"{requests}\n")
                process.stdin.flush()
                path, whole = map(int, process.stdout.readline().split())
                if number >= 2:  # two rounds to warm up
                    taken[name].append((path, whole))
            print(f"\rround {number + 1} of {rounds + 2}", end="", file=sys.stderr, flush=True)
    return {
        name: (
            statistics.median(path for path, _ in pairs) / requests / 1000,
            statistics.median(whole for _, whole in pairs) / requests / 1000,
        )
        for name, pairs in taken.items()
    }


def report(result: dict[str, tuple[float, float]]) -> None:
    base_path, base_whole = result["bare"]
    with_sidecar, without = (result[name][1] - base_whole for name in OURS)
    print(f"{'CPU µs per request':40} {'path':>8} {'added':>8} {'whole':>8} {'added':>8} {'ours is':>9} {'alone':>10}")
    for name, (path, whole) in result.items():
        added = whole - base_whole
        ratios = f"{with_sidecar / added:8.3f}x {without / added:9.3f}x" if name not in ("bare", *OURS) else ""
        print(f"{name:40} {path:8.1f} {path - base_path:8.1f} {whole:8.1f} {added:8.1f} {ratios}")
    print(f"path: {result[OURS[0]][0] - base_path:.1f} µs added (reach: 8); whole: {with_sidecar:.1f} (reach: 12), "
          f"without a sidecar, every trace exported: {without:.1f} (reach: 20)")  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--requests", type=int, default=2000, help="per round and variant")
    parser.add_argument("--json", action="store_true", help="print medians as JSON")
    parser.add_argument("--variant", choices=VARIANTS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.variant:
        asyncio.run(serve(*VARIANTS[arguments.variant]()))
    else:
        result = measure(arguments.rounds, arguments.requests)
        if arguments.json:
            print(json.dumps({name: {"path_us": path, "whole_us": whole} for name, (path, whole) in result.items()}))
        else:
            report(result)


if __name__ == "__main__":
    main()
