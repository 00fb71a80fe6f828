"""The sidecar on a machine with a GPU: readings against nvidia-smi, what a round costs, energy, ledger against truth.

    python benchmarks/gpu_sidecar.py [--rounds 100] [--seconds 20] [--torch-python PYTHON]

* Readings: each one between what nvidia-smi says just before and just after, give or take what is printed.
* Cost: wall and CPU time of a round, p50 and p99 of each call, and how often the energy counter changes.
* Energy of a fixed torch job (`gpu_job.py`, run by PYTHON, which has torch): the device's counter against the integral
  of power, both sampled once a second, as the sidecar does.
* Ledger: device seconds that a real sidecar attributes to that job against those that the job measured itself.

Exits 0 when all limits hold, 1 when one does not, 2 when nothing was run since there is no GPU.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from inferometer.catalog import devices, gpus
from inferometer.catalog.labels import DEVICE, DEVICE_STATE
from inferometer.catalog.model import Series
from inferometer_exporters.gpus import nvml_library as library
from inferometer_exporters.gpus.choice import GpuChoice, local_gpus
from inferometer_exporters.gpus.nvml import Nvml
from inferometer_exporters.gpus.nvml_activity import METRICS
from inferometer_exporters.gpus.nvml_library import Call, Handle
from inferometer_exporters.gpus.nvml_totals import Energy
from inferometer_exporters.source import Reading

NOT_RUN = 2
JOB = Path(__file__).with_name("gpu_job.py")
SDK = JOB.parents[1] / "instrumentation"
"""What the job's Python imports of this checkout; nothing of ours has to be installed there."""
MEBI = 2**20
MEGA = 10**6
LEDGER_LIMIT = 0.05
ENERGY_LIMIT = 0.15
"""Power is a sample each second, and on A100 and H100 the sensor sees a quarter of the time (arXiv 2312.02741)."""
SETTLE_SECONDS = 30.0
WARM = "warm"
"""How the job says that it is ready."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A line of the table; `holds` is None where there is no limit."""

    measure: str
    value: str
    limit: str = ""
    holds: bool | None = None


@dataclass(frozen=True, slots=True)
class Peer:
    """What nvidia-smi calls a series of ours."""

    query: str
    entry: Series
    scale: float
    """Its unit in ours."""
    slack: float
    """Difference, in its unit, that its rounding and the moment between two readings explain."""


PEERS = (
    Peer("utilization.gpu", gpus.GPU_UTILIZATION, 0.01, 5),
    Peer("memory.used", gpus.GPU_MEMORY_USED, MEBI, 2),
    Peer("memory.total", gpus.GPU_MEMORY_TOTAL, MEBI, 1),
    Peer("power.draw.instant", gpus.GPU_POWER, 1, 10),
    Peer("enforced.power.limit", gpus.GPU_POWER_LIMIT, 1, 0.01),
    Peer("temperature.gpu", gpus.GPU_TEMPERATURE, 1, 1),
    Peer("clocks.sm", gpus.GPU_SM_CLOCK, MEGA, 15),
    Peer("clocks.mem", gpus.GPU_MEMORY_CLOCK, MEGA, 1),
)


def smi() -> dict[str, list[float | None]]:
    """What nvidia-smi says of each GPU now; None for what it does not know."""
    query = ",".join(("uuid", *(peer.query for peer in PEERS)))
    command = ["nvidia-smi", f"--query-gpu={query}", "--format=csv,noheader,nounits"]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    cells = [[cell.strip() for cell in line.split(",")] for line in lines if line.strip()]
    return {uuid: [_number(cell) for cell in values] for uuid, *values in cells}


def _number(cell: str) -> float | None:
    try:
        return float(cell)
    except ValueError:
        return None  # "[N/A]"


def against_smi(source: Nvml) -> list[Row]:
    """Each series that nvidia-smi has, too."""
    if shutil.which("nvidia-smi") is None:
        return [Row(measure="readings against nvidia-smi", value="not run: there is no nvidia-smi")]
    before = smi()
    ours = {(reading.entry.name, reading.labels[:1]): reading.value for reading in source.read()}
    after = smi()
    rows = []
    for uuid, first in before.items():
        for peer, low, high in zip(PEERS, first, after.get(uuid, [None] * len(PEERS)), strict=True):
            value = ours.get((peer.entry.name, (uuid,)))
            if low is None or high is None or value is None:
                both = low is None and value is None
                told = f"nvidia-smi {low}, ours {value}"
                rows.append(Row(measure=f"{peer.entry.name} {uuid}", value=told, limit="both or none", holds=both))
                continue
            found = value / peer.scale
            inside = min(low, high) - peer.slack <= found <= max(low, high) + peer.slack
            told = f"nvidia-smi {low:g}, ours {found:g}, nvidia-smi {high:g}"
            rows.append(Row(measure=f"{peer.entry.name} {uuid}", value=told, limit=f"± {peer.slack:g}", holds=inside))
    return rows


