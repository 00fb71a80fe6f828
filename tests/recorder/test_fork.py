"""A forked child is another worker: another id, nothing of its parent's to send, no thread until it serves."""

import os
import subprocess
import sys
import threading
from pathlib import Path

from inferometer.catalog.stages import Stage
from inferometer.recorder.request import OpenRequest
from inferometer.testing import Collector

PROGRAM = Path(__file__).with_name("forking.py")


def test_parent_and_child_send_their_own_requests_once(tmp_path):
    with Collector(tmp_path / "i.sock") as collector:
        environment = {**os.environ, "INFEROMETER_SIDECAR": collector.address, "OTEL_SERVICE_NAME": "forking"}
        ended = subprocess.run(
            [sys.executable, str(PROGRAM)], env=environment, capture_output=True, text=True, timeout=30, check=False
        )
        assert ended.returncode == 0, ended.stderr
        records = collector.wait(6)
        workers = {frame.worker_id for frame in collector.frames if frame.tables}

        assert sorted(record.labels.model for record in records) == [
            "child",
            "child",
            "child",
            "parent",
            "parent",
            "parent",
        ]
        assert len({record.trace_id for record in records}) == 6
        assert len({hello.worker_id for hello in collector.hellos}) == len(workers) == 2
        assert len({hello.pid for hello in collector.hellos}) == 2


def test_what_ids_of_a_childs_traces_begin_with_is_its_own(bench):
    of_the_parent = bench.worker.trace_hi
    bench.worker.after_fork()

    assert bench.worker.trace_hi != of_the_parent


def test_what_ids_of_traces_begin_with_changes_with_each_frame(bench):
    seen = set()
    for _ in range(5):
        seen.add(bench.worker.trace_hi)
        bench.frame()

    assert len(seen) == 5


def test_a_child_does_not_wait_for_a_thread_that_stayed_in_its_parent(bench):
    """It was making what a request has none of yet when another thread forked."""
    request = OpenRequest(bench.worker, [])
    bench.worker.making.acquire()
    bench.worker.after_fork()

    def goes_on():
        request.degraded = True
        request.add_interval(1, 2, Stage.HANDLER)

    child = threading.Thread(target=goes_on, daemon=True)
    child.start()
    child.join(5)

    assert not child.is_alive()
    assert request.degraded
    assert len(request.intervals) == 1
