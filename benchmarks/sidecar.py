"""How many records a second one core takes in: wire, keeper, series, ledger, recorder, state file.

``python benchmarks/sidecar.py [--records 400000] [--workers 4] [--frame 2500]``

A second process sends frames over the Unix socket, as fast as they are taken; the sidecar is pinned to one core.
Printed: records/s of wall time and of CPU time, the parts of a pass, resident memory. Target: 150,000 records/s through
series, ledger, recorder and keep decision; making spans or exemplars of the 3 % that are kept comes on top.
"""
# The parts of a pass are timed one by one.
# ruff: noqa: SLF001

import argparse
import os
import resource
import secrets
import socket
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

import numpy as np

from inferometer.aggregate import Aggregator, exact_bounds
from inferometer.fleet.objective import Objective, Sli
from inferometer.fleet.thresholds import Price, Thresholds
from inferometer.intake.listeners import listen_unix
from inferometer.intake.passes import Intake, boot_id
from inferometer.intake.server import Server
from inferometer.intake.state import StateFile
from inferometer.wire.frame import Frame, Names, encode
from inferometer.wire.layout import Section
from inferometer.wire.message import Hello, Reader, Type, acked, pack
from inferometer_exporters import pipeline as pipeline_module
from inferometer_exporters.columns.tables import DTYPES
from inferometer_exporters.ledger.account import Device
from inferometer_exporters.pipeline import SidecarPipeline
from inferometer_exporters.recorder.store import Recorder
from inferometer_exporters.sidecar import EARLY_ROWS
from inferometer_exporters.source import Sampler

TARGET = 150_000
EXPORTS = "kept traces"
SHAPES = 24
RATE = 100_000  # records per second of the clock that the stamps are on
THRESHOLDS = Thresholds(
    objectives=tuple(
        Objective(
            slo=f"m{i}-fast", service="svc", model=f"m{i}", name="fast", sli=Sli.LATENCY,
            threshold_ns=60_000_000, target="99", window_ns=1,
        )
        for i in range(6)
    ),
    known_tenants=("t0", "t1"),
    prices=(
        Price(kind="cpu", model="*", picodollars_per_hour=200_000_000_000, price_kind="on_demand", source="list",
              as_of="2026-10-01"),
    ),
)  # fmt: skip


def rows(random, count, begin, shapes=SHAPES):
    """Packed requests and executes: nine stages each, one execute, 1 % errors, ends spread over the rate."""
    requests = np.zeros(count, DTYPES[Section.REQUESTS])
    for name in ("trace_hi", "trace_lo", "span_id"):
        requests[name] = random.integers(1, 1 << 63, count, dtype=np.uint64)
    steps = random.lognormal(13.0, 1.0, (9, count)).astype(np.int64)
    end = begin + (np.arange(count) * (10**9 / RATE)).astype(np.int64)
    at = end - steps.sum(axis=0)
    names = ("arrival", "start", "entry", "body_start", "body_end", "endpoint", "encode", "respond", "last")
    for name, step in zip(names, steps, strict=True):
        requests[name] = at
        at = at + step
    requests["done"] = requests["last"]
    requests["first_chunk"] = requests["last"]
    requests["bytes_in"] = random.integers(100, 5_000, count)
    requests["bytes_out"] = random.integers(100, 5_000, count)
    requests["shape"] = random.integers(0, shapes, count)
    failed = random.random(count) < 0.01
    requests["status"] = np.where(failed, 503, 200)
    requests["outcome"] = np.where(failed, 3, 0)
    requests["flags"] = 1
    executes = np.zeros(count, DTYPES[Section.EXECUTES])
    executes["span_id"] = requests["span_id"]
    executes["execute_id"] = requests["trace_lo"]
    executes["start"] = requests["endpoint"] + 1_000
    executes["end"] = requests["encode"] - 1_000
    executes["device"], executes["batch_size"], executes["final"] = 1, 1, 1
    return requests, executes


