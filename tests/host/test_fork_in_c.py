"""A fork that Python does not hear of: the child is another worker all the same."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from inferometer.recorder.fork_mark import wiped_in_children
from inferometer.testing import Collector

PROGRAM = Path(__file__).with_name("forking_in_c.py")


@pytest.mark.parametrize("child", ["serves", "ends"])
def test_parent_and_child_send_their_own_requests_once(tmp_path, child):
    with Collector(tmp_path / "i.sock") as collector:
        environment = {**os.environ, "INFEROMETER_SIDECAR": collector.address, "OTEL_SERVICE_NAME": "forking"}
        ended = subprocess.run(
            [sys.executable, str(PROGRAM), child], env=environment, capture_output=True, text=True, timeout=30,
            check=False,
        )  # fmt: skip
        assert ended.returncode == 0, ended.stderr
        serves = child == "serves"
        records = collector.wait(6 if serves else 3)

        assert [record.labels.model for record in records].count("parent") == 3
        assert [record.labels.model for record in records].count("child") == (3 if serves else 0)
        assert len({record.trace_id for record in records}) == len(records)
        assert len({hello.worker_id for hello in collector.hellos}) == (2 if serves else 1)
        assert len({hello.pid for hello in collector.hellos}) == (2 if serves else 1)


def test_the_mark_is_not_inherited():
    mark = wiped_in_children()
    mark[0] = 1
    child = os.fork()
    if not child:
        os._exit(mark[0])

    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert mark[0] == 1
