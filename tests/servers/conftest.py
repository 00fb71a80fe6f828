"""Model servers as users start them, each in the environment of its own, and a collector for what they send."""

import contextlib
import http.client
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

import pytest
from free_ports import free_port

from inferometer.catalog.stages import Kind, Stage
from inferometer.record.model import Batch, RequestRecord
from inferometer.record.partition import partition
from inferometer.testing import Collector
from inferometer.wire.records import batches

# They need gigabytes, and Java: `make engines-live`.
collect_ignore = ["live"]

HERE = Path(__file__).parent
# Tests here import what they share (known_load.py) by its name, as the servers do with their models.
sys.path.insert(0, str(HERE))
ROOT = HERE.parents[1]
EXAMPLES = ROOT / "examples"


@dataclass
class Server:
    """A server that is starting, or up."""

    port: int
    collector: Collector
    process: subprocess.Popen
    folder: Path

    def ask(self, path, body=None, *, method=None, headers=None, timeout=20):
        """(status, body, headers) of one answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
            headers = {"content-type": "application/json", **(headers or {})}
            connection.request(method or ("GET" if data is None else "POST"), path, data, headers)
            answer = connection.getresponse()
            return answer.status, answer.read(), dict(answer.getheaders())
        finally:
            connection.close()

    def leave(self, path, body=None, *, after=0.3):
        """Ask, and go away before the answer is there."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        data = None if body is None else json.dumps(body).encode()
        connection.request("GET" if data is None else "POST", path, data, {"content-type": "application/json"})
        time.sleep(after)
        connection.sock.close()
        connection.close()

    def together(self, *questions):
        """Answers of questions that are asked at once."""
        with ThreadPoolExecutor(len(questions)) as threads:
            return list(threads.map(lambda question: self.ask(*question), questions))

    def recorded(self, act: Callable[[], object], wanted: Callable[[list[RequestRecord]], bool]) -> list[RequestRecord]:
        """What is recorded from now until it is what was *wanted*."""
        before = len(self.collector.records)
        act()
        try:
            self.collector.until(lambda: wanted(self.collector.records[before:]), 20)
        except TimeoutError as error:
            found = [(r.labels, r.outcome, r.status) for r in self.collector.records[before:]]
            raise AssertionError(f"{error}: {found}\n{self.log()[-3000:]}") from error
        return self.collector.records[before:]

    def record(self, act: Callable[[], object]) -> RequestRecord:
        """The one record of *act*."""
        (record,) = self.recorded(act, lambda found: len(found) == 1)
        return record

    def batches(self) -> list[Batch]:
        """All batches so far."""
        collector = self.collector
        return [batch for frame in collector.frames for batch in batches(frame, collector.names_of(frame.worker_id))]

    def hooks(self) -> dict[str, set[str]]:
        """What each hook's statuses are, over all processes."""
        statuses: dict[str, set[str]] = {}
        for frame in list(self.collector.frames):
            for hook, status in frame.gauges["hooks"].items():
                statuses.setdefault(hook, set()).add(status)
        return statuses

    def hook_errors(self) -> dict[str, int]:
        """Errors of each hook, in the process that has most of them."""
        errors: dict[str, int] = {}
        for frame in list(self.collector.frames):
            for hook, number in frame.gauges["hook_errors"].items():
                errors[hook] = max(errors.get(hook, 0), number)
        return errors

    def log(self) -> str:
        """What the server printed."""
        return (self.folder / "log").read_text(errors="replace")

    def stop(self, seconds: float = 20) -> None:
        """End it and everything that it started."""
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(seconds)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


@pytest.fixture(scope="session")
def milliseconds():
    """Exclusive times by stage; they sum to the duration."""

    def times(record: RequestRecord) -> dict[Stage, float]:
        totals = partition(record).totals
        assert sum(totals) == record.duration_ns
        return {stage: totals[stage] / 1e6 for stage in Stage}

    return times


@pytest.fixture(scope="session")
def queued():
    """Milliseconds of queue of one kind, as marked."""

    def times(record: RequestRecord, kind: Kind) -> float:
        marked = [each for each in record.intervals if (each.stage, each.kind) == (Stage.QUEUE, kind)]
        return sum(each.end - each.start for each in marked) / 1e6

    return times


@pytest.fixture(scope="session")
def left():
    """Nanoseconds at which a request left the queue of one kind."""

    def moment(record: RequestRecord, kind: Kind) -> int:
        return max(each.end for each in record.intervals if (each.stage, each.kind) == (Stage.QUEUE, kind))

    return moment