def send(path, args):
    """The workers, in a process of their own: everything is packed before the clock runs."""
    random = np.random.default_rng(7)
    shapes = {i: ("svc", f"m{i % 6}", "v1", "", f"t{i % 4}", "", "POST", f"/m{i % 6}") for i in range(SHAPES)}
    names = Names(shapes, {1: "host"})
    now = time.monotonic_ns()
    per_worker = args.records // args.workers
    blobs = []
    for _ in range(args.workers):
        worker_id = secrets.token_bytes(16)
        hello = Hello(
            worker_id=worker_id, pid=os.getpid(), service="svc", sdk_version="0", boot_id=boot_id(), host="host",
            start_ns=now, names=names,
        )  # fmt: skip
        messages = [pack(Type.HELLO, hello.to_bytes())]
        for sequence in range(1, per_worker // args.frame + 1):
            # All workers' frames advance together, as they do in life.
            anchor = now - 10**10 + sequence * args.frame * args.workers * 10**9 // RATE
            requests, executes = rows(random, args.frame, anchor - args.frame * 10**9 // RATE)
            frame = Frame(
                worker_id=worker_id,
                sequence=sequence,
                monotonic_ns=anchor,
                wall_ns=time.time_ns() + anchor - now,
                gauges={"in_flight": 3},
                tables={Section.REQUESTS: requests.tobytes(), Section.EXECUTES: executes.tobytes()},
            )
            messages.append(pack(Type.FRAME, encode(frame)))
        blobs.append(messages)
    connections = []
    for messages in blobs:
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(str(path))
        connection.sendall(messages[0])
        connections.append(connection)
    for turn in range(1, len(blobs[0])):
        for connection, messages in zip(connections, blobs, strict=True):
            connection.sendall(messages[turn])
    for connection, messages in zip(connections, blobs, strict=True):
        reader, last = Reader(), 0
        while last < len(messages) - 1:
            for kind, payload in reader.feed(connection.recv(65_536)):
                last = acked(payload) if kind == Type.ACK else last
    for connection in connections:
        connection.close()


class Stopwatch:
    """CPU time of this thread by part, outermost call only."""

    def __init__(self):
        self.spent = defaultdict(int)

    def wrap(self, owner, name, part):
        """Count what ``owner.name`` takes as *part*."""
        inner = getattr(owner, name)

        def timed(*args, **kwargs):
            begin = time.thread_time_ns()
            try:
                return inner(*args, **kwargs)
            finally:
                self.spent[part] += time.thread_time_ns() - begin

        setattr(owner, name, timed)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=400_000)
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--frame", type=int, default=2_500, help="records per frame")
    args = parser.parse_args()
    folder = tempfile.TemporaryDirectory(prefix="inferometer-bench-")
    base = Path(folder.name)
    listener = listen_unix(base / "sidecar.sock")
    child = os.fork()
    if child == 0:
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
        listener.release()
        send(base / "sidecar.sock", args)
        os._exit(0)
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    recorder = Recorder(base / "recorder.duckdb")
    pipeline = SidecarPipeline(
        recorder,
        THRESHOLDS,
        Device(name="host", kind="cpu"),
        Aggregator(extra_bounds=exact_bounds(THRESHOLDS)),
        sampler=Sampler([]),
        # The stamps lie in the past, so that any rate can be tried: the ledger begins before them.
        monotonic_ns=lambda: time.monotonic_ns() - 10**10,
    )
    server = Server([listener], boot_id=boot_id())
    intake = Intake(server, pipeline, StateFile(base / "state"), boot_id=boot_id(), early_rows=EARLY_ROWS)
    watch = Stopwatch()
    instrument(watch, server, intake, pipeline)
    intake.restore()
    want = args.records // args.workers // args.frame * args.frame * args.workers
    passes = 0
    while not server.inbox.requests:
        server.poll(0.1)
    wall, cpu = time.perf_counter(), time.process_time()
    before = time.thread_time()
    while pipeline.taken < want:
        intake.turn()
        passes += 1
    wall, cpu, thread = time.perf_counter() - wall, time.process_time() - cpu, time.thread_time() - before
    os.waitpid(child, 0)
    report(watch, want, passes, (wall, cpu, thread))
    intake.close()
    recorder.close()
    folder.cleanup()
    return 0 if want / (cpu - watch.spent[EXPORTS] / 1e9) >= TARGET else 1


def instrument(watch, server, intake, pipeline):
    """Watch the parts from outside: they are private, and nothing in them is made for being timed."""
    pipeline.taken = 0
    finished = pipeline._columns.finished

    def counting(columns, *rest):
        pipeline.taken += len(columns["span_id"])
        finished(columns, *rest)

    pipeline._columns.finished = counting
    watch.wrap(server, "poll", "receive, decode")
    watch.wrap(pipeline_module, "gather", "gather columns")
    watch.wrap(pipeline_module, "partition", "stages")
    watch.wrap(pipeline._columns, "finished", "series")
    watch.wrap(pipeline._settlement._hold, "add", "hold")
    watch.wrap(pipeline._settlement._hold, "released", "hold")
    watch.wrap(pipeline.ledger, "announce", "ledger")
    watch.wrap(pipeline.ledger, "sweep", "ledger")
    watch.wrap(pipeline.ledger, "released", "ledger")
    watch.wrap(pipeline._charges, "settled", "cost series")
    watch.wrap(pipeline._traces, "judge", "keeper")
    watch.wrap(pipeline._traces, "send", EXPORTS)
    watch.wrap(pipeline._unstored._recorder, "write", "recorder")
    watch.wrap(pipeline, "dump", "state: dump")
    watch.wrap(intake._state, "write", "state: write")
    watch.wrap(pipeline, "publish", "publish")


def report(watch, want, passes, spent):
    wall, cpu, thread = spent
    print(f"{want} records in {passes} passes ({want / passes:.0f} a pass)")
    print(f"  wall {want / wall:>9,.0f} records/s")
    before = cpu - watch.spent[EXPORTS] / 1e9
    print(f"  cpu  {want / before:>9,.0f} records/s on one core ({before / want * 1e6:.2f} µs each; target {TARGET:,})")
    print(f"       {want / cpu:>9,.0f} records/s with the kept traces made, too ({cpu / want * 1e6:.2f} µs a record)")
    rest = thread * 1e9 - sum(watch.spent.values())
    for part, ns in sorted({**watch.spent, "rest": rest}.items(), key=lambda item: -item[1]):
        print(f"    {part:<18}{ns / want / 1e3:>7.2f} µs a record")
    print(f"  resident {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB at most")


if __name__ == "__main__":
    sys.exit(main())
