"""The code for CUDA without CUDA: torch's own functions are pretended, computation stays on the CPU.

What is pretended: events are reached when they are recorded, since what was launched on a CPU is done when the call
returns; a graph is captured by running it, and its replay takes 5 ms. What a real device does differently is modelled
in tests/hooks/devices and measured by benchmarks/gpu_execute.py.
"""

import contextlib
import importlib.util
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import tiny
import torch
from fastapi import FastAPI
from torch import nn

from inferometer.catalog.stages import Kind
from inferometer.hooks import torch as hook
from inferometer.recorder.frames import FrameMaker

ROOT = Path(__file__).parents[2]
BENCHMARK = ROOT / "benchmarks" / "gpu_execute.py"


class Event:
    """Reached when it is recorded."""

    def __init__(self, *, enable_timing):
        assert enable_timing
        self.at = 0

    def record(self, stream):
        assert isinstance(stream, Stream)
        self.at = time.monotonic_ns()

    def query(self):
        assert not Graph.capturing, "an event is asked while a graph is captured"
        return True

    def elapsed_time(self, end):
        return (end.at - self.at) / 1e6


class Stream:
    """A stream that has nothing to do."""

    def __init__(self, device=None):
        pass

    def synchronize(self):
        pass

    def wait_stream(self, other):
        pass


class Graph:
    """A graph; what it captures runs at once."""

    capturing = False

    def capture_begin(self, *_, **__):
        Graph.capturing = True

    def capture_end(self):
        Graph.capturing = False

    def replay(self):
        time.sleep(0.005)


@contextlib.contextmanager
def graph(captured):
    captured.capture_begin(pool=None, capture_error_mode="global")
    try:
        yield
    finally:
        captured.capture_end()


@pytest.fixture
def cuda(monkeypatch):
    """torch.cuda, pretended."""
    one = Stream()
    for name, value in {
        "Event": Event,
        "Stream": Stream,
        "CUDAGraph": Graph,
        "graph": graph,
        "current_stream": lambda *_: one,
        "stream": lambda _: contextlib.nullcontext(),
        "synchronize": lambda: None,
        "current_device": lambda: 0,
        "is_current_stream_capturing": lambda: Graph.capturing,
    }.items():
        monkeypatch.setattr(torch.cuda, name, value)
    real = hook.Modules._what
    monkeypatch.setattr(hook.Modules, "_what", lambda *args: real(*args)._replace(device="cuda:0"))


@pytest.fixture
def recording(cuda, recorder):
    return recorder


@pytest.fixture
def net():
    torch.manual_seed(1)
    return nn.Sequential(nn.Linear(8, 8)).eval()


def test_a_call_on_a_device_is_an_execute_of_that_device(recording, net):
    x = torch.ones(3, 8)
    with torch.no_grad():
        result = net(x)
    ((model, run),) = recording.runs()

    assert (model, run.device, run.rows) == ("Sequential", "cuda:0", 3)
    torch.testing.assert_close(result, net(x))
    assert recording.failed() == {}


def test_a_request_has_its_run_although_nobody_asked_before_it_ended(recording, net):
    app = FastAPI()

    @app.get("/run")
    def run() -> int:
        with torch.inference_mode():
            return len(net(torch.ones(3, 8)))

    record = recording.serve(app).record("/run")

    assert [(each.device, each.rows) for each in record.executes] == [("cuda:0", 3)]
    assert recording.runs() == []


def test_a_graph_is_captured_while_events_are_asked_and_its_replay_is_a_run(recording, net):
    x = torch.ones(5, 8)
    stop = threading.Event()

    def ask():
        while not stop.is_set():
            recording.worker.executes.ask_devices()

    thread = threading.Thread(target=ask)
    thread.start()
    graphs = []
    with torch.no_grad():
        for _ in range(50):
            net(x)
            graphs.append(torch.cuda.CUDAGraph())
            with torch.cuda.graph(graphs[-1]):
                net(x)
    stop.set()
    thread.join()
    before = len(recording.runs())
    graphs[0].replay()
    (_, replayed) = recording.runs()[-1]

    assert before == 50
    assert (replayed.device, replayed.rows) == ("cuda:0", 5)
    assert recording.runs()[-1][0] == "Sequential"
    assert replayed.end - replayed.start >= 5 * 10**6
    assert recording.failed() == {}


def test_a_capture_that_fails_leaves_nothing_behind(recording, net):
    x = torch.ones(1, 8)
    captured = torch.cuda.CUDAGraph()
    with pytest.raises(KeyError), torch.cuda.graph(captured):
        raise KeyError
    with torch.no_grad():
        net(x)

    assert len(recording.runs()) == 1


def test_a_replay_without_a_module_is_a_run_without_a_name(recording):
    captured = torch.cuda.CUDAGraph()
    with torch.cuda.graph(captured):
        pass
    captured.replay()

    ((model, run),) = recording.runs()
    assert (model, run.device, run.rows, run.kind) == ("", "cuda:0", 0, Kind.NONE)


def test_generate_takes_the_times_of_its_tokens_from_the_device(recording):
    torch.manual_seed(1)
    model = tiny.causal()
    app = FastAPI()

    @app.get("/generate")
    def generate() -> int:
        inputs = tiny.tokenizer()(["the cat"], return_tensors="pt", return_token_type_ids=False)
        return model.generate(**inputs, max_new_tokens=5, min_new_tokens=5).shape[1]

    record = recording.serve(app).record("/generate")
    prefill, decode = record.executes

    assert [(run.kind, run.device) for run in (prefill, decode)] == [(Kind.PREFILL, "cuda:0"), (Kind.DECODE, "cuda:0")]
    assert record.last_token >= decode.end


def test_a_device_that_fails_takes_the_hook_out_and_the_model_runs(recording, net, monkeypatch):
    x = torch.ones(2, 8)
    expected = net(x).detach()
    monkeypatch.setattr(Event, "record", lambda *_: 1 / 0)
    with torch.no_grad():
        torch.testing.assert_close(net(x), expected)

    assert recording.failed() == {"torch": 1}


def benchmark():
    spec = importlib.util.spec_from_file_location("gpu_execute", BENCHMARK)
    module = sys.modules["gpu_execute"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_benchmark_runs_through(recording):
    # The flusher must not take what the benchmark reads.
    assert not recording.worker.started
    rows = benchmark().measure(torch, recording.worker, repeat=5, count=100, size=512, device="cpu")
    found = {row.measure: row for row in rows}

    assert len(rows) == 11
    assert recording.failed() == {}
    assert found["captures while events are asked"].value == "5 of 5"
    assert found["each request has its own execute"].holds
    assert found["a replay computes the same"].holds
    assert "+" in found["a launch, in the launching thread"].value
    assert FrameMaker(recording.worker).make()


def test_the_benchmark_says_when_there_is_no_device():
    environ = {**os.environ, "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run([sys.executable, BENCHMARK], env=environ, capture_output=True, text=True, check=False)

    assert done.stdout == "not run: no CUDA device\n"
    assert done.returncode == 2


def test_a_forked_child_tells_of_its_own_runs_only(recording, net, monkeypatch):
    x = torch.ones(2, 8)
    monkeypatch.setattr(Event, "query", lambda _: False)
    with torch.no_grad():
        net(x)
    child = os.fork()
    if not child:
        code = 1
        with contextlib.suppress(BaseException):
            monkeypatch.setattr(Event, "query", lambda _: 1 / 0)  # as CUDA does in a child
            recording.worker.executes.ask_devices()
            code = 0 if not recording.failed() else 2
        os._exit(code)

    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
