"""What it costs to read 8 GPUs each second through NVML: ours against a plain loop over the bindings, in one run.

    python benchmarks/nvml.py [--gpus 8] [--rounds 60]

The driver is the stand-in of tests/exporters/gpus/fake_nvml.c, which NVIDIA's own bindings load; gcc compiles it here.
Its calls take as long as real ones:

* 360 us a call: 2,743 reads of power in a second on a K40m (github.com/wookayin/gpustat, issue 76). Most calls are
  faster on later drivers, so this is a bound rather than a mean.
* 20 ms for nvmlDeviceGetPcieThroughput: the window over which it measures (nvml.h). The plain loop makes this call
  twice per GPU, as monitors of GPUs do; ours reads counters.
* 500 ms for a wait for events: what we ask for.

Whether the driver waits in a call or works is not known, and differs by call, so both are measured. "waits" is what
reading costs by itself: bindings, threads, totals, readings, and what the stand-in does to find its answer. "works"
has every microsecond of every call on the CPU. CPU time of all threads, of which each round is one second's worth: a
tenth of the rounds are those that also read what is read every ten seconds.

Exits 0 when the limit holds, 1 when it does not, 2 when nothing was run since there is no gcc.
"""

import argparse
import ctypes
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pynvml

from inferometer.aggregate import Aggregator
from inferometer_exporters.gpus.nvml import Nvml
from inferometer_exporters.health import Health
from inferometer_exporters.source import Sample, Sampler

SOURCE = Path(__file__).parents[1] / "tests" / "exporters" / "gpus" / "fake_nvml.c"
CALL_US = 360
LIMIT = 0.01
SLOW_EVERY = 10
NOT_RUN = 2
EVERYTHING = """
* utilization 73
* power 412345
* limit 700000
* celsius 61
* sm_clock 1755
* memory_clock 2619
* used 30000000000
* reserved 500000000
* total 85000000000
* reasons 4
* ecc_corrected 0
* ecc_uncorrected 0
* gpm 1
* metric 2 62.5
* metric 3 40
* metric 5 31.25
* metric 10 80
* process 100 5000000
* share 100 10 60
* delay nvmlEventSetWait_v2 500000
"""
FIELDS = (74, 75, 76, 77, 79, 83, 138, 139, 186, 197, 198)
PLAIN_FIELDS = (74, 75, 76, 83, 138, 139)
"""Those that the plain loop asks for; power and PCIe have calls of their own there."""
CALLS = (
    "nvmlDeviceGetUtilizationRates", "nvmlDeviceGetMemoryInfo", "nvmlDeviceGetMemoryInfo_v2",
    "nvmlDeviceGetTemperature", "nvmlDeviceGetClockInfo", "nvmlDeviceGetCurrentClocksEventReasons",
    "nvmlDeviceGetPowerUsage", "nvmlDeviceGetFieldValues", "nvmlDeviceGetEnforcedPowerLimit",
    "nvmlDeviceGetTotalEccErrors", "nvmlDeviceGetComputeRunningProcesses_v3", "nvmlDeviceGetProcessUtilization",
    "nvmlDeviceGetMPSComputeRunningProcesses_v3", "nvmlDeviceGetMigMode", "nvmlGpmSampleGet", "nvmlGpmMetricsGet",
)  # fmt: skip


class Clock:
    """The host's clock and the seconds that rounds stand for."""

    ahead = 0.0

    def now(self) -> float:
        """Seconds."""
        return time.monotonic() + self.ahead


def compiled(folder: Path) -> ctypes.CDLL:
    """The stand-in, loaded under the name that the bindings look for."""
    library = folder / "libnvidia-ml.so.1"
    flags = ["-shared", "-fPIC", "-O2", f"-Wl,-soname,{library.name}"]
    subprocess.run(["gcc", *flags, "-o", str(library), str(SOURCE), "-lpthread"], check=True)  # noqa: S607 - of the PATH
    return ctypes.CDLL(str(library), mode=ctypes.RTLD_GLOBAL)


def script(path: Path, gpus: int, how: str) -> None:
    """Write what the stand-in answers; *how* says whether a call sleeps (delay) or works (spin)."""
    fields = "".join(f"* field {field} rate {1_000 * field}\n" for field in FIELDS)
    times = "".join(f"* {how} {call} {CALL_US}\n" for call in CALLS)
    fresh = path.with_suffix(".fresh")
    fresh.write_text(f"* devices {gpus}\n{EVERYTHING}{fields}{times}", encoding="utf-8")
    fresh.replace(path)
    time.sleep(0.01)


