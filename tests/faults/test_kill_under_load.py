"""The sidecar is killed again and again under 1,000 requests a second: no user notices, none is unaccounted for."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from free_ports import free_port
from http_load import Load, stretch
from sidecar_under_test import Scraper, Sidecar
from trial import Row, main

from inferometer.catalog import requests, telemetry

RATE = 1_000
SECONDS = 4
PAIRS = 20
DRAWS = 1_000


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


class Pair:
    """Two stretches, one after the other: one without kills, one with."""

    def __init__(self, port: int, sidecar: Sidecar, *, kills_first: bool) -> None:
        self.kills = 0
        loads = {}
        for kills in (kills_first, not kills_first):
            killer = Killer(sidecar)
            if kills:
                killer.thread.start()
            loads[kills] = stretch(port, RATE, SECONDS)
            if kills:
                killer.finish()
                self.kills = killer.kills
        self.without, self.killed = loads[False], loads[True]


def compared(pairs: list[Pair], level: float) -> str:
    """A quantile of all stretches of a kind, and by how much it differs, with 95 % of draws of as many pairs."""

    def quantile(loads: list[Load]) -> float:
        return float(np.quantile(np.concatenate([load.seconds for load in loads]), level))

    def both(some: list[Pair]) -> tuple[float, float]:
        return quantile([pair.killed for pair in some]), quantile([pair.without for pair in some])

    draws = np.random.default_rng(0).integers(0, len(pairs), (DRAWS, len(pairs)))
    drawn = [both([pairs[index] for index in draw]) for draw in draws]
    low, high = np.quantile([killed / without - 1 for killed, without in drawn], (0.025, 0.975))
    killed, without = both(pairs)
    return (
        f"p{level * 100:g} {killed * 1e3:.2f} ms against {without * 1e3:.2f} ms: "
        f"{killed / without - 1:+.1%} (95 %: {low:+.1%} to {high:+.1%})"
    )


def trial(folder: Path, *, pairs: int = PAIRS) -> Row:
    sidecar = Sidecar(folder)
    sidecar.start()
    process, port = serve(folder)
    scraper = Scraper(sidecar)
    scraper.thread.start()
    try:
        warm = stretch(port, RATE / 4, 2)
        # In turn, so that a machine that gets slower or faster makes neither kind look better.
        done = [Pair(port, sidecar, kills_first=number % 2 == 1) for number in range(pairs)]
    finally:
        process.send_signal(signal.SIGTERM)
        status = process.wait(30)
    loads = [warm, *(load for pair in done for load in (pair.without, pair.killed))]
    produced = sum(len(load.seconds) for load in loads)
    kills = sum(pair.kills for pair in done)

    def accounted() -> tuple[float, float]:
        return scraper.total(telemetry.RECORDS.name), scraper.total(telemetry.DROPS.name)

    deadline = time.monotonic() + 20
    while sum(accounted()) < produced and time.monotonic() < deadline:
        time.sleep(0.1)
    scraper.finish()
    delivered, dropped = accounted()
    answered = scraper.total(requests.REQUESTS.name, outcome="ok")
    ended = sidecar.terminate()
    return Row(
        fault="kill -9 under load",
        done=f"{kills} kills of the sidecar in {pairs} x {SECONDS} s at {RATE} requests/s, and as long without any",
        holds={
            "no user request failed": sum(load.failed for load in loads) == 0,
            "produced = delivered + counted drops": delivered + dropped == produced,
            "delivered ones are counted as answered": answered == delivered,
            "no counter fell": not scraper.fallen,
            "it was killed": all(pair.kills for pair in done),
            "both ended well": (status, ended) in {(0, 0), (-signal.SIGTERM, 0)},
        },
        seen=f"{produced} requests, {delivered:.0f} delivered, {dropped:.0f} dropped and counted; "
        f"{compared(done, 0.99)}, {compared(done, 0.5)}, "
        f"on {os.cpu_count()} cores that load, application, sidecar and its restarts share",
    )


@pytest.mark.slow
@pytest.mark.alone
@pytest.mark.timeout(900)
def test_no_user_notices_that_the_sidecar_is_killed(tmp_path):
    row = trial(tmp_path, pairs=4)

    assert row.passed, "\n".join(row.lines())


if __name__ == "__main__":
    main(trial)
