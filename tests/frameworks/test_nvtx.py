"""The real libraries of NVTX ranges: without Nsight they do nothing, and take what we give them."""

import os
import subprocess
import sys

import pytest

import inferometer
from inferometer.recorder import marks, nvtx
from inferometer.recorder.hook_states import ACTIVE


@pytest.mark.parametrize("make", [nvtx.library, nvtx.TorchRanges], ids=["nvtx", "torch.cuda.nvtx"])
def test_the_library_takes_our_ranges(recorder, monkeypatch, make):
    monkeypatch.setattr(marks, "worker", lambda: recorder.worker)
    ranges = make()
    opened = []
    start = ranges.start
    monkeypatch.setattr(ranges, "start", lambda name: opened.append(name) or start(name), raising=True)
    nvtx.install(recorder.worker, ranges)
    with inferometer.stage("preprocess"), inferometer.stage("execute"):
        pass

    assert opened == ["preprocess", "execute"]
    assert recorder.worker.hooks.statuses()["nvtx"] == ACTIVE
    assert recorder.failed() == {}


def test_a_run_of_a_model_is_a_range_when_the_variable_says_so():
    code = (
        "import inferometer.auto, torch\n"
        "from inferometer.recorder import nvtx\n"
        "opened = []\n"
        "start = nvtx.NvtxRanges.start\n"
        "nvtx.NvtxRanges.start = lambda self, name: opened.append(name) or start(self, name)\n"
        "with torch.no_grad(): torch.nn.Linear(2, 2).eval()(torch.zeros(1, 2))\n"
        "assert opened == ['execute'], opened"
    )
    subprocess.run([sys.executable, "-c", code], env={**os.environ, "INFEROMETER_NVTX": "1"}, check=True)
