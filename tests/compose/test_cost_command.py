"""`inferometer cost`: from a running sidecar's API and from a file, readable, exact and harmless."""

import contextlib
import csv
import io
import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from decimal import Decimal

import pytest
import uvicorn

from inferometer.aggregate import Aggregator
from inferometer.fleet import thresholds_file
from inferometer.fleet.objective import Objective, Sli
from inferometer.fleet.thresholds import Price, Thresholds
from inferometer.intake.pipeline import Arrival, WorkerInfo
from inferometer.wire.frame import Frame, Names
from inferometer.wire.layout import EXECUTES, REQUESTS, Section
from inferometer_exporters.api import Api
from inferometer_exporters.ledger.account import Device
from inferometer_exporters.pipeline import SidecarPipeline
from inferometer_exporters.recorder.store import Recorder
from inferometer_exporters.source import Sampler

SECOND = 10**9
WALL = 1_790_000_000 * SECOND
PRICE = Price(
    kind="cpu", model="*", picodollars_per_hour=3_600_000_000_000, price_kind="owned", source="test", as_of="2026-10-01"
)
EVIL = "=cmd|' /C calc'!A0\x1b[31m"
SHAPES = {1: ("shop", "minilm", "v1", "", "acme", "", "POST", "/a"), 2: ("shop", EVIL, "v2", "", "", "", "POST", "/b")}


def record(path):
    """Ten seconds of a host for 0.001 USD a second, of which two models used 0.3 and 0.1 seconds."""
    recorder, now = Recorder(path), [1_000 * SECOND]
    pipeline = SidecarPipeline(
        recorder,
        Thresholds(known_tenants=("acme",), prices=(PRICE,)),
        Device(name="box", kind="cpu", model="a CPU"),
        Aggregator(monotonic_ns=lambda: now[0]),
        sampler=Sampler([]),
        monotonic_ns=lambda: now[0],
        wall_ns=lambda: WALL + now[0],
    )
    info = WorkerInfo(worker_id=b"w" * 16, pid=7, service="shop", sdk_version="0", host="box", start_ns=0)
    for number in range(1, 11):
        begin = now[0]
        now[0] += SECOND
        tables = {}
        if number < 3:
            took = 300_000_000 if number == 1 else 100_000_000
            request = {"trace_lo": number, "span_id": number, "entry": begin, "endpoint": begin, "last": begin + took,
                       "done": begin + took, "shape": number, "status": 200, "flags": 1}  # fmt: skip
            run = {"span_id": number, "execute_id": number, "start": begin, "end": begin + took, "device": 1,
                   "batch_size": 1, "final": 1}  # fmt: skip
            tables = {
                Section.REQUESTS: REQUESTS.row.pack(*(request.get(name, 0) for name in REQUESTS.names)),
                Section.EXECUTES: EXECUTES.row.pack(*(run.get(name, 0) for name in EXECUTES.names)),
            }
        names = Names(dict(SHAPES), {1: "box"})
        frame = Frame(worker_id=b"w" * 16, sequence=number, monotonic_ns=now[0], wall_ns=WALL + now[0], names=names,
                      gauges={}, tables=tables)  # fmt: skip
        pipeline.absorb([Arrival(info, frame, names)])
        pipeline.closing = number == 10
        pipeline.tick(now[0])
        pipeline.commit(number, previous_ns=None)
    return recorder


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp("recorded") / "recorder.duckdb"
    record(path).close()
    return path


