"""PyTorch on a CPU: the outermost call of a module in inference is one execute, and nothing else changes."""

import asyncio
import subprocess
import sys
import threading
import time

import pytest
import torch
from fastapi import FastAPI
from torch import nn
from torch.utils.checkpoint import checkpoint

from inferometer.catalog.stages import Kind, Outcome, Stage
from inferometer.record.partition import stage_totals


class Block(nn.Module):
    """A part of a net."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(8, 8)

    def forward(self, x):
        return self.linear(x).relu()


class Net(nn.Module):
    """Modules inside modules."""

    def __init__(self):
        super().__init__()
        self.blocks = nn.ModuleList(Block() for _ in range(3))

    def forward(self, x, *, scale=1.0):
        for block in self.blocks:
            x = block(x)
        return x * scale


class Slow(nn.Module):
    """Takes as long as it is told, and fails where it is told so."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1))

    def forward(self, x, seconds=0.05):
        time.sleep(seconds)
        if seconds > 1:
            raise ValueError("too long")
        return x * self.weight


@pytest.fixture
def net():
    torch.manual_seed(0)
    return Net().eval()


def test_a_call_is_one_execute_however_many_modules_are_inside(recorder, net):
    x = torch.randn(5, 8)
    expected = net(x, scale=2.0).detach()
    with torch.no_grad():
        result = net(x, scale=2.0)
    ((model, run),) = recorder.runs()

    assert (model, run.device, run.rows, run.kind, run.queued) == ("Net", "host-1", 5, Kind.NONE, 0)
    assert run.end > run.start
    torch.testing.assert_close(result, expected, rtol=0, atol=0)


@pytest.mark.parametrize(
    ("args", "kwargs", "rows"),
    [
        ((torch.zeros(4, 8),), {}, 4),
        ((), {"x": torch.zeros(3, 8)}, 3),
        (({"ids": torch.zeros(2, 8)},), {}, 2),
        (([torch.zeros(3, 6, 6), torch.zeros(3, 9, 9)],), {}, 2),
        ((torch.tensor(1.0),), {}, 0),
        (("text",), {}, 0),
    ],
    ids=["positional", "by name", "in a dictionary", "a list of images", "a scalar", "no tensor"],
)
def test_rows_are_the_leading_dimension_of_what_goes_in(recorder, args, kwargs, rows):
    class Any(nn.Linear):
        def forward(self, *_, **__):
            return None

    with torch.inference_mode():
        Any(1, 1).eval()(*args, **kwargs)
    ((_, run),) = recorder.runs()

    assert run.rows == rows


def test_training_is_no_execute_and_neither_is_what_it_checkpoints(recorder, net):
    x = torch.randn(2, 8, requires_grad=True)

    class Trained(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = net

        def forward(self, x):
            return checkpoint(self.inner, x, use_reentrant=True)

    Trained().train()(x).sum().backward()
    net.train()(x).sum().backward()

    assert x.grad is not None
    assert recorder.runs() == []


def test_a_module_that_only_passes_on_has_the_runs_of_what_it_calls(recorder, net):
    class Router(nn.Module):
        def forward(self, x):
            return router_to(x)

    router_to = net
    with torch.no_grad():
        Router().eval()(torch.zeros(2, 8))

    assert [model for model, _ in recorder.runs()] == ["Net"]


@pytest.mark.parametrize("fullgraph", [False, True])
def test_a_compiled_model_is_one_graph_and_one_execute(recorder, net, fullgraph):
    torch._dynamo.reset()
    torch._dynamo.utils.counters.clear()
    x = torch.randn(3, 8)
    compiled = torch.compile(net, backend="eager", fullgraph=fullgraph)
    with torch.inference_mode():
        results = [compiled(x) for _ in range(3)]
        expected = net(x)
    runs = recorder.runs()

    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] == 1
    assert not torch._dynamo.utils.counters["graph_break"]
    assert [model for model, _ in runs] == ["Net"] * 4
    for result in results:
        torch.testing.assert_close(result, expected)


