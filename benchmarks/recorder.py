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
from recorder_day import DAY, MODELS, SECOND, TENANTS, WALL, calls, executes, ledger, requests

from inferometer.fleet.objective import Objective, Sli
from inferometer.fleet.thresholds import Thresholds
from inferometer_exporters import sidecar  # noqa: F401 - all that a sidecar imports is resident, too
from inferometer_exporters.recorder.schema import DIMENSIONS
from inferometer_exporters.recorder.store import Bounds, Recorder

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
