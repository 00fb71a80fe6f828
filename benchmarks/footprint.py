"""What one import line costs at start: time and resident memory, ours against ddtrace's, fresh processes, interleaved.

Each process imports FastAPI first, as a server has it anyway, and then the one line. Memory is measured twice: after
the import, and after 20,000 requests with the thread that sends them started.

    python benchmarks/footprint.py [--rounds 9]
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

MEASURE = """
import time, os
import fastapi, uvicorn
def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20
before, begin = resident(), time.perf_counter()
{line}
took = (time.perf_counter() - begin) * 1e3
print(took, resident() - before, end=" ")
"""
SERVE = """
import asyncio
import overhead_variants
app = overhead_variants.application()
async def serve():
    for _ in range(20_000):
        await overhead_variants.one(app)
asyncio.run(serve())
print(resident() - before)
"""
LINES = {
    "nothing": "pass",
    "import inferometer.auto": "import inferometer.auto",
    "import ddtrace.auto": "import ddtrace.auto",
}


def once(line: str, environ: dict[str, str]) -> tuple[float, float, float]:
    """Milliseconds and MiB of the import, MiB after requests."""
    code = MEASURE.format(line=line) + SERVE
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environ, check=True)
    took, imported, served = map(float, done.stdout.split())
    return took, imported, served


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    arguments = parser.parse_args()
    found: dict[str, list[tuple[float, float, float]]] = {name: [] for name in LINES}
    with tempfile.TemporaryDirectory() as folder:
        environ = {
            **os.environ,
            "PYTHONPATH": str(Path(__file__).parent),
            "INFEROMETER_RUNTIME_DIR": f"{folder}/run",
            "INFEROMETER_METRICS": "127.0.0.1:0",
            "DD_TRACE_ENABLED": "true",
            "DD_TRACE_AGENT_URL": f"unix://{folder}/nobody.sock",
            "DD_INSTRUMENTATION_TELEMETRY_ENABLED": "false",
        }
        # A server has its modules compiled; to compile them takes time and memory of its own.
        environ.pop("PYTHONDONTWRITEBYTECODE", None)
        for number in range(arguments.rounds + 1):
            for name, line in LINES.items():
                seen = once(line, environ)
                if number:  # the first one reads the files
                    found[name].append(seen)
    medians = {name: [statistics.median(column) for column in zip(*seen, strict=True)] for name, seen in found.items()}
    _, _, bare = medians["nothing"]
    print(
        f"{'medians of fresh processes':28} {'import ms':>10} {'added MiB':>10} {'added MiB after 20,000 requests':>32}"
    )
    for name, (took, imported, served) in medians.items():
        print(f"{name:28} {took:10.1f} {imported:10.1f} {served - bare:32.1f}")
    took, imported, served = medians["import inferometer.auto"]
    print(f"reach: <= 60 ms, <= 15 MiB; {took / medians['import ddtrace.auto'][0]:.2f} x ddtrace.auto's import")


if __name__ == "__main__":
    main()
