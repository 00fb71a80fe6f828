"""The flight recorder with a million requests: speed of writing, bytes, resident memory, time of every question.

``python benchmarks/recorder.py [--requests 1000000] [--rows 4000] [--keep FILE]``

A day of a fleet of six models, a third of them gateways, in passes of ``--rows`` requests, through `Recorder.write`
with the sidecar's own settings. Questions are asked in a fresh process, as CPU time (user and system, all threads),
median of five. Targets: 200 MiB resident with 1M requests, 300 ms of CPU for any answer of the API.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from inferometer.catalog.stages import Stage
from inferometer.fleet.objective import Objective, Sli
from inferometer.fleet.thresholds import Thresholds
from inferometer_exporters import sidecar  # noqa: F401 - all that a sidecar imports is resident, too
from inferometer_exporters.columns.segments import DURATION_SHIFT, MERGED_SHIFT, STAGE_SHIFT
from inferometer_exporters.ledger.account import State
from inferometer_exporters.recorder.insertion import SEGMENTS
from inferometer_exporters.recorder.schema import DIMENSIONS, STAGE_COLUMNS
from inferometer_exporters.recorder.store import Bounds, Recorder

SECOND = 10**9
DAY = 86_400
MODELS = 6
TENANTS = 5
WALL = 1_790_000_000 * SECOND
CPU_TARGET_SECONDS = 0.3
RESIDENT_TARGET_MIB = 200
PASSES_PER_ENTRY = 4
MIB = 1 << 20
OK = 200
_KNOWN = ("pass", "id", "worker", "pid", "host", "service")
THRESHOLDS = Thresholds(
    objectives=tuple(
        Objective(
            slo=f"m{i}-fast", service="svc", model=f"m{i}", name="fast", sli=Sli.LATENCY,
            threshold_ns=60_000_000, target="99", window_ns=1,
        )
        for i in range(MODELS)
    ),
)  # fmt: skip


def requests(random, count, start):
    """Columns of requests, a day's of which began at *start* (ns of each): as `Hold` releases them."""
    stages = random.lognormal(14.0, 1.2, (len(STAGE_COLUMNS), count)).astype(np.int64)
    stages[random.random((len(STAGE_COLUMNS), count)) < 0.35] = 0
    segments = np.zeros((len(SEGMENTS), count), np.int64)
    for place, stage in enumerate(Stage):
        segments[place] = stages[place] << DURATION_SHIFT | 1 << MERGED_SHIFT | int(stage) << STAGE_SHIFT
    duration = stages.sum(axis=0)
    model = random.integers(0, MODELS, count)
    streams = model == 0
    executed = model % 3 != 0
    execute_ns = np.where(executed, stages[list(STAGE_COLUMNS).index("execute_ns")], 0)
    unknown = np.full(count, -1, np.int64)
    return {
        "trace_hi": random.integers(1, 1 << 63, count).astype(np.uint64),
        "trace_lo": random.integers(1, 1 << 63, count).astype(np.uint64),
        "span_id": random.integers(1, 1 << 63, count).astype(np.uint64),
        "parent_id": np.where(model == 1, random.integers(1, 1 << 63, count), 0).astype(np.uint64),
        "start_ns": start,
        "wall_ns": WALL + start,
        "duration_ns": duration,
        **dict(zip(STAGE_COLUMNS, stages, strict=True)),
        **dict(zip(SEGMENTS, segments, strict=True)),
        "segment_count": np.full(count, len(STAGE_COLUMNS)),
        "first_chunk_ns": np.where(streams, duration // 4, -1),
        "first_token_ns": np.where(streams, duration // 3, -1),
        "last_token_ns": np.where(streams, duration, -1),
        "proxy_wait_ns": unknown,
        "labels": (1 + model * TENANTS + random.integers(0, TENANTS, count)).astype(np.uint32),
        "process": random.integers(1, 5, count).astype(np.uint32),
        "outcome": np.where(random.random(count) < 0.01, 3, 0).astype(np.uint8),
        "status": np.full(count, 200, np.uint16),
        "flags": np.where(model == 1, 0, 1).astype(np.uint8),
        "bytes_in": random.integers(100, 5_000, count),
        "bytes_out": random.integers(100, 50_000, count),
        "chunks": np.ones(count, np.uint32),
        "tokens_in": np.where(streams, random.integers(10, 2_000, count), 0).astype(np.uint32),
        "tokens_out": np.where(streams, random.integers(10, 500, count), 0).astype(np.uint32),
        "device": np.where(executed, 1 + model % 2, 0).astype(np.uint32),
        "batch_id": np.zeros(count, np.uint64),
        "batch_size": np.where(executed, 1, 0).astype(np.uint32),
        "device_ns": execute_ns,
        "cost": execute_ns * 83 // 100,
        "energy": execute_ns // 3_000,
        "method": np.where(executed, 0, -1),
        "utilization": np.where(executed, np.round(random.random(count), 2), np.nan),
        "sm_clock": np.where(executed, 1_980_000_000, -1),
        "throttle": np.where(executed, 0, -1),
        "throttled_ns": np.where(executed, 0, -1),
        "temperature": np.where(executed, 61.0, np.nan),
    }


def executes(rows):
    """Their runs, one for each request that used a device."""
    mine = np.flatnonzero(rows["device"] > 0)
    start = rows["start_ns"][mine]
    return {
        "span_id": rows["span_id"][mine],
        "execute_id": rows["trace_lo"][mine],
        "batch_id": np.zeros(len(mine), np.uint64),
        "queued_ns": start,
        "start_ns": start,
        "end_ns": start + rows["device_ns"][mine],
        "device": rows["device"][mine],
        "batch_size": np.ones(len(mine), np.uint32),
        "rows": np.ones(len(mine), np.uint32),
        "kind": np.zeros(len(mine), np.uint8),
        "device_ns": rows["device_ns"][mine],
        "cost": rows["cost"][mine],
        "energy": rows["energy"][mine],
        "method": rows["method"][mine],
    }


def calls(rows):
    """The calls that led to those requests that have a caller."""
    mine = np.flatnonzero(rows["parent_id"] > 0)
    start = rows["start_ns"][mine]
    end = start + rows["duration_ns"][mine]
    return {
        "span_id": rows["trace_lo"][mine],
        "call_id": rows["parent_id"][mine],
        "start_ns": start,
        "sent_ns": start,
        "headers_ns": end,
        "end_ns": end,
        "server_ns": rows["duration_ns"][mine],
        "target": np.full(len(mine), 3, np.uint32),
        "method": np.full(len(mine), 4, np.uint32),
        "status": np.full(len(mine), 200, np.uint16),
        "kind": np.zeros(len(mine), np.uint8),
        "attempt": np.ones(len(mine), np.uint8),
        "foreign_span": np.zeros(len(mine), np.uint8),
        "outcome": np.zeros(len(mine), np.uint8),
    }


def ledger(wall_ns, spent):
    """The ledger's entries at a moment, *spent* ns after its begin, of two devices."""
    states = [state.value for state in State]
    count = 2 * len(states)
    return {
        "wall_ns": np.full(count, wall_ns),
        "device": np.repeat([1, 2], len(states)),
        "state": np.array(states * 2, object),
        "ns": np.full(count, spent // len(states)),
        "span_ns": np.full(count, spent // len(states) * len(states)),
        "bill": np.full(count, spent * 83 // 100),
        "idle_cost": np.full(count, spent * 40 // 100),
        "picodollars_per_hour": np.full(count, 2_990_000_000_000),
        "price_kind": np.array(["reserved"] * count, object),
        "price_source": np.array(["contract"] * count, object),
        "price_as_of": np.array(["2026-10-01"] * count, object),
        "kind": np.array(["gpu"] * count, object),
        "model": np.array(["NVIDIA H100 80GB HBM3"] * count, object),
    }


def fill(path, args):
    """Write everything; what it took."""
    recorder = Recorder(path, Bounds())
    for model in range(MODELS):
        for tenant in range(TENANTS):
            route = f"/m{model}"
            name = "" if model % 3 == 0 else f"m{model}"
            recorder.labels.number(("svc", name, "v1", "", f"t{tenant}", "", "POST", route, f"t{tenant}"))
    for name in ("GPU-1", "GPU-2", "127.0.0.1:8101", "POST"):
        recorder.names.number((name,))
    for pid in range(4):
        # Behind the service stands where in a cluster it runs; outside of one all of that is empty.
        recorder.processes.number((pid + 1, pid, "host", "svc", *[""] * (len(DIMENSIONS["processes"]) - len(_KNOWN))))
    random = np.random.default_rng(7)
    step = DAY * SECOND // args.requests
    spent = stored = passes = 0
    longest = 0.0
    while stored < args.requests:
        count = min(args.rows, args.requests - stored)
        rows = requests(random, count, (np.arange(stored, stored + count) * step).astype(np.int64))
        at = WALL + (stored + count) * step
        batches = {"requests": rows, "executes": executes(rows), "calls": calls(rows)}
        passes += 1
        # Entries are made each second, passes up to four times as often.
        if not passes % PASSES_PER_ENTRY:
            batches["ledger"] = ledger(at, (stored + count) * step)
        began = time.process_time_ns()
        recorder.write(passes, batches)
        if not passes % 20:
            recorder.trim(at)
        took = time.process_time_ns() - began
        spent += took
        longest = max(longest, took / 1e9)
        stored += count
    resident, peak = rss()
    size = recorder.size
    recorder.close()
    return {
        "cpu_seconds": spent / 1e9, "rows": stored, "passes": passes, "longest_pass_seconds": longest,
        "bytes": size, "file_bytes": path.stat().st_size, "resident_mib": resident, "peak_mib": peak,
    }  # fmt: skip


def rss():
    """Resident memory now and at most, MiB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / MIB, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def questions(path):
    """Every view of the API on a filled recorder: name -> median CPU seconds; resident memory after all of them."""
    from starlette.testclient import TestClient

    from inferometer_exporters.api import Api

    recorder = Recorder(path, Bounds())
    end = recorder.cursor().execute("select max(wall_ns) from requests").fetchall()[0][0]
    trace = recorder.cursor().execute("select trace_hi, trace_lo from requests limit 1 offset 500000").fetchall()
    hi, lo = trace[0] if trace else (0, 1)
    api = Api(recorder.cursor, THRESHOLDS, healthy=lambda: True, wall_ns=lambda: end)
    found = {}
    with TestClient(api.app()) as client:
        for url in URLS:
            took = []
            for _ in range(5):
                began = time.process_time()
                answer = client.get(url.format(trace=f"{hi:016x}{lo:016x}"))
                took.append(time.process_time() - began)
            found[url] = statistics.median(took), len(answer.content), answer.status_code
    resident, peak = rss()
    recorder.close()
    return {"questions": found, "resident_mib": resident, "peak_mib": peak}


URLS = (
    "/api/summary",
    "/api/summary?since_seconds=3600",
    "/api/slowest?n=20",
    "/api/stages",
    "/api/stages?since_seconds=3600&bucket_seconds=60",
    "/api/cost?by=model,tenant",
    "/api/cost?by=model&since_seconds=3600",
    "/api/requests?n=100",
    "/api/requests?n=100&tenant=t1&outcome=server_error",
    "/api/requests?n=100&model=m2&min_seconds=0.05",
    "/api/requests?n=100&stage=queue&min_share=0.6&min_cost_usd=0.00001",
    "/api/trace/{trace}",
)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=1_000_000)
    parser.add_argument("--rows", type=int, default=4_000, help="requests a pass")
    parser.add_argument("--keep", type=Path, help="fill this file, or ask it where it is there")
    parser.add_argument("--ask", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.ask:
        print(json.dumps(questions(args.ask)))
        return 0
    with tempfile.TemporaryDirectory(prefix="inferometer-bench-") as folder:
        path = args.keep or Path(folder) / "recorder.duckdb"
        resident = 0.0
        if not path.exists():
            wrote = fill(path, args)
            resident = wrote["resident_mib"]
            print(
                f"{wrote['rows']:,} requests in {wrote['passes']} passes\n"
                f"  write    {wrote['rows'] / wrote['cpu_seconds']:>9,.0f} requests/s of CPU"
                f" ({wrote['cpu_seconds'] / wrote['rows'] * 1e6:.2f} µs each; longest pass"
                f" {wrote['longest_pass_seconds'] * 1e3:.0f} ms)\n"
                f"  file     {wrote['bytes'] / wrote['rows']:>9,.0f} bytes a request ({wrote['bytes'] / MIB:.0f} MiB)\n"
                f"  resident {resident:>9,.0f} MiB after, {wrote['peak_mib']:.0f} at most"
            )
        done = subprocess.run(
            [sys.executable, __file__, "--ask", str(path)], capture_output=True, text=True, check=True
        )
    asked = json.loads(done.stdout)
    print(f"questions: resident {asked['resident_mib']:,.0f} MiB after all of them, {asked['peak_mib']:.0f} at most")
    for url, (seconds, size, status) in asked["questions"].items():
        refused = "" if status == OK else f"  refused: {status}"
        print(f"  {seconds * 1e3:>7.0f} ms of CPU  {size / 1024:>7.1f} KiB  {url}{refused}")
    slowest = max(seconds for seconds, _, _ in asked["questions"].values())
    answered = all(status == OK for *_, status in asked["questions"].values())
    resident = max(resident, asked["resident_mib"])
    return 0 if answered and slowest <= CPU_TARGET_SECONDS and resident <= RESIDENT_TARGET_MIB else 1


if __name__ == "__main__":
    sys.exit(main())