@pytest.fixture
def port() -> int:
    """A port for a page."""
    return free_port()


@pytest.fixture(scope="session")
def environment():
    """The Python of an environment by its name."""
    found: dict[str, Path] = {}

    def python(name: str) -> Path:
        if name not in found:
            command = [sys.executable, str(ROOT / "tools" / "environments.py"), name]
            done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
            assert done.returncode == 0, f"the environment {name} cannot be made"
            found[name] = Path(done.stdout.strip()) / "bin" / "python"
        return found[name]

    return python


@pytest.fixture(scope="module")
def start(environment):
    """Starts servers and ends them after the module's tests."""
    running: list[Server] = []

    def server(name, *command, switched_on=False, ready="/", seconds=120, port=None, **variables) -> Server:
        # Short: the paths of Unix sockets are at most 107 characters long.
        folder = Path(tempfile.mkdtemp(prefix="ifm-"))
        port = port or free_port()
        collector = Collector(folder / "i.sock")
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("INFEROMETER_", "OTEL_", "COV", "PYTEST"))}
        paths = [ROOT / "instrumentation", HERE, EXAMPLES]
        if switched_on:
            paths.append(HERE / "site")
            variables["INFEROMETER_ENABLED"] = "1"
        if "BREAK" in variables:
            paths.append(HERE / "broken")
        python = environment(name)
        home = python.parent.parent
        variables = {key: value.format(port=port, folder=folder, home=home) for key, value in variables.items()}
        environ = {
            **kept,
            "INFEROMETER_SIDECAR": collector.address,
            "INFEROMETER_FLUSH_SECONDS": "0.05",
            "RAY_AUTH_MODE": "disabled",
            # Seconds; a busy machine takes more than Ray's half minute.
            "RAY_raylet_start_wait_time_s": "110",
            # What is asked until the server is up is no request of a test.
            "INFEROMETER_EXCLUDED_PATHS": ready if ready.startswith("/") else "/-/healthz",
            "PATH": f"{python.parent}:{kept.get('PATH', '')}",
            "PYTHONPATH": ":".join(map(str, paths)),
            "HOME": str(folder),
            "TMPDIR": str(folder),
            **variables,
        }
        words = [part.format(port=port, folder=folder, python=python, home=home) for part in command]
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(
                words, env=environ, cwd=HERE, stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True
            )
        made = Server(port, collector, process, folder)
        running.append(made)
        deadline = time.monotonic() + seconds
        while not _answers(made, ready):
            assert process.poll() is None, made.log()[-3000:]
            assert time.monotonic() < deadline, made.log()[-3000:]
            time.sleep(0.1)
        return made

    yield server
    for each in running:
        each.stop()
        each.collector.close()
        shutil.rmtree(each.folder, ignore_errors=True)


@pytest.fixture(scope="module")
def start_mlserver(start, tmp_path_factory):
    """Starts MLServer with that many workers and the models of app_mlserver.py."""
    models = {
        "words": {"implementation": "app_mlserver.Words"},
        "marked": {"implementation": "app_mlserver.Marked", "parameters": {"version": "v2"}},
        "many": {"implementation": "app_mlserver.Words", "max_batch_size": 4, "max_batch_time": 0.1},
    }

    def server(workers: str, **variables) -> Server:
        folder = tmp_path_factory.mktemp("models")
        for name, settings in models.items():
            (folder / name).mkdir()
            (folder / name / "model-settings.json").write_text(json.dumps({"name": name, **settings}))
        variables.setdefault("MLSERVER_GRPC_PORT", "0")
        made = start(
            "mlserver", "mlserver", "start", str(folder), ready="/v2/models/many/ready", MLSERVER_HOST="127.0.0.1",
            MLSERVER_HTTP_PORT="{port}", MLSERVER_METRICS_PORT="0", MLSERVER_PARALLEL_WORKERS=workers,
            MLSERVER_ENVIRONMENTS_DIR="{folder}/envs",
            INFEROMETER_EXCLUDED_PATHS=",".join(f"/v2/models/{name}/ready" for name in models), **variables,
        )  # fmt: skip
        deadline = time.monotonic() + 60
        for name in models:
            while not _answers(made, f"/v2/models/{name}/ready"):
                assert time.monotonic() < deadline, made.log()[-3000:]
                time.sleep(0.05)
        return made

    return server


def _answers(server: Server, path: str) -> bool:
    if not path.startswith("/"):
        return path in server.log()
    try:
        return server.ask(path, timeout=5)[0] == HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
