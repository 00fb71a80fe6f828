"""Several workers, one page: totals are right with and without a sidecar, also after the worker that holds it dies."""

import contextlib
import http.client
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.request import urlopen

import pytest
from free_ports import free_port
from prometheus_client.parser import text_string_to_metric_families

from inferometer.catalog import requests

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

HERE = Path(__file__).parent
UVICORN = [sys.executable, "-m", "uvicorn", "app_workers:app", "--log-level", "warning"]
GUNICORN = [
    sys.executable, "-m", "gunicorn", "app_workers:app", "-k", "uvicorn.workers.UvicornWorker", "--preload",
    "--log-level", "warning",
]  # fmt: skip
WSGI = [sys.executable, "-m", "gunicorn", "app_workers_wsgi:app", "--log-level", "warning"]
WSGI_THREADS = [*WSGI, "-k", "gthread", "--threads", "4", "--preload"]
HYPERCORN = [sys.executable, "-m", "hypercorn", "app_workers:app"]
GRANIAN = [sys.executable, "-m", "granian", "app_workers:app", "--interface", "asgi", "--log-level", "warning"]
FORK_AFTER_IMPORT = [sys.executable, str(HERE / "serve_forked.py")]


def eventually(what: str, ask: Callable[[], object], *, seconds: float = 30.0) -> object:
    deadline = time.monotonic() + seconds
    while not (answer := ask()):
        assert time.monotonic() < deadline, f"{what}: not within {seconds} s"
        time.sleep(0.05)
    return answer


