"""The programs that measure reading GPUs: on a host without one, and as far as the stand-in can carry them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
SIDECAR = ROOT / "benchmarks" / "gpu_sidecar.py"
JOB = ROOT / "benchmarks" / "gpu_job.py"
SMI = """#!/bin/sh
echo "GPU-a, 73, 28610, 81062, {watts}, 700.00, 61, 1755, 2619"
"""
# A job whose device is the stand-in: it says that a model ran while it slept.
PRETENDED = """
import json, sys, time
import inferometer.auto, inferometer
from inferometer.recorder.this_process import worker
print("warm", flush=True)
sys.stdin.readline()
runs = busy = 0
until = time.monotonic() + float(sys.argv[1])
while time.monotonic() < until:
    with inferometer.request("job"):
        began = time.monotonic_ns()
        mark = worker().executes.begin("GPU-a", model="job")
        time.sleep(0.04)
        worker().executes.end(mark)
        busy += time.monotonic_ns() - began
    time.sleep(0.02)
    runs += 1
inferometer.flush()
print(json.dumps({"runs": runs, "busy_seconds": busy / 1e9}), flush=True)
sys.stdin.readline()
"""


def program(path, text):
    path.write_text(text)
    path.chmod(0o755)
    return path


def run(path, *arguments, **environment):
    command = [sys.executable, str(path), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ | environment)


def test_on_a_host_without_a_gpu_nothing_is_run_and_the_exit_code_says_so(tmp_path):
    done = run(SIDECAR, LD_LIBRARY_PATH=str(tmp_path))

    assert (done.returncode, done.stdout, done.stderr) == (2, "not run: there is no libnvidia-ml.so.1, so no GPU\n", "")


def test_a_driver_without_a_gpu_is_none_either(nvml_library, tmp_path):
    script = tmp_path / "script"
    script.write_text("* devices 0\n")
    done = run(SIDECAR, LD_LIBRARY_PATH=str(nvml_library.parent), FAKE_NVML_SCRIPT=str(script))

    assert (done.returncode, done.stdout) == (2, "not run: the driver's library tells of no GPU\n")


def test_the_job_says_why_it_did_not_run():
    done = run(JOB, "1", CUDA_VISIBLE_DEVICES="")

    assert done.returncode == 2
    assert done.stdout in ("torch is not installed\n", "torch has no CUDA device\n")


@pytest.mark.slow
@pytest.mark.parametrize(("watts", "code"), [("412.35", 0), ("300.00", 1)], ids=["as-nvidia-smi", "not-as-nvidia-smi"])
def test_everything_but_the_device_itself_runs_on_the_stand_in(nvml_library, driver, tmp_path, watts, code):
    script = tmp_path / "script"
    energy = driver.H100.replace("0 field 83 3 1000000", "0 field 83 rate 412345")
    script.write_text(f"{energy}\n0 field 186 1 412345\n* delay nvmlEventSetWait_v2 400000\n")
    program(tmp_path / "nvidia-smi", SMI.format(watts=watts))
    (tmp_path / "job.py").write_text(PRETENDED)
    python = program(tmp_path / "python", f'#!/bin/sh\nexec {sys.executable} {tmp_path}/job.py "$2"\n')
    done = run(
        SIDECAR, "--rounds", "20", "--seconds", "4", "--torch-python", str(python),
        LD_LIBRARY_PATH=str(nvml_library.parent), FAKE_NVML_SCRIPT=str(script),
        PATH=f"{tmp_path}:{os.environ['PATH']}",
    )  # fmt: skip

    lines = {line.partition("  ")[0]: line for line in done.stdout.splitlines()}
    assert done.returncode == code, done.stdout + done.stderr
    assert ("MISSED" in lines["gpu_power_watts GPU-a"]) == bool(code)
    assert "holds" in lines["gpu_memory_used_bytes GPU-a"]
    assert "holds" in lines["energy of the job"]
    assert "holds" in lines["device seconds of the job"]
    assert "p99" in lines["nvmlGpmMetricsGet"]
