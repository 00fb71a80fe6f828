"""INFEROMETER_NVTX=1: stages and executes are ranges by name; without it nothing of it is there."""

import asyncio
import subprocess
import sys
import threading
from types import SimpleNamespace

import pytest

import inferometer
from inferometer.catalog.stages import Kind
from inferometer.recorder import marks, nvtx
from inferometer.recorder.executes import BatchRun, running_batch
from inferometer.recorder.hook_states import ACTIVE
from inferometer.recorder.worker import Worker
from inferometer.settings import Settings


class Kept:
    """A library that keeps what it is told."""

    def __init__(self):
        self.open = {}
        self.closed = []
        self.failing = False

    def start(self, name):
        if self.failing:
            raise OSError("no injection library")
        handle = len(self.open) + len(self.closed) + 1
        self.open[handle] = name
        return handle

    def end(self, handle):
        self.closed.append(self.open.pop(handle))


@pytest.fixture
def kept():
    return Kept()


@pytest.fixture
def worker(kept, monkeypatch):
    made = Worker(Settings(service="nvtx", host="host-1", nvtx=True))
    monkeypatch.setattr(marks, "worker", lambda: made)
    nvtx.install(made, kept)
    yield made
    for step in reversed(made.hooks._undo.get(nvtx.HOOK, [])):
        step()


def test_stages_and_executes_are_ranges_by_name(worker, kept):
    with inferometer.stage("preprocess"):
        assert list(kept.open.values()) == ["preprocess"]
    with inferometer.stage("execute"):
        assert list(kept.open.values()) == ["execute"]
    for kind in (Kind.PREFILL, Kind.DECODE):
        worker.executes.end(worker.executes.begin("host-1", model="net", kind=kind))

    assert kept.open == {}
    assert kept.closed == ["preprocess", "execute", "execute prefill", "execute decode"]
    assert worker.hooks.statuses()["nvtx"] == ACTIVE


def test_a_launch_is_a_range_until_all_of_it_was_launched(worker, kept):
    mark = worker.executes.launch("cuda:0", model="net")
    assert list(kept.open.values()) == ["execute"]
    worker.executes.launched(mark)
    assert kept.closed == ["execute"]
    worker.executes.started(mark, mark.queued)
    worker.executes.end(mark)

    assert kept.closed == ["execute"]


def test_an_execute_inside_a_batch_takes_the_place_of_its_range(worker, kept):
    batch = BatchRun(1, 1, ())
    worker.executes.begin_batch(batch, "host-1", 2)
    token = running_batch.set(batch)
    worker.executes.end(worker.executes.begin("host-1"))
    running_batch.reset(token)
    worker.executes.end_batch(batch)
    worker.executes.begin_batch(batch, "host-1", 2)
    worker.executes.end_batch(batch)

    assert kept.open == {}
    assert kept.closed == ["execute batch", "execute", "execute batch"]


def test_ranges_of_several_threads_and_tasks_overlap(worker, kept):
    both = threading.Barrier(2, timeout=5)

    def staged():
        with inferometer.stage("postprocess"):
            both.wait()

    async def together():
        async with inferometer.stage("handler"):
            await asyncio.sleep(0)
        await asyncio.gather(asyncio.to_thread(staged), asyncio.to_thread(staged))

    asyncio.run(together())

    assert kept.closed == ["handler", "postprocess", "postprocess"]
    assert kept.open == {}


def test_an_error_inside_a_stage_passes_and_its_range_ends(worker, kept):
    with pytest.raises(KeyError), inferometer.stage("preprocess"):
        raise KeyError

    assert kept.closed == ["preprocess"]


def test_a_library_that_fails_is_off_and_marks_go_on(worker, kept, caplog):
    begin = worker.executes.begin
    kept.failing = True
    for _ in range(3):
        worker.executes.end(begin("host-1"))
        with inferometer.stage("preprocess"):
            pass

    assert worker.hooks.errors() == {"nvtx": 1}
    assert "no injection library" in caplog.text
    assert "begin" not in vars(worker.executes)
    assert len(worker.buffers.take().tables) > 0


def test_installing_twice_opens_one_range(worker, kept):
    nvtx.install(worker, kept)
    with inferometer.stage("preprocess"):
        assert len(kept.open) == 1


def test_the_package_is_used_with_a_domain_of_ours():
    told = []
    domain = SimpleNamespace(
        get_event_attributes=lambda message: f"<{message}>",
        start_range=lambda attributes: told.append(attributes) or 7,
        end_range=told.append,
    )
    ranges = nvtx.library(lambda _: SimpleNamespace(get_domain=lambda name: told.append(name) or domain))
    for _ in range(2):
        ranges.end(ranges.start("execute"))

    assert told == ["inferometer", "<execute>", 7, "<execute>", 7]


def test_without_the_package_torch_is_used_once_it_is_there(monkeypatch, caplog):
    def missing(name):
        raise ImportError

    monkeypatch.delitem(sys.modules, "torch", raising=False)
    ranges = nvtx.library(missing)
    assert ranges.start("execute") is None

    told = []
    module = SimpleNamespace(range_start=lambda name: told.append(name) or 0, range_end=told.append)
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(cuda=SimpleNamespace(nvtx=module)))
    ranges.end(ranges.start("execute"))

    assert told == ["execute", 0]
    assert "no package nvtx" in caplog.text


@pytest.mark.processes
@pytest.mark.parametrize(("value", "there"), [("1", True), ("0", False), (None, False)])
def test_the_variable_turns_it_on_and_off_it_is_not_even_imported(value, there, monkeypatch):
    monkeypatch.delenv("INFEROMETER_NVTX", raising=False)
    if value is not None:
        monkeypatch.setenv("INFEROMETER_NVTX", value)
    code = (
        "import sys, inferometer, inferometer.auto\n"
        "from inferometer.recorder.this_process import worker\n"
        "assert ('inferometer.recorder.nvtx' in sys.modules) is ('begin' in vars(worker().executes))\n"
        "with inferometer.stage('preprocess'): pass\n"
        "print(worker().hooks.status_of('nvtx'))"
    )
    shown = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split()

    assert shown == (["active"] if there else ["None"])