@contextlib.contextmanager
def served(recorder):
    api = Api(recorder.cursor, Thresholds(), healthy=lambda: True)
    server = uvicorn.Server(uvicorn.Config(api.app(), port=0, log_level="warning", lifespan="off"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
        recorder.close()


def cost(*arguments, cwd, **environment):
    command = [sys.executable, "-m", "inferometer_compose", "cost", *arguments]
    environment = {**os.environ, "XDG_STATE_HOME": str(cwd), "NO_COLOR": "1"} | environment
    return subprocess.run(command, capture_output=True, check=False, text=True, timeout=60, cwd=cwd, env=environment)


def test_the_screen_shows_what_was_used_and_a_bill_that_adds_up(file, tmp_path):
    answer = cost("--by", "model,tenant", "--recorder", str(file), cwd=tmp_path)

    assert answer.returncode == 0, answer.stderr
    lines = [" ".join(line.split()) for line in answer.stdout.splitlines()]
    assert lines[1] == "box $3.60/h, owned, test 2026-10-01"
    assert "minilm acme 1 $0.0003000 $0.0075000 $0.30 $7.50 0 % 96 % 0.30" in lines[4]
    assert next(line for line in lines if line.startswith("total 2")).startswith("total 2 $0.0004000 $0.0100000")
    assert "the bill $0.0100000" in lines
    assert "idle, warm idle $0.0096000 96 % a server was there, and no request" in lines
    assert "it adds up: nothing is missing, nothing is counted twice" in lines


def test_a_name_can_neither_colour_the_terminal_nor_compute_in_a_spreadsheet(file, tmp_path):
    screen = cost("--by", "model", "--recorder", str(file), cwd=tmp_path).stdout
    rows = list(csv.reader(io.StringIO(cost("--csv", "--recorder", str(file), cwd=tmp_path).stdout)))

    assert "\x1b" not in screen
    assert "cmd" in screen
    assert any(cell.startswith("'=cmd") for row in rows for cell in row)
    assert not [cell for row in rows for cell in row if re.match(r"[=+@\t\r]", cell)]


def test_rows_for_finance_sum_to_the_bill_to_the_picodollar(file, tmp_path):
    answer = cost("--by", "model,tenant", "--csv", "--recorder", str(file), cwd=tmp_path)
    rows = list(csv.DictReader(io.StringIO(answer.stdout)))

    assert sum(Decimal(row["BilledCost"]) for row in rows) == Decimal("0.010000000000")
    assert sum(Decimal(row["x_FullyLoadedCost"]) for row in rows) == Decimal("0.010000000000")
    idle = list(csv.DictReader(io.StringIO(cost("idle", "--csv", "--recorder", str(file), cwd=tmp_path).stdout)))
    assert {row["CapacityReservationStatus"] for row in idle} == {"Unused"}
    assert sum(Decimal(row["BilledCost"]) for row in idle) == Decimal("0.009600000000")


def test_a_running_sidecar_answers_as_its_file_does(tmp_path, file):
    with served(record(tmp_path / "live.duckdb")) as api:
        for arguments in (("--by", "model,tenant"), ("idle", "--cold-start", "2s"), ("rightsize", "--anyway")):
            live = cost(*arguments, "--json", "--api", api, cwd=tmp_path)
            read = cost(*arguments, "--json", "--recorder", str(file), cwd=tmp_path)
            assert live.returncode == 0, live.stderr
            assert json.loads(live.stdout) == json.loads(read.stdout)
        assert "idle 96 % of 10.0 s: $0.00960 of $0.01000" in cost("idle", "--api", api, cwd=tmp_path).stdout
        wrong = cost("--by", "weather", "--api", api, cwd=tmp_path)
        assert (wrong.returncode, "cannot be grouped by 'weather'" in wrong.stderr) == (2, True)


def test_idle_time_is_drawn_with_its_longest_gap_and_what_stopping_saves(file, tmp_path):
    text = cost("idle", "--cold-start", "2s", "--recorder", str(file), cwd=tmp_path).stdout

    assert "1 gap, the longest: 8.0 s from 2026-09-21 14:30:02 (warm idle)" in text
    assert "8.0 s in 1 gap - 2 * 1 * 2 s = 4.0 s, at $3.60/h" in text
    assert "stopping it meanwhile saves $0.0040" in text
    assert "models that ran on it: shop minilm v1" in text


def test_nothing_is_advised_from_ten_seconds_unless_asked(tmp_path, file):
    answer = cost("rightsize", "--recorder", str(file), cwd=tmp_path)

    assert answer.returncode == 0
    assert "box: nothing is advised, 0 min are recorded, 24 h are needed" in answer.stdout


def test_what_a_demo_was_promised_is_found_beside_its_recorder(tmp_path, file):
    promise = Objective(slo="fast", service="shop", model="minilm", name="fast", sli=Sli.LATENCY,
                        threshold_ns=SECOND // 4, target="99", window_ns=1)  # fmt: skip
    demo = tmp_path / "demo-20261123-231339"
    (demo / "config").mkdir(parents=True)
    (demo / "sidecar").mkdir()
    (demo / "config/thresholds.json").write_text(thresholds_file.dumps(Thresholds(objectives=(promise,))))
    shutil.copy(file, demo / "sidecar")

    named = cost("rightsize", "--json", "--recorder", str(demo / "sidecar" / file.name), cwd=tmp_path)
    found = cost("rightsize", "--json", "--api", "http://127.0.0.1:1", cwd=tmp_path)

    (device,) = json.loads(named.stdout)["devices"]
    assert {model["model"]: model["slo_seconds"] for model in device["models"]} == {"minilm": 0.25, EVIL: None}
    assert named.stdout == found.stdout


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--by", "weather"), "cost cannot be grouped by 'weather'"),
        (("--json", "--csv"), "--json or --csv: one of them is right"),
        (("--since", "0s"), "a duration above 0 is right"),
        (("--since", "yesterday"), "30d"),
        (("idle", "--cold-start", "soon"), "30d"),
    ],
)
def test_wrong_use_exits_with_2(file, tmp_path, arguments, says):
    answer = cost(*arguments, "--recorder", str(file), cwd=tmp_path)

    assert answer.returncode == 2
    assert says in answer.stderr
    assert "Traceback" not in answer.stderr


def test_without_a_sidecar_and_a_file_it_says_where_it_looked(tmp_path):
    answer = cost("--api", "http://127.0.0.1:1", cwd=tmp_path)

    assert answer.returncode == 2
    assert "no sidecar answers at http://127.0.0.1:1" in answer.stderr


@pytest.mark.parametrize("command", [(), ("idle",), ("rightsize",)], ids=["cost", "idle", "rightsize"])
def test_an_empty_recorder_has_no_bill_yet(tmp_path, command):
    path = tmp_path / "recorder.duckdb"
    Recorder(path).close()
    answer = cost(*command, "--recorder", str(path), cwd=tmp_path)

    assert answer.returncode == 2
    assert "nothing is entered into the ledger yet" in answer.stderr


@pytest.mark.parametrize("command", [("idle",), ("rightsize",)])
def test_every_command_has_an_example_in_its_help(command, tmp_path):
    assert f"Example: inferometer cost {command[0]}" in cost(*command, "--help", cwd=tmp_path).stdout
