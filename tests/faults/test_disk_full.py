"""The disk is full, for a while: nothing stops, nothing is lost unless it is counted, and a kill changes no counter."""

import contextlib
import ctypes
import os
import resource
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sidecar_under_test import Scraper, Sidecar
from trial import Row, main
from wire_worker import THRESHOLDS, Worker

from inferometer.catalog import telemetry
from inferometer.fleet.thresholds_file import dumps
from inferometer_exporters.recorder import queries

MIB = 1 << 20
SIZE = 48 * MIB
SAID = ("No space left", "File too large")
_LIBC = ctypes.CDLL(None, use_errno=True)


@contextlib.contextmanager
def small_disk(folder: Path) -> Iterator[str]:
    """A disk of 48 MiB at *folder*, or an empty text where this user may mount none."""
    options = f"size={SIZE},mode=0700".encode()
    if _LIBC.mount(b"tmpfs", os.fsencode(folder), b"tmpfs", 0, options) != 0:
        yield ""
        return
    try:
        yield f"a tmpfs of {SIZE // MIB} MiB, filled to the last byte"
    finally:
        _LIBC.umount2(os.fsencode(folder), 2)


def fill(path: Path) -> None:
    """Take all that is left."""
    with path.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        for size in (MIB, 4096, 1):
            with contextlib.suppress(OSError):
                while file.write(bytes(size)):
                    pass


def wait_for(scraper: Scraper, number: int, seconds: float = 20.0) -> bool:
    deadline = time.monotonic() + seconds
    while scraper.total(telemetry.RECORDS.name) < number and time.monotonic() < deadline:
        time.sleep(0.1)
    return scraper.total(telemetry.RECORDS.name) >= number


def noticed(sidecar: Sidecar, seconds: float = 60.0) -> bool:
    """Whether the sidecar has met the end of its disk: how soon it writes so much depends on the machine."""
    deadline = time.monotonic() + seconds
    while not (full := any(said in sidecar.log for said in SAID)) and time.monotonic() < deadline:
        time.sleep(0.1)
    return full


def trial(folder: Path) -> Row:
    (folder / "thresholds.json").write_text(dumps(THRESHOLDS))
    disk = folder / "disk"
    disk.mkdir()
    with small_disk(disk) as mounted:
        sidecar = Sidecar(folder, "--state", str(disk))
        sidecar.start()
        worker, scraper = Worker(folder / "sidecar.sock"), Scraper(sidecar)
        for each in (worker, scraper):
            each.thread.start()
        wait_for(scraper, 1_000)
        kind = mounted
        if kind:
            fill(disk / "others")
        else:
            # No file may grow beyond a size: the recorder's cannot, and the state has its room already.
            kind = "simulated for a user who may mount nothing: a limit of file sizes (RLIMIT_FSIZE) of the process"
            resource.prlimit(sidecar.process.pid, resource.RLIMIT_FSIZE, (MIB, resource.RLIM_INFINITY))
        full = noticed(sidecar)
        time.sleep(4)
        during = len(worker.spans)
        shown = wait_for(scraper, during, 10.0)
        acknowledged = worker.waiting * worker.period < 3
        sidecar.kill()
        (disk / "others").unlink(missing_ok=True)
        sidecar.start()
        time.sleep(2)
        worker.finish()
        back = wait_for(scraper, len(worker.spans))
        scraper.finish()
        status = sidecar.terminate()
        with contextlib.closing(queries.opened(disk / "recorder.duckdb")) as cursor:
            stored = queries.rows(cursor, "select count(*) from requests")[0][0]
            (device,) = queries.devices(cursor)
        dropped = scraper.total(telemetry.DROPS.name)
    return Row(
        fault="disk full",
        done=f"{kind}; after 4 s killed with SIGKILL, room again, started again",
        holds={
            "it was full": full,
            "/metrics goes on meanwhile, with every request": shown,
            "frames are acknowledged meanwhile": acknowledged,
            "no counter fell, over the kill as well": not scraper.fallen,
            "every request is counted": back and scraper.total(telemetry.RECORDS.name) == len(worker.spans),
            "produced = stored + counted drops": stored + dropped == len(worker.spans),
            "the ledger adds up": device["residual_ratio"] == 0,
            "it ended well": status == 0,
        },
        seen=f"{len(worker.spans)} produced, {stored} stored, {dropped:.0f} dropped and counted",
    )


@pytest.mark.slow
def test_a_full_disk_stops_nothing_and_what_it_costs_is_counted(tmp_path):
    row = trial(tmp_path)

    assert row.passed, "\n".join(row.lines())


@pytest.mark.slow
def test_where_no_disk_can_be_mounted_a_limit_of_file_sizes_stands_for_one(tmp_path, monkeypatch):
    monkeypatch.setitem(globals(), "small_disk", lambda _: contextlib.nullcontext(""))

    row = trial(tmp_path)

    assert row.passed, "\n".join(row.lines())


if __name__ == "__main__":
    main(trial)