def test_many_compiled_models_do_not_share_one_limit_of_compilations(recorder):
    torch._dynamo.reset()
    torch._dynamo.utils.counters.clear()
    count = torch._dynamo.config.recompile_limit + 3
    for number in range(count):
        space = {}
        exec(f"def forward(self, x): return self.linear(x) + {number}", space)  # noqa: S102 - code of its own for each
        model = type("Model", (Block,), {"forward": space["forward"]})().eval()
        with torch.inference_mode():
            torch.compile(model, backend="eager", fullgraph=True)(torch.zeros(1, 8))

    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] == count


def test_a_compiled_function_that_calls_a_model_with_hooks_stays_one_graph(recorder, net):
    torch._dynamo.reset()
    net.blocks[1].register_forward_hook(lambda *_: None)
    compiled = torch.compile(lambda x: net(x) + 1, backend="eager", fullgraph=True)
    with torch.no_grad():
        result = compiled(torch.zeros(2, 8))

    assert result.shape == (2, 8)
    assert recorder.failed() == {}


def test_scripted_traced_and_exported_models_are_executes(recorder, net):
    x = torch.zeros(2, 8)
    with torch.no_grad():
        traced = torch.jit.trace(net, (x,))
        exported = torch.export.export(net, (x,)).module()
        recorder.runs()
        before = len(recorder.runs())
        for model in (traced, exported):
            model(x)
    names = [model for model, _ in recorder.runs()[before:]]

    assert names == ["Net", "GraphModule"]


def test_an_error_of_the_model_is_raised_and_its_time_told(recorder):
    with torch.no_grad(), pytest.raises(ValueError, match="too long"):
        Slow().eval()(torch.zeros(1), seconds=1.01)
    ((_, run),) = recorder.runs()

    assert run.end - run.start > 10**9
    assert recorder.failed() == {}


def test_a_load_is_told_with_the_name_of_the_file(recorder, net, tmp_path):
    (tmp_path / "ranker").mkdir()
    path = tmp_path / "ranker" / "pytorch_model.bin"
    torch.save(net.state_dict(), path)
    state = torch.load(path)

    assert set(state) == set(net.state_dict())
    assert [model for model, _ in recorder.loads()] == ["ranker"]


def test_requests_have_their_own_execute_while_others_run(recorder):
    app, model = FastAPI(), Slow().eval()

    @app.get("/sync")
    def sync() -> int:
        with torch.inference_mode():
            return len(model(torch.zeros(7, 1)))

    @app.get("/async")
    async def elsewhere() -> int:
        return await asyncio.to_thread(sync)

    client = recorder.serve(app)

    def ask():
        threads = [threading.Thread(target=client.ask, args=(path,)) for path in ("/sync", "/async") * 3]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    records = client.recorded(ask, 6)

    assert [record.outcome for record in records] == [Outcome.OK] * 6
    for record in records:
        (run,) = record.executes
        assert (record.labels.model, run.device, run.rows) == ("Slow", "host-1", 7)
        assert stage_totals(record)[Stage.EXECUTE] == run.end - run.start >= 50 * 10**6
    assert recorder.runs() == []


def test_a_hook_that_raises_is_off_and_the_model_runs(recorder, net, monkeypatch, caplog):
    x = torch.randn(2, 8)
    expected = net(x).detach()
    monkeypatch.setattr(recorder.worker.shapes, "string", lambda _: 1 / 0)
    with torch.no_grad():
        for _ in range(3):
            torch.testing.assert_close(net(x), expected)

    assert recorder.failed() == {"torch": 1}
    assert not hasattr(nn.Module.__call__, "__wrapped__")
    assert "hook torch is off" in caplog.text


def test_a_process_without_torch_imports_nothing_of_it():
    code = (
        "import sys; import inferometer.auto\n"
        "heavy = {'torch', 'transformers', 'tensorflow', 'keras', 'openvino', 'onnxruntime', 'numpy', 'nvtx'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
        "ours = ('inferometer.hooks.torch', 'inferometer.hooks.keras', 'inferometer.hooks.openvino')\n"
        "assert not set(ours) & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
