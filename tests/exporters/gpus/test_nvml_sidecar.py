"""GPUs on ``/metrics`` of a real sidecar process, whatever the driver does."""

import os
import subprocess
import sys
import urllib.request

import pytest

PROGRAM = """
import sys
from pathlib import Path
from inferometer_exporters.gpus.choice import GpuChoice
from inferometer_exporters.ports import Address
from inferometer_exporters.serving import run
from inferometer_exporters.sidecar_settings import SidecarSettings
base = Path(sys.argv[1])
run(SidecarSettings(socket=base / "s.sock", state=base / "state", metrics=Address("127.0.0.1", 0),
                    api=Address("127.0.0.1", 0), host="box", gpu=GpuChoice(sys.argv[2])))
"""
LIBRARY_PROBE = """
import logging, sys
logging.basicConfig(level=logging.INFO)
from inferometer_exporters.gpus.choice import GpuChoice, local_gpus
print(len(local_gpus(GpuChoice.AUTO)), "pynvml" in sys.modules)
for source in local_gpus(GpuChoice.NVML):
    for _ in range(3):
        print(*(f"{r.entry.name}{r.labels}={r.value}" for r in source.read()))
    source.close()
"""
TWO = "* devices 2\n1 uuid GPU-b\n1 power 2000"


class Process:
    """A sidecar whose library is the stand-in."""

    def __init__(self, folder, library, script, choice="auto"):
        environment = os.environ | {"LD_LIBRARY_PATH": str(library.parent), "FAKE_NVML_SCRIPT": str(script)}
        self._process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(folder), choice], stdout=subprocess.PIPE, text=True, env=environment
        )
        lines = {}
        while "metrics" not in lines:
            what, where = self._process.stdout.readline().split(maxsplit=1)
            lines[what] = where.strip()
        self.page = lines["metrics"]

    def shown(self):
        with urllib.request.urlopen(self.page, timeout=5) as answer:
            lines = answer.read().decode().splitlines()
        return dict(line.rsplit(" ", 1) for line in lines if not line.startswith("#"))

    def end(self):
        self._process.terminate()
        self._process.communicate(timeout=20)
        return self._process.returncode


@pytest.fixture
def sidecar(nvml_library, tmp_path):
    script = tmp_path / "gpus.script"
    running = []

    def start(choice="auto"):
        running.append(Process(tmp_path, nvml_library, script, choice))
        return running[-1]

    def say(*parts):
        fresh = script.with_suffix(".fresh")
        fresh.write_text("\n".join(parts) + "\n")
        fresh.replace(script)

    yield start, say
    for process in running:
        process.end()


@pytest.mark.slow
def test_gpus_are_on_the_page_and_a_driver_that_hangs_neither_freezes_it_nor_the_sidecar(sidecar, driver, until):
    start, say = sidecar
    say(driver.H100, TWO)
    process = start()
    power_a, power_b = 'gpu_power_watts{device="GPU-a"}', 'gpu_power_watts{device="GPU-b"}'
    until(lambda: power_a in (page := process.shown()) and power_b in page, seconds=30)
    assert float(process.shown()[power_a]) == 412.345
    say(driver.H100, TWO, "1 hang nvmlDeviceGetPowerUsage")
    until(lambda: power_b not in process.shown(), seconds=30)

    # The page goes on: the other GPU is read each second, and a scrape waits for nobody.
    say(driver.H100.replace("0 celsius 61", "0 celsius 62"), TWO, "1 hang nvmlDeviceGetPowerUsage")
    until(lambda: process.shown()['gpu_temperature_celsius{device="GPU-a"}'] == "62", seconds=30)
    late = 'inferometer_source_call_errors_total{source="nvml",call="nvmlDeviceGetPowerUsage",code="deadline"}'
    until(lambda: process.shown().get(late) == "1", seconds=70)
    # Everything hangs: the page still answers, without GPUs.
    say(driver.H100, TWO, "* hang nvmlDeviceGetPowerUsage", "* hang nvmlDeviceGetUtilizationRates")
    until(lambda: power_a not in process.shown(), seconds=30)
    assert process.shown()['device_ledger_seconds_total{device="box",state="unallocated"}']
    say(driver.H100, TWO)
    until(lambda: power_a in (page := process.shown()) and power_b in page, seconds=30)
    say(driver.H100, TWO, "* hang nvmlDeviceGetTemperature")
    until(lambda: power_a not in process.shown(), seconds=30)
    assert process.end() == 0, "a call that hangs does not keep the process"


@pytest.mark.slow
def test_counters_of_gpus_go_on_in_the_next_sidecar(sidecar, driver, until):
    start, say = sidecar
    energy = 'gpu_energy_joules_total{device="GPU-a"}'
    say(driver.H100)
    first = start()
    until(lambda: energy in first.shown(), seconds=30)
    say(driver.H100.replace("0 field 83 3 1000000", "0 field 83 3 1500000"))
    until(lambda: float(first.shown()[energy]) == 500, seconds=70)
    first.end()
    warmer = driver.H100.replace("0 celsius 61", "0 celsius 62")
    say(warmer.replace("0 field 83 3 1000000", "0 field 83 3 9000000"))
    second = start()
    # The counter is on the page before the first reading is: a temperature is not, so that one tells of the reading.
    until(lambda: second.shown().get('gpu_temperature_celsius{device="GPU-a"}') == "62", seconds=30)
    assert float(second.shown()[energy]) == 500, "what was used while nobody watched is not known to be of anybody"
    say(warmer.replace("0 field 83 3 1000000", "0 field 83 3 9100000"))
    until(lambda: float(second.shown()[energy]) == 600, seconds=30)


@pytest.mark.slow
def test_nothing_is_read_where_nobody_wants_it(sidecar, driver, until):
    start, say = sidecar
    say(driver.H100)
    process = start("off")
    until(lambda: 'host_memory_total_bytes{device="box"}' in process.shown(), seconds=30)

    assert not [name for name in process.shown() if name.startswith("gpu_")]
    assert not [name for name in process.shown() if 'source="nvml"' in name]


def test_a_host_without_the_library_says_so_once_and_loads_nothing(tmp_path):
    environment = os.environ | {"LD_LIBRARY_PATH": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", LIBRARY_PROBE], capture_output=True, text=True, check=True, env=environment
    )

    assert done.stdout.splitlines()[0] == "0 False"
    wanted = "inferometer_source_call_errors_total('nvml', 'nvmlInitWithFlags', 'library_not_found')=1"
    assert [wanted in line for line in done.stdout.splitlines()[1:]] == [True] * 3, "not asked again at once"
    assert done.stderr.count("libnvidia-ml.so.1: cannot open shared object file") == 1
    assert done.stderr.count("library_not_found") == 1
