"""A second sidecar on the same socket, or in the same state folder, is refused by name; the first goes on."""

import subprocess
import sys
import time
from pathlib import Path

import pytest
from sidecar_under_test import Scraper, Sidecar
from trial import Row, main
from wire_worker import Worker

from inferometer.catalog import telemetry


def second(folder: Path, *options: str) -> tuple[int, str, float]:
    """Exit status, standard error and seconds of another sidecar."""
    program = Path(__file__).with_name("sidecar_process.py")
    begin = time.monotonic()
    ended = subprocess.run(
        [sys.executable, str(program), str(folder), *options], capture_output=True, text=True, timeout=60, check=False
    )
    return ended.returncode, ended.stderr, time.monotonic() - begin


def trial(folder: Path) -> Row:
    sidecar, scraper = Sidecar(folder), None
    sidecar.start()
    worker = Worker(folder / "sidecar.sock")
    worker.thread.start()
    try:
        same_socket = second(folder, "--state", str(folder / "other"))
        same_state = second(folder, "--socket", str(folder / "other.sock"))
        worker.finish()
        scraper = Scraper(sidecar)
        deadline = time.monotonic() + 20
        while scraper.total(telemetry.RECORDS.name) < len(worker.spans) and time.monotonic() < deadline:
            scraper.scrape()
            time.sleep(0.1)
    finally:
        status = sidecar.terminate()
    return Row(
        fault="two sidecars",
        done="a second process on the same socket, then one in the same state folder, while the first takes frames",
        holds={
            "on one socket: refused, naming it": same_socket[0] == 1 and "another intake listens on" in same_socket[1],
            "on one file: refused, naming it": same_state[0] == 1 and "another process has" in same_state[1],
            "no traceback": "Traceback" not in same_socket[1] + same_state[1],
            "the first has every record, and ends well": scraper.total(telemetry.RECORDS.name) == len(worker.spans)
            and status == 0,
        },
        seen=f"{same_socket[1].strip()}; {same_state[1].strip()}",
    )


@pytest.mark.slow
def test_a_second_sidecar_is_refused_and_the_first_goes_on(tmp_path):
    row = trial(tmp_path)

    assert row.passed, "\n".join(row.lines())


if __name__ == "__main__":
    main(trial)