def timed(what: Callable[[], object], number: int) -> list[float]:
    """Wall time of each of so many turns, microseconds."""
    times = []
    for _ in range(number):
        began = time.perf_counter_ns()
        what()
        times.append((time.perf_counter_ns() - began) / 1e3)
    return times


def percentiles(times: Sequence[float]) -> str:
    """The median and the slowest hundredth."""
    ordered = sorted(times)
    return f"p50 {statistics.median(ordered):9.1f} us   p99 {ordered[int(0.99 * (len(ordered) - 1))]:9.1f} us"


def costs(source: Nvml, handle: Handle, number: int) -> list[Row]:
    """A round of all GPUs, and each call of it on one."""
    busy = time.process_time()
    rounds = timed(source.read, number)
    busy = (time.process_time() - busy) / number
    rows = [
        Row(measure="a round of all GPUs", value=percentiles(rounds)),
        Row(
            measure="a round's CPU time, of a core",
            value=f"{busy * 1e3:.2f} ms, {busy:.2%}",
            limit="1%",
            holds=busy <= 0.01,
        ),
    ]
    for call, arguments in single_calls(handle):
        try:
            rows.append(Row(measure=call.name, value=percentiles(timed(lambda: call.run(*arguments), number))))  # noqa: B023 - called here
        except library.NvmlError as error:
            rows.append(Row(measure=call.name, value=library.code_of(error)))
    return rows


def single_calls(handle: Handle) -> Iterator[tuple[Call[object], tuple[object, ...]]]:
    """The calls of a round, with what each is called with."""
    for call in (
        library.UTILIZATION, library.MEMORY, library.POWER, library.TEMPERATURE, library.SM_CLOCK, library.REASONS,
        library.POWER_LIMIT, library.PROCESSES, library.MPS_CLIENTS, library.MIG_MODE,
    ):  # fmt: skip
        yield call, (handle,)
    yield library.ECC_ERRORS, (handle, library.ECC_UNCORRECTED)
    yield library.PROCESS_SHARES, (handle, 0)
    for name in ("POWER_NOW", "ENERGY", "POWER_CAP_NS", "PCIE_TX", "NVLINK_TX"):
        field = getattr(library, name)
        yield Call(f"nvmlDeviceGetFieldValues({name})", library.FIELDS.run), (handle, [field])
    try:
        samples = [library.GPM_ALLOC.run(), library.GPM_ALLOC.run()]
        for sample in samples:
            library.GPM_SAMPLE.run(handle, sample)
            time.sleep(0.2)
    except library.NvmlError:
        return
    yield library.GPM_SAMPLE, (handle, library.GPM_ALLOC.run())
    yield library.GPM_METRICS, (*samples, tuple(METRICS))


def energy_period(handle: Handle, seconds: float = 2.0) -> Row:
    """How often the energy counter changes."""
    changes: list[float] = []
    last = None
    until = time.perf_counter() + seconds
    while (now := time.perf_counter()) < until:
        answer = library.FIELDS.run(handle, [library.ENERGY])[0]
        if isinstance(answer, str):
            return Row(measure="energy counter", value=answer)
        if last is not None and answer.value != last:
            changes.append(now)
        last = answer.value
    periods = [later - before for before, later in pairwise(changes)]
    told = f"every {statistics.median(periods) * 1e3:.1f} ms" if periods else f"not once in {seconds:g} s"
    return Row(measure="energy counter changes", value=told)


class Meter(threading.Thread):
    """Energy of a device in two ways, sampled once a second."""

    def __init__(self, handle: Handle) -> None:
        super().__init__(daemon=True)
        self.counted, self.integrated = Energy(), Energy()
        self._handle = handle
        self._ended = threading.Event()

    def run(self) -> None:
        """Sample until `end`."""
        while True:
            self.sample()
            if self._ended.wait(1.0):
                return

    def sample(self) -> None:
        """Both, now."""
        power, energy = library.FIELDS.run(self._handle, [library.POWER_NOW, library.ENERGY])
        if not isinstance(energy, str):
            self.counted.counter(int(energy.value))
        milliwatts = library.POWER.run(self._handle) if isinstance(power, str) else int(power.value)
        self.integrated.power(milliwatts, time.monotonic_ns())

    def end(self) -> tuple[int | None, int | None]:
        """By the counter and by the integral, microjoules."""
        self._ended.set()
        self.join()
        self.sample()
        return self.counted.microjoules, self.integrated.microjoules


