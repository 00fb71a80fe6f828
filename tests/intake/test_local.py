"""The elected worker's Intake: killed between any two steps it loses nothing, counts nothing twice, never goes back."""

import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPException
from pathlib import Path
from urllib.request import urlopen

import pytest
from free_ports import free_port
from prometheus_client.parser import text_string_to_metric_families

from inferometer.catalog import requests, telemetry
from inferometer.errors import RefusedError
from inferometer.intake import local

HERE = Path(__file__).parent
STEPS = ["absorbed", "committed", "written", "synced", "renamed", "published", "acknowledged"]


@contextmanager
def holder(folder: Path, port: int, *at: str) -> Iterator[subprocess.Popen]:
    process = subprocess.Popen(
        [sys.executable, str(HERE / "holder.py"), str(folder), str(port), *at], stdout=subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        yield process
    finally:
        process.terminate()
        process.wait(10)
        process.stdout.close()


def shown(port: int, name: str) -> float:
    with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as page:
        text = page.read().decode()
    families = text_string_to_metric_families(text)
    return sum(sample.value for family in families for sample in family.samples if sample.name == name)


def reaches(port: int, name: str, value: float) -> None:
    deadline = time.monotonic() + 10
    while (found := shown(port, name)) != value:
        assert found < value, f"{name} is {found}, more than the truth of {value}"
        assert time.monotonic() < deadline, f"{name} is {found}, {value} is right"
        time.sleep(0.05)


@pytest.mark.slow
@pytest.mark.parametrize("step", STEPS)
def test_a_kill_after_any_step_of_a_pass_loses_nothing_and_counts_nothing_twice(tmp_path, step, connect):
    port = free_port()
    worker = connect()
    last = 0.0
    for life in range(3):
        with holder(tmp_path, port, step, str(life + 2)) as process:
            while process.poll() is None:
                worker.request(3)
                worker.settle(0.05)
                try:
                    found = shown(port, requests.REQUESTS.name)
                except (OSError, HTTPException):
                    continue  # it died while it answered
                assert found >= last, "a counter went back"
                last = found
    with holder(tmp_path, port):
        assert worker.settle(10)
        reaches(port, requests.REQUESTS.name, worker.sent)
        reaches(port, telemetry.DROPS.name, worker.sequence)


def test_four_workers_are_counted_together_and_each_frame_once(tmp_path, connect):
    port = free_port()
    workers = [connect() for _ in range(4)]
    random_ = random.Random(1)
    with holder(tmp_path, port):
        for _ in range(40):
            worker = random_.choice(workers)
            worker.request(random_.randrange(1, 5))
            if random_.random() < 0.2:
                worker.close()  # whatever was not acknowledged comes again
        assert all(worker.settle(10) for worker in workers)
        reaches(port, requests.REQUESTS.name, sum(worker.sent for worker in workers))


def test_only_one_process_holds_the_intake_and_the_next_takes_over_its_counters(tmp_path, connect):
    port = free_port()
    worker = connect()
    with holder(tmp_path, port) as first:
        second = subprocess.run(
            [sys.executable, str(HERE / "holder.py"), str(tmp_path), str(port)], check=False, capture_output=True
        )
        assert second.returncode == 1
        assert json.loads((tmp_path / local.WHERE_NAME).read_text())["pid"] == first.pid
        worker.request(5)
        assert worker.settle(10)
        os.kill(first.pid, signal.SIGKILL)
        first.wait()
    with holder(tmp_path, port):
        worker.request(5)
        assert worker.settle(10)
        reaches(port, requests.REQUESTS.name, 10)


def test_a_damaged_state_is_set_aside_and_named(tmp_path, caplog):
    state = tmp_path / local.STATE_NAME
    state.write_bytes(b"IFMSTAT1 but not really a state of ours")

    held = local.start(tmp_path, environ={"INFEROMETER_METRICS": "127.0.0.1:0"})

    assert held is not None
    held.close()
    assert "is damaged" in caplog.text
    assert "damaged-0" in caplog.text
    assert list(tmp_path.glob("*.damaged-0"))


def test_a_metrics_port_that_is_taken_is_said_and_records_are_still_taken_in(tmp_path, caplog, connect):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        held = local.start(tmp_path, environ={"INFEROMETER_METRICS": f"127.0.0.1:{port}"})
        assert held is not None
        worker = connect()
        worker.request()

        assert worker.settle(10)
        assert held.metrics_port is None
        assert f"cannot serve /metrics on 127.0.0.1:{port}" in caplog.text
        held.close()


def test_a_folder_that_cannot_hold_a_lock_is_refused(tmp_path):
    with pytest.raises(RefusedError, match="cannot open"):
        local.start(tmp_path / "missing")


def test_a_second_start_in_one_process_holds_nothing_and_takes_nothing_away(tmp_path):
    first = local.start(tmp_path, environ={"INFEROMETER_METRICS": "127.0.0.1:0"})
    assert first is not None

    assert local.start(tmp_path, environ={}) is None

    other = subprocess.run(
        [sys.executable, str(HERE / "holder.py"), str(tmp_path), "0"], check=False, capture_output=True
    )
    assert other.returncode == 1, "the lock is still held"
    first.close()
    again = local.start(tmp_path, environ={"INFEROMETER_METRICS": "127.0.0.1:0"})
    assert again is not None
    again.close()


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_holds_nothing_and_its_end_changes_nothing(tmp_path, connect):
    held = local.start(tmp_path, environ={"INFEROMETER_METRICS": "127.0.0.1:0"})
    assert held is not None
    child = os.fork()
    if child == 0:
        held.close_after_fork()
        held.close()  # what an exit handler of the parent's would do
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0

    worker = connect()
    worker.request(3)

    assert worker.settle(10)
    assert (tmp_path / local.SOCKET_NAME).exists()
    other = subprocess.run(
        [sys.executable, str(HERE / "holder.py"), str(tmp_path), "0"], check=False, capture_output=True
    )
    assert other.returncode == 1, "the lock is still the parent's"
    held.close()


def test_closing_leaves_no_thread_no_socket_and_no_address(tmp_path, connect):
    before = set(threading.enumerate())
    held = local.start(
        tmp_path, environ={"INFEROMETER_METRICS": "127.0.0.1:0", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"}
    )
    assert held is not None
    worker = connect()
    worker.request()
    worker.settle(10)

    held.close()

    assert {thread.name for thread in set(threading.enumerate()) - before} == set()
    assert not (tmp_path / local.SOCKET_NAME).exists()
    assert not (tmp_path / local.WHERE_NAME).exists()


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "127.0.0.1:4317"}, "no trace is exported"),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://h:4317", "OTEL_EXPORTER_OTLP_PROTOCOL": "json"}, "or grpc is right"),
        ({"INFEROMETER_THRESHOLDS": "/nowhere/thresholds.json"}, "no objective is counted"),
    ],
)
def test_a_setting_that_is_wrong_is_said_and_costs_only_what_it_is_about(tmp_path, caplog, connect, environ, said):
    held = local.start(tmp_path, environ={"INFEROMETER_METRICS": "127.0.0.1:0", **environ})
    assert held is not None
    worker = connect()
    worker.request()

    assert worker.settle(10)
    assert said in caplog.text
    held.close()
