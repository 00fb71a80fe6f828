"""The live page over a million requests: server time of every view, news to screen, first paint.

``python benchmarks/live_page.py [--requests 1000000] [--recorder FILE] [--no-browser]``

The recorder is that of `benchmarks/recorder.py` (a day of six models). Every view is asked for through the whole
application, cold cache of the page's own: CPU time of the process (user and system) and wall time, median of five.
Targets: 300 ms of CPU for any view of any length, first paint within 1 s. As a peer each view of a day is made of every
single request as well, without the sums of minutes; the ratio says what those are worth on any machine.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import recorder as filled
from live_page_screen import news, painted
from live_page_views import views

CPU_TARGET_SECONDS = 0.3
PAINT_TARGET_MS = 1_000


def run(mode, path):
    """One of the measurements in a fresh process."""
    # The sidecar sets it, too: on a busy machine a second thread of BLAS waits for the first in a loop.
    own = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
    command = [sys.executable, __file__, mode, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=own)
    if done.returncode:
        sys.exit(done.stderr)
    return json.loads(done.stdout)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=1_000_000)
    parser.add_argument("--rows", type=int, default=4_000, help="requests a pass")
    parser.add_argument("--recorder", type=Path, help="fill this file, or ask it where it is there")
    parser.add_argument("--no-browser", action="store_true", help="server time only")
    parser.add_argument("--ask", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--paint", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.ask or args.paint:
        print(json.dumps(views(args.ask) if args.ask else painted(args.paint)))
        return 0
    with tempfile.TemporaryDirectory(prefix="inferometer-bench-") as folder:
        path = args.recorder or Path(folder) / "recorder.duckdb"
        if not path.exists():
            filled.fill(path, args)
        asked = run("--ask", path)
        paints = {} if args.no_browser else run("--paint", path)
        took = [] if args.no_browser else news(folder)
    print(
        f"{asked['summed']:,} requests; sums of minutes made at"
        f" {asked['summed'] / max(asked['catching_up'], 1e-9):,.0f} requests/s of CPU;"
        f" resident at most {asked['peak_mib']:.0f} MiB"
    )
    for name, (cpu, wall, size) in asked["views"].items():
        print(f"  {cpu * 1e3:>6.0f} ms of CPU  {wall * 1e3:>6.0f} ms wall  {size / 1024:>7.1f} KiB  {name}")
    for view, seconds in asked["raw"].items():
        ratio = seconds / asked["views"][f"{view}, 24 h"][0]
        print(f"  {seconds * 1e3:>6.0f} ms of CPU without sums: {ratio:.1f} times as much  {view}, 24 h")
    for path_, (paint, data) in paints.items():
        print(f"  first paint {paint:>5.0f} ms, data {data:>5.0f} ms  {path_}")
    if took:
        print(f"  request's end to screen {statistics.median(took) * 1e3:.0f} ms, {max(took) * 1e3:.0f} at most")
    slowest = max(cpu for cpu, _, _ in asked["views"].values())
    late = max((paint for paint, _ in paints.values()), default=0)
    return 0 if slowest <= CPU_TARGET_SECONDS and late <= PAINT_TARGET_MS else 1


if __name__ == "__main__":
    sys.exit(main())
