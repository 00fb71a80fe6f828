"""A torch job beside a real sidecar: its energy in two ways, and its device seconds by the ledger and by itself."""

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from gpu_readings import Row

from inferometer.catalog import devices
from inferometer.catalog.labels import DEVICE, DEVICE_STATE
from inferometer_exporters.gpus import nvml_library as library
from inferometer_exporters.gpus.nvml_library import Handle
from inferometer_exporters.gpus.nvml_totals import Energy

JOB = Path(__file__).with_name("gpu_job.py")
SDK = JOB.parents[1] / "instrumentation"
"""What the job's Python imports of this checkout; nothing of ours has to be installed there."""
LEDGER_LIMIT = 0.05
ENERGY_LIMIT = 0.15
"""Power is a sample each second, and on A100 and H100 the sensor sees a quarter of the time (arXiv 2312.02741)."""
SETTLE_SECONDS = 30.0
WARM = "warm"
"""How the job says that it is ready."""


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
