"""A worker with all hooks for one test, a collector for what it sends, and a real server around an application.

Run by ``make test-frameworks``, in the environment of requirements/environments/frameworks.txt. A framework that is
missing there fails these tests. (test_keras.py runs in requirements/environments/keras-2.txt, too, without PyTorch.)
"""

import contextlib
import json
import os
import sys
import threading
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path

# Nothing here may ask a hub; transformers leaves TensorFlow alone (it wants an older Keras); TensorFlow is quiet.
os.environ.update(
    HF_HUB_OFFLINE="1", USE_TF="0", TF_CPP_MIN_LOG_LEVEL="3", TOKENIZERS_PARALLELISM="false", TF_ENABLE_ONEDNN_OPTS="0"
)

import pytest
import uvicorn
from hooks_out import take_out

from inferometer.hooks.registry import install
from inferometer.record.model import Execute, RequestRecord
from inferometer.recorder.worker import Worker
from inferometer.settings import Settings
from inferometer.testing import Collector
from inferometer.wire.gauges import Gauges
from inferometer.wire.records import executes

HOST = "host-1"

with contextlib.suppress(ImportError):
    import torch

    torch.set_num_threads(1)
sys.path.insert(0, str(Path(__file__).parent))  # tiny, the models of these tests, and polling

from polling import until  # noqa: E402 - after what must be set before


def pytest_collection_modifyitems(config):
    # Frameworks warn of their own future, some from inside C code; a warning of ours is an error as everywhere.
    for line in ("ignore::Warning", r"error:::inferometer\."):
        config.addinivalue_line("filterwarnings", line)


@dataclass
class Recorder:
    """What one worker recorded."""

    worker: Worker
    collector: Collector
    servers: list[uvicorn.Server] = field(default_factory=list)

    def runs(self) -> list[tuple[str, Execute]]:
        """(model, execute) of what ran outside requests, in the order of their starts."""
        self.sent()
        found = []
        for frame in self.collector.frames:
            names = self.collector.names_of(frame.worker_id)
            found += [
                (names.shapes[shape][1], run)
                for span, shape, final, run in executes(frame, names)
                if final and not span
            ]
        return sorted(found, key=lambda entry: entry[1].start)

    def loads(self) -> list[tuple[str, int]]:
        """(model, ns) of loads."""
        self.sent()
        return [load for frame in self.collector.frames for load in frame_loads(frame)]

    def sent(self) -> None:
        """Wait until everything recorded so far is collected."""
        if not self.worker.started:
            self.worker.start()
        assert self.worker.flush(10)

    def serve(self, app) -> "Client":
        """A real server around *app*."""
        server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="error", lifespan="off"))
        thread = threading.Thread(target=server.run, daemon=True)
        thread.start()
        until(lambda: server.started)
        self.servers.append(server)
        return Client(self, server.servers[0].sockets[0].getsockname()[1])

    def failed(self) -> dict[str, int]:
        """Errors of hooks."""
        return self.worker.hooks.errors()


@dataclass
class Client:
    """Asks a server, and gets the records of what it asked."""

    recorder: Recorder
    port: int

    def ask(self, path, body=None):
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{path}",
            data=None if body is None else json.dumps(body).encode(),
            headers={"content-type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.read()

    def recorded(self, act, count=1) -> list[RequestRecord]:
        before = len(self.recorder.collector.records)
        act()
        return self.recorder.collector.wait(before + count)[before:]

    def record(self, path, body=None) -> RequestRecord:
        (record,) = self.recorded(lambda: self.ask(path, body))
        return record


def frame_loads(frame):
    return list(Gauges.from_json(frame.gauges).model_loads)


@pytest.fixture
def recorder(tmp_path):
    """All hooks, on everything that this process has imported or will."""
    watchers = list(sys.meta_path)
    with Collector(tmp_path / "intake.sock") as collector:
        worker = Worker(Settings(service="frameworks", host=HOST, sidecar=collector.address, flush_seconds=0.05))
        install(worker)
        made = Recorder(worker, collector)
        yield made
        for server in made.servers:
            server.should_exit = True
        worker.close()
        take_out(worker)
    sys.meta_path[:] = watchers
