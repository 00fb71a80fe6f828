"""Scrapers that read one byte a second: others get their page, passes go on, and the slow ones are let go."""

import socket
import time
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from sidecar_under_test import Scraper, Sidecar
from trial import Row, main
from wire_worker import Worker

from inferometer.aggregate.http import MAX_CLIENTS, TIMEOUT_SECONDS
from inferometer.catalog import telemetry
from inferometer.wire.frame import Names

SLOW = MAX_CLIENTS // 2
MODELS = 450
"""So many that a page is larger than what the kernel takes on the way."""


def names() -> Names:
    return Names({n: ("svc", f"m{n}", "1", "", "", "", "POST", f"/m{n}") for n in range(1, MODELS + 1)}, {1: "box"})


def slow_scraper(port: int) -> socket.socket:
    client = socket.socket()
    # A window of some kilobytes, as over a slow line: the page does not fit into the kernel's buffers.
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.connect(("127.0.0.1", port))
    client.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
    client.settimeout(0.0)
    return client


def bite(client: socket.socket) -> bool:
    """Read a byte; False where the other side has hung up."""
    try:
        return client.recv(1) != b""
    except BlockingIOError:
        return True
    except OSError:
        return False


def trial(folder: Path) -> Row:
    sidecar = Sidecar(folder)
    sidecar.start()
    worker, scraper = Worker(folder / "sidecar.sock", names=names(), per_frame=50), Scraper(sidecar)
    for each in (worker, scraper):
        each.thread.start()
    time.sleep(2)
    port = urlsplit(sidecar.metrics).port
    page = len(urllib.request.urlopen(sidecar.metrics, timeout=10).read())
    threads = Path(f"/proc/{sidecar.process.pid}/task")
    before = len(list(threads.iterdir()))
    clients = [slow_scraper(port) for _ in range(SLOW)]
    during, scrapes, refused, most = 0, [], 0, 0
    begin = time.monotonic()
    while time.monotonic() < begin + TIMEOUT_SECONDS + 5:
        for client in clients:
            bite(client)
        at = time.monotonic()
        try:
            urllib.request.urlopen(sidecar.metrics, timeout=10).read()
            scrapes.append(time.monotonic() - at)
        except OSError:
            refused += 1
        during = max(during, len(list(threads.iterdir())) - before)
        most = max(most, worker.waiting)
        time.sleep(1)
    # Whoever was let go has his connection reset once he has read what was on the way.
    after = len(list(threads.iterdir())) - before
    for client in clients:
        client.close()
    worker.finish()
    deadline = time.monotonic() + 20
    while scraper.total(telemetry.RECORDS.name) < len(worker.spans) and time.monotonic() < deadline:
        time.sleep(0.1)
    scraper.finish()
    status = sidecar.terminate()
    return Row(
        fault="slow scraper",
        done=f"{SLOW} clients read 1 byte/s of a page of {page >> 10} KiB, for {TIMEOUT_SECONDS + 5:.0f} s",
        holds={
            "they did hold it up": during >= SLOW - 1,
            "every other scrape is answered": refused == 0 and len(scrapes) > 5,
            f"they are let go after {TIMEOUT_SECONDS:.0f} s": after <= 2,
            "every record is counted": scraper.total(telemetry.RECORDS.name) == len(worker.spans),
            "frames are acknowledged meanwhile": most * worker.period < 5,
            "it ended well": status == 0,
        },
        seen=f"slowest other scrape {max(scrapes) * 1e3:.0f} ms; {during} threads more during, {after} after",
    )


@pytest.mark.slow
def test_scrapers_that_read_a_byte_a_second_hold_nobody_up(tmp_path):
    row = trial(tmp_path)

    assert row.passed, "\n".join(row.lines())


if __name__ == "__main__":
    main(trial)