def plain(gpus: int, *, slow: bool) -> None:
    """One round of somebody who asks for the same values, call by call."""
    for index in range(gpus):
        handle = pynvml.nvmlDeviceGetHandleByIndex(index)
        pynvml.nvmlDeviceGetUtilizationRates(handle)
        pynvml.nvmlDeviceGetMemoryInfo(handle)
        pynvml.nvmlDeviceGetTemperature(handle, pynvml.NVML_TEMPERATURE_GPU)
        pynvml.nvmlDeviceGetClockInfo(handle, pynvml.NVML_CLOCK_SM)
        pynvml.nvmlDeviceGetClockInfo(handle, pynvml.NVML_CLOCK_MEM)
        pynvml.nvmlDeviceGetPowerUsage(handle)
        pynvml.nvmlDeviceGetCurrentClocksEventReasons(handle)
        pynvml.nvmlDeviceGetPcieThroughput(handle, pynvml.NVML_PCIE_UTIL_TX_BYTES)
        pynvml.nvmlDeviceGetPcieThroughput(handle, pynvml.NVML_PCIE_UTIL_RX_BYTES)
        for field in PLAIN_FIELDS:
            pynvml.nvmlDeviceGetFieldValues(handle, [field])
        if slow:
            pynvml.nvmlDeviceGetEnforcedPowerLimit(handle)
            pynvml.nvmlDeviceGetTotalEccErrors(handle, 0, 0)
            pynvml.nvmlDeviceGetTotalEccErrors(handle, 1, 0)
            pynvml.nvmlDeviceGetComputeRunningProcesses_v3(handle)
            pynvml.nvmlDeviceGetMPSComputeRunningProcesses_v3(handle)
            pynvml.nvmlDeviceGetProcessUtilization(handle, 0)


def spent(what: Callable[[], object]) -> tuple[float, float]:
    """CPU time of all threads and wall time, seconds."""
    began, wall = time.process_time(), time.perf_counter()
    what()
    return time.process_time() - began, time.perf_counter() - wall


class Shown(Sampler):
    """Hands on readings that were taken elsewhere."""

    def __init__(self) -> None:
        super().__init__([])
        self.sample = Sample(0, "nvml", (), 0)

    def samples(self) -> list[Sample]:
        """The last ones."""
        return [self.sample]


def rounds(source: Nvml, clock: Clock, number: int, gpus: int) -> tuple[dict[str, list[float]], dict[str, list[float]]]:
    """CPU and wall time of each round of each, in turn; and what it costs to show ours, each quarter of a second."""
    shown = Shown()
    health = Health(Aggregator(), shown)
    cpu: dict[str, list[float]] = {"ours": [], "plain": [], "shown": []}
    wall: dict[str, list[float]] = {"ours": [], "plain": [], "shown": []}

    def read() -> None:
        shown.sample = Sample(0, "nvml", tuple(source.read()), time.monotonic_ns())

    def show() -> None:
        for _ in range(4):
            health.show()

    for turn in range(number):
        clock.ahead += 1
        slow = turn % SLOW_EVERY == 0
        for name, what in (("ours", read), ("plain", lambda slow=slow: plain(gpus, slow=slow)), ("shown", show)):
            busy, took = spent(what)
            cpu[name].append(busy)
            wall[name].append(took)
    if len(shown.sample.readings) < 20 * gpus:
        raise SystemExit(f"only {len(shown.sample.readings)} readings of {gpus} GPUs: the stand-in was not read")
    return cpu, wall


def main() -> int:
    """Measure, print, compare with the limit."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gpus", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=60)
    options = parser.parse_args()
    if shutil.which("gcc") is None:
        print("not run: there is no gcc to compile the stand-in for NVIDIA's library", file=sys.stderr)
        return NOT_RUN
    with tempfile.TemporaryDirectory() as folder:
        library = compiled(Path(folder))
        path = Path(folder) / "script"
        held = True
        print(f"{options.gpus} GPUs, {options.rounds} rounds of one second's worth, {CALL_US} us a call")
        print(
            f"{'driver':8}{'reader':8}{'CPU a round':>14}{'of a core':>11}{'wall a round':>14}{'CPU, ours/plain':>17}"
        )
        for word, how in (("waits", "delay"), ("works", "spin")):
            script(path, options.gpus, how)
            library.fake_script(os.fsencode(path))
            clock = Clock()
            source = Nvml(monotonic=clock.now)
            source.read()
            cpu, wall = rounds(source, clock, options.rounds, options.gpus)
            source.close()
            mean = {name: statistics.fmean(values) for name, values in cpu.items()}
            for name, label in (("ours", "ours"), ("shown", "+ shown"), ("plain", "plain")):
                ratio = f"{mean['ours'] / mean['plain']:.2f}" if name == "ours" else ""
                took = statistics.median(wall[name])
                print(f"{word:8}{label:8}{mean[name] * 1e3:11.2f} ms{mean[name]:11.2%}{took * 1e3:11.1f} ms{ratio:>12}")
            if word == "waits":
                held = mean["ours"] + mean["shown"] <= LIMIT
    print(f"reading and showing, where the driver waits: limit {LIMIT:.0%} of a core: {'holds' if held else 'FAILS'}")
    return int(not held)


if __name__ == "__main__":
    sys.exit(main())