class Fleet:
    """Workers on one port, and the page that counts their requests."""

    def __init__(self, folder: Path, environment: dict[str, str], metrics: int) -> None:
        self.folder = folder
        self.port = free_port()
        self.metrics = metrics
        self.environment = {**os.environ, **environment, "OTEL_SERVICE_NAME": "workers"}
        self.shown = 0.0

    def get(self) -> int | None:
        """Ask for the pid of the worker that answers; None where the connection broke."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request("GET", "/pid")
            answer = connection.getresponse()
            return int(json.loads(answer.read())["pid"]) if answer.status == 200 else None
        except (OSError, http.client.HTTPException):
            return None
        finally:
            connection.close()

    def send(self, count: int) -> set[int]:
        """Answered requests until there are *count*; the pids that answered."""
        pids = set()
        answered = 0
        deadline = time.monotonic() + 30
        while answered < count:
            assert time.monotonic() < deadline
            if (pid := self.get()) is not None:
                pids.add(pid)
                answered += 1
        return pids

    def total(self) -> float:
        """Requests on the page; never fewer than before."""
        try:
            with urlopen(f"http://127.0.0.1:{self.metrics}/metrics", timeout=5) as page:
                text = page.read().decode()
        except OSError:
            return self.shown
        found = sum(
            sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
            if sample.name == requests.REQUESTS.name
        )
        assert found >= self.shown, "a counter went back"
        self.shown = found
        return found


@contextmanager
def running(command: list[str], environment: dict[str, str], folder: Path, name: str) -> Iterator[subprocess.Popen]:
    with (folder / f"{name}.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=HERE, env=environment, stdout=log, stderr=log, start_new_session=True)
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


@contextmanager
def fleet(tmp_path: Path, command: list[str], workers: int, *, sidecar: bool) -> Iterator[Fleet]:
    metrics = free_port()
    runtime = tmp_path / "run"
    environment = {"INFEROMETER_RUNTIME_DIR": str(runtime), "INFEROMETER_METRICS": f"127.0.0.1:{metrics}"}
    beside = [
        sys.executable, "-m", "inferometer_compose", "sidecar", "--socket", str(tmp_path / "s.sock"),
        "--metrics", f"127.0.0.1:{metrics}", "--api", f"127.0.0.1:{free_port()}", "--state", str(tmp_path / "state"),
    ]  # fmt: skip
    if sidecar:
        environment["INFEROMETER_SIDECAR"] = f"unix://{tmp_path / 's.sock'}"
    here = Fleet(tmp_path, environment, metrics)
    binds = command in (GUNICORN, WSGI, WSGI_THREADS, HYPERCORN)
    bind = ["--bind", f"127.0.0.1:{here.port}"] if binds else ["--port", str(here.port)]
    args = [*command, *bind, "--workers", str(workers)]
    if sidecar:
        with (
            running(beside, here.environment, tmp_path, "sidecar"),
            running(args, here.environment, tmp_path, "workers"),
        ):
            eventually("an answer", here.get)
            yield here
    else:
        with running(args, here.environment, tmp_path, "workers"):
            eventually("an answer", here.get)
            yield here


def holder(tmp_path: Path) -> int:
    return int(json.loads((tmp_path / "run/intake.json").read_text())["pid"])


@pytest.mark.parametrize("sidecar", [False, True], ids=["without a sidecar", "with a sidecar"])
@pytest.mark.parametrize(
    ("command", "workers"),
    [
        (UVICORN, 2),
        (UVICORN, 4),
        (GUNICORN, 2),
        (WSGI, 2),
        (WSGI_THREADS, 2),
        (HYPERCORN, 2),
        (GRANIAN, 2),
        (FORK_AFTER_IMPORT, 2),
    ],
    ids=[
        "uvicorn 2",
        "uvicorn 4",
        "gunicorn preload",
        "gunicorn sync",
        "gunicorn gthread preload",
        "hypercorn",
        "granian",
        "fork after import",
    ],
)
def test_totals_of_all_workers_are_on_one_page(tmp_path, command, workers, sidecar):
    with fleet(tmp_path, command, workers, sidecar=sidecar) as here:
        asked = 1  # the first answer
        pids = here.send(20)
        asked += 20
        while len(pids) < workers and asked < 2_000:
            pids |= here.send(10)
            asked += 10

        assert len(pids) == workers
        eventually("all requests on the page", lambda: here.total() == asked)


@pytest.mark.parametrize("command", [UVICORN, GUNICORN, WSGI], ids=["uvicorn", "gunicorn preload", "gunicorn sync"])
def test_totals_stay_right_when_the_worker_that_holds_the_intake_is_killed(tmp_path, command):
    with fleet(tmp_path, command, 4, sidecar=False) as here:
        here.send(99)
        eventually("all requests on the page", lambda: here.total() == 100)
        before = holder(tmp_path)
        os.kill(before, signal.SIGKILL)
        here.send(100)

        eventually("another holder", lambda: holder(tmp_path) != before)
        eventually("all requests on the page", lambda: here.total() == 200)


UNSENT = 2.0
"""Seconds before its death of which a killed worker may have told nobody: frames leave every quarter of one."""


@pytest.mark.parametrize("command", [UVICORN, GUNICORN], ids=["uvicorn", "gunicorn preload"])
def test_under_load_only_what_a_killed_holder_had_not_sent_is_lost_and_nothing_counts_twice(tmp_path, command):
    with fleet(tmp_path, command, 3, sidecar=False) as here:
        answered: list[tuple[float, int]] = []
        broken: list[float] = []
        over = threading.Event()

        def ask():
            while not over.is_set():
                pid = here.get()
                answered.append((time.monotonic(), pid)) if pid is not None else broken.append(time.monotonic())

        clients = [threading.Thread(target=ask) for _ in range(3)]
        for client in clients:
            client.start()
        with contextlib.ExitStack() as ending:
            ending.callback(lambda: [client.join() for client in clients])
            ending.callback(over.set)
            killed: dict[int, float] = {}
            for _ in range(3):
                seen = here.total()
                eventually("more on the page", lambda seen=seen: here.total() > seen + 50)
                before = holder(tmp_path)
                os.kill(before, signal.SIGKILL)
                killed[before] = time.monotonic()
                eventually("another holder", lambda before=before: holder(tmp_path) != before)

        # The first answer came before the clients.
        most = 1 + len(answered) + len(broken)
        unsent = sum(at > killed[pid] - UNSENT for at, pid in answered if pid in killed)
        least = 1 + len(answered) - unsent
        eventually("what was sent is on the page", lambda: here.total() >= least)
        # Frames that are sent again would come within four of them.
        end = time.monotonic() + 1
        while time.monotonic() < end:
            assert least <= here.total() <= most
        assert len(killed) == 3
        assert least > 300
