"""Execute times of PyTorch on CUDA: ours against a synchronised ground truth, and what a launch costs more.

    python benchmarks/gpu_execute.py [--repeat 30] [--launches 2000]

Needs torch and a CUDA device (`requirements/environments/frameworks.txt` has what it was written with). Exits 0 when
all limits hold, 1 when one does not, 2 when nothing was run since there is no CUDA device.

How the truth is found: the host waits until the device has nothing to do, reads its clock, calls the model, waits until
that is done, reads its clock again. That is the run and some 20 us for launch and waking up, so runs of several
milliseconds are compared. Runs of one millisecond are shown without a limit.
"""

import argparse
import statistics
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from inferometer.hooks.registry import HOOKS, install
from inferometer.record.model import Execute
from inferometer.recorder.frames import FrameMaker
from inferometer.recorder.request import OpenRequest, current_request
from inferometer.recorder.worker import Worker
from inferometer.settings import Settings
from inferometer.wire.frame import decode
from inferometer.wire.records import executes, records

now = time.monotonic_ns
MAX_ERROR = 0.02
NOT_RUN = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A line of the table; `holds` is None where there is no limit."""

    measure: str
    value: str
    limit: str = ""
    holds: bool | None = None


def within(measure: str, errors: Sequence[float], *, limited: bool = True) -> Row:
    """Relative errors of execute times: their median is limited, since a host may be interrupted between two clocks."""
    median, worst = statistics.median(errors), max(errors)
    value = f"median {median:7.2%}   worst {worst:7.2%}   of {len(errors)}"
    return Row(measure=measure, value=value, limit=f"{MAX_ERROR:.0%}", holds=median <= MAX_ERROR if limited else None)


def holds(measure: str, value: str, *, truth: bool) -> Row:
    """Something that is or is not so."""
    return Row(measure=measure, value=value, limit="yes", holds=truth)


class Bench:
    """One worker with the hook, one device, and what was told of it."""

    def __init__(self, torch: Any, worker: Worker, *, size: int, device: str) -> None:
        self.torch = torch
        self.worker = worker
        self.device = device
        self._maker = FrameMaker(worker)
        self._size = size

    def net(self, layers: int) -> Any:
        """A model of so many layers on the device, run once."""
        torch = self.torch
        linear = [torch.nn.Linear(self._size, self._size, bias=False) for _ in range(layers)]
        net = torch.nn.Sequential(*linear).eval().to(self.device)
        net(self.input())
        self.settled()
        return net

    def input(self) -> Any:
        """What goes in."""
        return self.torch.ones(self._size, self._size, device=self.device)

    def for_ms(self, ms: float) -> Any:
        """A model that runs for about so many milliseconds."""
        net, x = self.net(8), self.input()
        took = min(self.truth(lambda: net(x))[1] for _ in range(5)) / 1e6
        return self.net(max(round(8 * ms / took), 1))

    def truth(self, act: Callable[[], object]) -> tuple[int, int]:
        """(start, ns) of *act* on a device that has nothing else to do."""
        self.torch.cuda.synchronize()
        start = now()
        act()
        self.torch.cuda.synchronize()
        return start, now() - start

    def settled(self) -> list[Execute]:
        """Executes of nobody since the last call, in the order of their starts; the device has done everything."""
        self.torch.cuda.synchronize()
        frame = decode(self._maker.make()[1])
        found = [run for span, _, final, run in executes(frame, self.worker.shapes.all()) if final and not span]
        return sorted(found, key=lambda run: run.start)

    def requests(self) -> list[Any]:
        """Records since the last call."""
        self.torch.cuda.synchronize()
        return list(records(decode(self._maker.make()[1]), self.worker.shapes.all()))


def one_by_one(bench: Bench, repeat: int) -> list[Row]:
    """The same model again and again on an idle device."""
    rows = []
    for ms, limited in ((1, False), (5, True), (20, True)):
        net, x = bench.for_ms(ms), bench.input()
        bench.settled()
        truths = [bench.truth(lambda: net(x))[1] for _ in range(repeat)]  # noqa: B023 - called here
        runs = bench.settled()
        errors = [abs(run.end - run.start - truth) / truth for run, truth in zip(runs, truths, strict=True)]
        rows.append(within(f"a run of {ms} ms on an idle device", errors, limited=limited))
    return rows


def queued(bench: Bench, repeat: int) -> list[Row]:
    """Two launches at once: the second waits for the first."""
    net, x = bench.for_ms(10), bench.input()
    bench.settled()
    errors, waits = [], []
    for _ in range(repeat):
        net(x)
        launched = now()
        net(x)
        first, second = bench.settled()
        errors.append(abs(second.start - first.end) / (second.end - second.start))
        waits.append(bool(second.queued) and abs(second.queued - launched) < 10**6)
    return [
        within("a second launch starts when the first has ended", errors),
        holds("and was queued since its launch", f"{sum(waits)} of {repeat}", truth=all(waits)),
    ]


def streams(bench: Bench, repeat: int, count: int = 4) -> list[Row]:
    """Concurrent requests, each in a thread and a stream of its own, which it waits for."""
    torch, net = bench.torch, bench.for_ms(5)
    errors: list[float] = []

    def serve() -> None:
        stream, x = torch.cuda.Stream(), bench.input()
        stream.wait_stream(torch.cuda.current_stream())
        for _ in range(repeat):
            opened = OpenRequest(bench.worker, [])
            token = current_request.set(opened)
            with torch.cuda.stream(stream), torch.inference_mode():
                start = now()
                net(x)
                stream.synchronize()
                ends.append((start, now()))
            current_request.reset(token)
            opened.close()

    ends: list[tuple[int, int]] = []
    bench.requests()
    threads = [threading.Thread(target=serve) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = bench.requests()
    runs = [record.executes for record in found]
    one_each = len(found) == count * repeat and all(len(each) == 1 for each in runs)
    told = sorted((each[0].queued or each[0].start, each[0].end) for each in runs if each)
    for (start, end), (real_start, real_end) in zip(told, sorted(ends), strict=False):
        errors.append((abs(start - real_start) + abs(end - real_end)) / (real_end - real_start))
    return [
        within(f"{count} requests at once, each in its stream", errors or [1.0]),
        holds("each request has its own execute", f"{len(found)} requests", truth=one_each),
    ]


def graphs(bench: Bench, repeat: int) -> list[Row]:
    """Graphs are captured while runs are pending and a thread asks for them all the time; the last is replayed."""
    torch, net, x = bench.torch, bench.for_ms(5), bench.input()
    asking = threading.Event()

    def ask() -> None:
        while not asking.is_set():
            bench.worker.executes.ask_devices()

    thread = threading.Thread(target=ask)
    thread.start()
    captured, broken = 0, ""
    expected = net(x)
    try:
        for _ in range(repeat):
            net(x)
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph):
                result = net(x)
            captured += 1
    except RuntimeError as error:
        broken = f": {error}".splitlines()[0]
    finally:
        asking.set()
        thread.join()
    rows = [holds("captures while events are asked", f"{captured} of {repeat}{broken}", truth=not broken)]
    if broken:
        return rows
    bench.settled()
    truths = [bench.truth(graph.replay)[1] for _ in range(repeat)]
    runs = bench.settled()
    errors = [abs(run.end - run.start - truth) / truth for run, truth in zip(runs, truths, strict=True)]
    return [
        *rows,
        within("a replay", errors),
        holds("a replay computes the same", "", truth=bool(torch.allclose(result, expected))),
    ]


def launches(bench: Bench, count: int) -> list[Row]:
    """What a launch costs more: a small model, with and without the hook, in turns."""
    torch = bench.torch
    net = torch.nn.Sequential(torch.nn.Linear(8, 8)).eval().to(bench.device)
    x = torch.ones(8, 8, device=bench.device)
    module = torch.nn.Module
    hooked = module.__call__
    taken: dict[bool, list[float]] = {True: [], False: []}
    for turn in range(40):
        ours = turn % 2 == 0
        module.__call__ = hooked if ours else hooked.__wrapped__
        bench.settled()
        start = time.perf_counter_ns()
        for _ in range(count // 20):
            net(x)
        taken[ours].append((time.perf_counter_ns() - start) / (count // 20) / 1e3)
    module.__call__ = hooked
    with_us, without = (statistics.median(taken[ours]) for ours in (True, False))
    value = f"{with_us:.1f} us with, {without:.1f} us without: +{with_us - without:.1f} us"
    return [Row(measure="a launch, in the launching thread", value=value)]


def measure(
    torch: Any, worker: Worker, *, repeat: int, count: int, size: int = 2048, device: str = "cuda"
) -> list[Row]:
    """All lines of the table."""
    bench = Bench(torch, worker, size=size, device=device)
    with torch.inference_mode():
        return [
            *one_by_one(bench, repeat),
            *queued(bench, repeat),
            *streams(bench, repeat),
            *graphs(bench, repeat),
            *launches(bench, count),
        ]


def main() -> int:
    """Print the table; the exit code says what became of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeat", type=int, default=30, help="runs of each kind")
    parser.add_argument("--launches", type=int, default=2000, help="launches that are timed")
    options = parser.parse_args()
    try:
        import torch
    except ImportError:
        print("not run: torch is not installed")
        return NOT_RUN
    if not torch.cuda.is_available():
        print("not run: no CUDA device")
        return NOT_RUN
    worker = Worker(Settings(service="gpu_execute"))
    install(worker, [hook for hook in HOOKS if hook.name == "torch"])
    print(f"{torch.cuda.get_device_name()}, torch {torch.__version__}, CUDA {torch.version.cuda}")
    rows = measure(torch, worker, repeat=options.repeat, count=options.launches)
    width = max(len(row.measure) for row in rows)
    for row in rows:
        verdict = "" if row.holds is None else f"limit {row.limit}: {'holds' if row.holds else 'MISSED'}"
        print(f"{row.measure:<{width}}  {row.value}  {verdict}".rstrip())
    print(f"errors of our own: {worker.hooks.errors() or 'none'}")
    return 0 if all(row.holds is not False for row in rows) and not worker.hooks.errors() else 1


if __name__ == "__main__":
    sys.exit(main())
