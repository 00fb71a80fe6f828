"""The sidecar is killed again and again under 1,000 requests a second: no user notices, none is unaccounted for."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from free_ports import free_port
from http_load import Load, stretch
from sidecar_under_test import Scraper, Sidecar
from trial import Row, main

from inferometer.catalog import requests, telemetry

RATE = 1_000
SECONDS = 5
ROUNDS = 3


def serve(folder: Path) -> tuple[subprocess.Popen[bytes], int]:
    port = free_port()
    environment = {**os.environ, "INFEROMETER_SIDECAR": f"unix://{folder}/sidecar.sock"}
    command = [sys.executable, "-m", "uvicorn", "--app-dir", str(Path(__file__).parent), "--port", str(port)]
    with (folder / "app.log").open("w") as log:
        process = subprocess.Popen(
            [*command, "--no-access-log", "load_app:app"], env=environment, stdout=log, stderr=log
        )
    deadline = time.monotonic() + 30
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            assert time.monotonic() < deadline, (folder / "app.log").read_text()
            time.sleep(0.1)
        else:
            return process, port


class Killer:
    """Kills the sidecar once a second, and starts it again at once."""

    def __init__(self, sidecar: Sidecar) -> None:
        self._sidecar = sidecar
        self._stop = threading.Event()
        self.kills = 0
        self.thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        while not self._stop.wait(1.0):
            self._sidecar.kill()
            self.kills += 1
            self._sidecar.start()

    def finish(self) -> None:
        self._stop.set()
        self.thread.join(60)


def joined(loads: list[Load]) -> Load:
    return Load([s for load in loads for s in load.seconds], sum(load.failed for load in loads))


def trial(folder: Path) -> Row:
    sidecar = Sidecar(folder)
    sidecar.start()
    process, port = serve(folder)
    scraper = Scraper(sidecar)
    scraper.thread.start()
    quiet, killed, kills = [], [], 0
    try:
        warm = asyncio.run(stretch(port, RATE / 4, 2))
        for _ in range(ROUNDS):
            quiet.append(asyncio.run(stretch(port, RATE, SECONDS)))
            killer = Killer(sidecar)
            killer.thread.start()
            killed.append(asyncio.run(stretch(port, RATE, SECONDS)))
            killer.finish()
            kills += killer.kills
    finally:
        process.send_signal(signal.SIGTERM)
        status = process.wait(30)
    with_kills, without = joined(killed), joined(quiet)
    produced = len(warm.seconds) + len(with_kills.seconds) + len(without.seconds)

    def accounted() -> tuple[float, float]:
        return scraper.total(telemetry.RECORDS.name), scraper.total(telemetry.DROPS.name)

    deadline = time.monotonic() + 20
    while sum(accounted()) < produced and time.monotonic() < deadline:
        time.sleep(0.1)
    scraper.finish()
    delivered, dropped = accounted()
    answered = scraper.total(requests.REQUESTS.name, outcome="ok")
    ended = sidecar.terminate()
    p99, p99_quiet = with_kills.quantile(0.99), without.quantile(0.99)
    return Row(
        fault="kill -9 under load",
        done=f"{kills} kills of the sidecar in {ROUNDS} x {SECONDS} s at {RATE} requests/s, between stretches without",
        holds={
            "no user request failed": warm.failed + with_kills.failed + without.failed == 0,
            "produced = delivered + counted drops": delivered + dropped == produced,
            "delivered ones are counted as answered": answered == delivered,
            "no counter fell": not scraper.fallen,
            "it was killed": kills >= ROUNDS,
            "both ended well": (status, ended) in {(0, 0), (-signal.SIGTERM, 0)},
        },
        seen=f"{produced} requests, {delivered:.0f} delivered, {dropped:.0f} dropped and counted; "
        f"p99 {p99 * 1e3:.1f} ms against {p99_quiet * 1e3:.1f} ms ({p99 / p99_quiet - 1:+.0%}), "
        f"p50 {with_kills.quantile(0.5) * 1e3:.2f} against {without.quantile(0.5) * 1e3:.2f} ms, "
        f"on {os.cpu_count()} cores that load, application, sidecar and its restarts share",
    )


@pytest.mark.slow
@pytest.mark.alone
@pytest.mark.timeout(900)
def test_no_user_notices_that_the_sidecar_is_killed(tmp_path):
    row = trial(tmp_path)

    assert row.passed, "\n".join(row.lines())


if __name__ == "__main__":
    main(trial)
