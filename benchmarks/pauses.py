"""What telemetry does to the tail: garbage-collection pauses and event-loop lag, ours against peers, interleaved.

Each variant is a process that serves in-process requests at a fixed rate, paced by its own event loop. *GC* is the
longest pause that the garbage collector made (gc.callbacks), at 4,000 requests a second. *Lag* is how late the loop's
ticks of 2 ms come, at 1,000 requests a second, while the variant exports; the requests' own time is in it for all.

    python benchmarks/pauses.py [--rounds 3] [--seconds 4]
"""

import argparse
import asyncio
import gc
import json
import os
import statistics
import sys
import time

from overhead import started
from overhead_variants import OURS, VARIANTS, one

MEASURED = (
    "bare",
    *OURS,
    "prometheus-fastapi-instrumentator",
    "opentelemetry-instrumentation-fastapi",
    "FastAPI native telemetry",
)
GC_RATE = 4_000
LAG_RATE = 1_000
TICK = 0.002


async def paced(app, rate: int, seconds: float) -> list[float]:
    """Serve at *rate* for *seconds*; how late each tick came, in ms."""
    loop = asyncio.get_running_loop()
    late: list[float] = []
    served, begin = 0, loop.time()
    tick = 0
    while (now := loop.time()) < begin + seconds:
        for _ in range(int((now - begin) * rate) - served):
            await one(app)
        served = int((now - begin) * rate)
        # A tick that is past already is not waited for: what came late was told by the one before.
        tick = max(tick + 1, int((loop.time() - begin) / TICK) + 1)
        due = begin + tick * TICK
        await asyncio.sleep(due - loop.time())
        late.append((loop.time() - due) * 1e3)
    return late


async def serve(app, drain) -> None:
    """Read "rate seconds" per line, serve, and print what was seen as JSON."""
    pauses: list[int] = []
    began = 0

    def collected(phase: str, _: object) -> None:
        nonlocal began
        if phase == "start":
            began = time.perf_counter_ns()
        else:
            pauses.append(time.perf_counter_ns() - began)

    for line in sys.stdin:
        rate, seconds = line.split()
        gc.collect()
        gc.callbacks.append(collected)
        pauses.clear()
        full = gc.get_stats()[2]["collections"]
        late = await paced(app, int(rate), float(seconds))
        gc.callbacks.remove(collected)
        seen = {
            "pause": max(pauses, default=0) / 1e6,
            "paused": sum(pauses) / 1e6 / float(seconds),
            "full": gc.get_stats()[2]["collections"] - full,
            "p99": statistics.quantiles(late, n=100)[98],
            "max": max(late),
        }
        drain()
        print(json.dumps(seen), flush=True)


def measure(rounds: int, seconds: float) -> dict[str, dict[int, list[dict[str, float]]]]:
    """Everything seen, by variant and rate."""
    found: dict[str, dict[int, list[dict[str, float]]]] = {name: {GC_RATE: [], LAG_RATE: []} for name in MEASURED}
    with started(__file__, MEASURED) as processes:
        for number in range(rounds + 1):
            for rate in (GC_RATE, LAG_RATE):
                for name, process in processes.items():
                    process.stdin.write(f"{rate} {seconds if number else 1}\n")
                    process.stdin.flush()
                    seen = json.loads(process.stdout.readline())
                    if number:  # one round to warm up
                        found[name][rate].append(seen)
            print(f"\rround {number} of {rounds}", end="", file=sys.stderr, flush=True)
    return found


def report(found: dict[str, dict[int, list[dict[str, float]]]]) -> None:
    def median(name: str, rate: int, what: str) -> float:
        return statistics.median(seen[what] for seen in found[name][rate])

    print(f"{'':40} {f'GC at {GC_RATE}/s':>36}   {f'loop lag at {LAG_RATE}/s':>26}")
    print(f"{'medians':40} {'longest ms':>12} {'ms a second':>12} {'full':>10}   {'p99 ms':>12} {'max ms':>9}")
    for name in found:
        columns = [median(name, GC_RATE, what) for what in ("pause", "paused")]
        full, p99, longest = (
            median(name, GC_RATE, "full"), median(name, LAG_RATE, "p99"), median(name, LAG_RATE, "max"),
        )  # fmt: skip
        print(f"{name:40} {columns[0]:12.2f} {columns[1]:12.2f} {full:10.0f}   {p99:12.2f} {longest:12.2f}")
    peer = median("opentelemetry-instrumentation-fastapi", LAG_RATE, "p99")
    for name in OURS:
        pause, bare = median(name, GC_RATE, "pause"), median("bare", GC_RATE, "pause")
        p99 = median(name, LAG_RATE, "p99")
        print(
            f"{name}: longest pause {pause:.2f} ms (bare {bare:.2f}), p99 lag {p99:.2f} ms (reach: 1), "
            f"{p99 / peer:.2f}x OpenTelemetry's batch exporter (reach: 0.2)"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=4.0, help="per round, rate and variant")
    parser.add_argument("--variant", choices=VARIANTS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.variant:
        os.environ.setdefault("PYTHONHASHSEED", "0")
        asyncio.run(serve(*VARIANTS[arguments.variant]()))
    else:
        report(measure(arguments.rounds, arguments.seconds))


if __name__ == "__main__":
    main()
