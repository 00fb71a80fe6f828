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
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

from gpu_energy import job
from gpu_readings import Row, against_smi

from inferometer.catalog import gpus
from inferometer_exporters.gpus import nvml_library as library
from inferometer_exporters.gpus.choice import GpuChoice, local_gpus
from inferometer_exporters.gpus.nvml import Nvml
from inferometer_exporters.gpus.nvml_activity import METRICS
from inferometer_exporters.gpus.nvml_library import Call, Handle
from inferometer_exporters.source import Reading

NOT_RUN = 2


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
