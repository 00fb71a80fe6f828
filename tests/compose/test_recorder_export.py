"""`inferometer recorder export`: three Parquet files, whole, from a sidecar's API or from a file."""

import json
import socket
import threading
import time

import duckdb
import pytest
import uvicorn
from typer.testing import CliRunner

from inferometer.fleet.thresholds import Thresholds
from inferometer_compose.commands.declared import app
from inferometer_compose.web import fetch
from inferometer_exporters.api import Api
from inferometer_exporters.export_api import EXPORT_SECONDS
from inferometer_exporters.recorder import parquet
from inferometer_exporters.recorder.store import Recorder

FILES = {f"{table}.parquet" for table in parquet.TABLES}
COUNT = "select count(*) from read_parquet($path)"


@pytest.fixture
def recorder(tmp_path):
    """A recorder with two kept traces and an entry of the ledger, an hour old."""
    made = Recorder(tmp_path / "recorder.duckdb")
    device = made.names.number(("box",))
    made.write(1, {})
    wall = time.time_ns() - 3_600 * 10**9
    for state, ns in (("attributed", 1), ("warm_idle", 2)):
        made.cursor().execute(
            "insert into ledger by name select 1 as pass, $wall as wall_ns, $device as device, $state as state, "
            "$ns as ns, 3 as span_ns, 5 as bill, 4 as idle_cost",
            {"wall": wall, "device": device, "state": state, "ns": ns},
        ).fetchall()
    return made


@pytest.fixture
def sidecar(recorder):
    api = Api(recorder.cursor, Thresholds(), healthy=lambda: True)
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(api.app(), log_level="warning", lifespan="off"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    server.should_exit = True
    thread.join(5)
    listener.close()
    recorder.close()


def export(*arguments):
    return CliRunner().invoke(app, ["recorder", "export", *arguments])


def entries(folder):
    with duckdb.connect() as reader:
        return reader.execute(COUNT, {"path": str(folder / "ledger.parquet")}).fetchall()[0][0]


def test_a_running_sidecar_is_exported_whole(sidecar, tmp_path):
    done = export("--api", sidecar, "--out", str(tmp_path / "out"), "--json")

    assert done.exit_code == 0, done.output
    answer = json.loads(done.stdout)["files"]
    assert set(answer) == FILES == {path.name for path in (tmp_path / "out").iterdir()}
    assert answer["ledger.parquet"]["rows"] == entries(tmp_path / "out") == 2
    assert answer["ledger.parquet"]["bytes"] == (tmp_path / "out" / "ledger.parquet").stat().st_size


def test_since_leaves_out_what_is_older(sidecar, tmp_path):
    assert export("--api", sidecar, "--out", str(tmp_path / "out"), "--since", "30m").exit_code == 0

    assert entries(tmp_path / "out") == 0


def test_a_file_is_exported_where_no_sidecar_has_it(recorder, tmp_path):
    recorder.close()
    done = export("--recorder", str(recorder.path), "--out", str(tmp_path / "out"))

    assert done.exit_code == 0, done.output
    assert "ledger.parquet  2 rows" in done.stdout.replace("\n", " ")
    assert entries(tmp_path / "out") == 2


def test_what_cannot_be_exported_is_one_error_and_leaves_what_was_there(recorder, tmp_path, monkeypatch):
    recorder.close()
    out = tmp_path / "out"
    out.mkdir()
    (out / "requests.parquet").write_bytes(b"of yesterday")

    def failing(cursor, table, path, **_):
        path.write_bytes(b"half")
        if table == "ledger":
            raise OSError(28, "No space left on device")
        return parquet.Written(rows=0, bytes=4)

    monkeypatch.setattr(parquet, "write", failing)
    done = export("--recorder", str(recorder.path), "--out", str(out))

    assert done.exit_code == 2
    assert "No space left on device" in done.stderr
    assert "Traceback" not in done.output
    assert [(path.name, path.read_bytes()) for path in out.iterdir()] == [("requests.parquet", b"of yesterday")]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--recorder", "nowhere.duckdb", "--out", "out"), "cannot read the flight recorder"),
        (("--since", "a day", "--out", "out"), "30d"),
    ],
)
def test_wrong_use_is_one_plain_error(tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    done = export(*arguments)

    assert done.exit_code == 2
    assert message in done.output
    assert list(tmp_path.glob("**/*.parquet")) == []


def test_a_table_that_does_not_exist_is_refused(sidecar):

    answer = fetch(f"{sidecar}/api/export/schema_version", timeout_seconds=EXPORT_SECONDS)
    assert answer.status == 400
    assert b"there are requests, executes, ledger" in answer.body
