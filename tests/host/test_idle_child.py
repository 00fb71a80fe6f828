"""A child that serves nothing (a data loader, a subprocess pool) holds nothing of its parent's server."""

import os
import subprocess
import sys
from pathlib import Path

PROGRAM = Path(__file__).with_name("forking_idle.py")


def test_a_child_that_serves_nothing_holds_no_socket_and_no_lock(tmp_path):
    environment = {
        **os.environ, "INFEROMETER_RUNTIME_DIR": str(tmp_path / "run"), "INFEROMETER_METRICS": "127.0.0.1:0",
    }  # fmt: skip
    environment.pop("INFEROMETER_SIDECAR", None)
    done = subprocess.run(
        [sys.executable, str(PROGRAM)], env=environment, capture_output=True, text=True, timeout=30, check=False
    )
    held, inherited = map(int, done.stdout.split())

    assert done.returncode == 0, done.stderr
    # The page, the intake's socket and its lock, and both ends of the worker's connection to it.
    assert held >= 5
    assert inherited == 0