@contextmanager
def sidecar(folder: Path) -> Iterator[tuple[str, str]]:
    """A real sidecar; its page and its socket."""
    socket = folder / "sidecar.sock"
    command = [sys.executable, "-m", "inferometer_compose", "sidecar", "--socket", str(socket)]
    command += ["--metrics", "127.0.0.1:0", "--api", "127.0.0.1:0", "--state", str(folder / "state")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        told: dict[str, str] = {}
        while "metrics" not in told and (line := _line(process)):
            what, _, where = line.partition(" ")
            told[what] = where.strip()
        if "metrics" not in told:
            raise SystemExit("the sidecar did not start")
        yield told["metrics"], str(socket)
    finally:
        process.terminate()
        process.communicate(timeout=30)


def attributed(page: str) -> Mapping[str, float]:
    """Attributed seconds of each device."""
    with urllib.request.urlopen(page, timeout=10) as answer:
        lines = answer.read().decode().splitlines()
    state = f'{DEVICE_STATE.name}="{DEVICE_STATE.values[0]}"'
    found = {}
    for line in lines:
        if line.startswith(f"{devices.LEDGER.name}{{") and state in line:
            labels, value = line.rsplit(" ", 1)
            found[labels.partition(f'{DEVICE.name}="')[2].partition('"')[0]] = float(value)
    return found


def job(handle: Handle, uuid: str, python: str, seconds: float) -> list[Row]:
    """A torch job's energy and device seconds."""
    with tempfile.TemporaryDirectory() as name, sidecar(Path(name)) as (page, socket):
        environment = os.environ | {"INFEROMETER_SIDECAR": f"unix://{socket}", "OTEL_SERVICE_NAME": "gpu_job"}
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, (str(SDK), os.environ.get("PYTHONPATH"))))
        command = [python, str(JOB), str(seconds)]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)
        first = _line(process)
        if not first.startswith(WARM):
            process.communicate()
            return [Row(measure="a torch job", value=f"not run: {first.strip() or 'it could not be started'}")]
        before = attributed(page).get(uuid, 0.0)
        meter = Meter(handle)
        meter.start()
        _say(process, "go")
        told = json.loads(_line(process))
        counted, integrated = meter.end()
        known = float(told["busy_seconds"])
        charged = settled(page, uuid, before)
        process.communicate("end\n", timeout=60)
    return [*energy_rows(counted, integrated, int(told["runs"])), ledger_row(charged, known)]


def _line(process: subprocess.Popen[str]) -> str:
    return process.stdout.readline() if process.stdout else ""


def _say(process: subprocess.Popen[str], word: str) -> None:
    if process.stdin:
        process.stdin.write(f"{word}\n")
        process.stdin.flush()


def settled(page: str, uuid: str, before: float) -> float:
    """Seconds attributed since *before*, once they rise no more."""
    until = time.monotonic() + SETTLE_SECONDS
    last, since = -1.0, time.monotonic()
    while time.monotonic() < until:
        now = attributed(page).get(uuid, 0.0) - before
        if now != last:
            last, since = now, time.monotonic()
        elif now and time.monotonic() - since > 5:
            break
        time.sleep(0.5)
    return last


def energy_rows(counted: int | None, integrated: int | None, runs: int) -> list[Row]:
    """Energy of the job in both ways."""
    if counted is None or not integrated:
        return [Row(measure="energy of the job", value=f"counter {counted}, integral {integrated} microjoules")]
    error = integrated / counted - 1
    told = f"counter {counted / 1e6:.1f} J, integral {integrated / 1e6:.1f} J: {error:+.1%}; {runs} runs"
    return [Row(measure="energy of the job", value=told, limit=f"{ENERGY_LIMIT:.0%}", holds=abs(error) <= ENERGY_LIMIT)]


def ledger_row(charged: float, known: float) -> Row:
    """What the ledger attributed against what the job knows."""
    error = charged / known - 1
    told = f"ledger {charged:.3f} s, job {known:.3f} s: {error:+.2%}"
    return Row(
        measure="device seconds of the job",
        value=told,
        limit=f"{LEDGER_LIMIT:.0%}",
        holds=abs(error) <= LEDGER_LIMIT,
    )


def gpus_of(readings: Sequence[Reading]) -> list[tuple[str, str, str]]:
    """UUID, name and driver of each GPU."""
    return [(*reading.labels[:3],) for reading in readings if reading.entry is gpus.GPU_INFO]


def main() -> int:
    """Print the table; the exit code says what became of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=100, help="rounds that are timed")
    parser.add_argument("--seconds", type=float, default=20.0, help="length of the torch job")
    parser.add_argument("--torch-python", default=sys.executable, help="Python that has torch, for the job")
    options = parser.parse_args()
    if not local_gpus(GpuChoice.AUTO):
        print("not run: there is no libnvidia-ml.so.1, so no GPU")
        return NOT_RUN
    source = Nvml()
    found = gpus_of(source.read())
    if not found:
        print("not run: the driver's library tells of no GPU")
        return NOT_RUN
    for uuid, name, driver in found:
        print(f"{name}, driver {driver}, {uuid}")
    handle = library.HANDLE.run(0)
    uuid = library.UUID.run(handle)
    rows = [
        *against_smi(source),
        *costs(source, handle, options.rounds),
        energy_period(handle),
        *job(handle, uuid, options.torch_python, options.seconds),
    ]
    source.close()
    width = max(len(row.measure) for row in rows)
    for row in rows:
        verdict = "" if row.holds is None else f"limit {row.limit}: {'holds' if row.holds else 'MISSED'}"
        print(f"{row.measure:<{width}}  {row.value}  {verdict}".rstrip())
    return 0 if all(row.holds is not False for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
