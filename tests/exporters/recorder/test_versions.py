"""Files and states of earlier versions: opened, gone on with, and what they could not know stays unknown."""

from pathlib import Path

import duckdb
import numpy as np
import pytest

from inferometer.errors import StateError
from inferometer_exporters.columns.packed import pack, unpack
from inferometer_exporters.hold import Hold
from inferometer_exporters.ledger.ledger import Ledger
from inferometer_exporters.recorder import queries
from inferometer_exporters.recorder.schema import OF_REQUESTS, VERSION
from inferometer_exporters.recorder.store import Recorder
from inferometer_exporters.recorder.traces import trace

VERSION_4 = Path(__file__).parents[2] / "data" / "recorder" / "version_4.sql"
ADDED = ("energy", "method", "utilization", "sm_clock", "throttle", "throttled_ns", "temperature")
TRACE = f"{0xABC << 64 | 7:032x}"


@pytest.fixture
def version_4(tmp_path):
    """A file that version 4 made, with one request and its run."""
    path = tmp_path / "version_4.duckdb"
    file = duckdb.connect(str(path))
    for statement in VERSION_4.read_text(encoding="utf-8").split(";"):
        if statement.strip():
            file.execute(statement).fetchall()
    file.execute("insert into schema_version values (4, 12345)").fetchall()
    columns = file.table("requests").columns
    known = {
        "pass": "3", "trace_hi": str(0xABC), "trace_lo": "7", "span_id": "5", "parent_id": "0", "start_ns": "1000",
        "wall_ns": "1790000000000000000", "duration_ns": "80", "execute_ns": "80", "labels": "1", "segments": "[]",
        "flags": "1", "outcome": "0", "status": "200", "device": "1", "device_ns": "50", "cost": "50",
    }  # fmt: skip
    zero = {name: "0" for name in columns if name.endswith("_ns")}
    values = ", ".join((zero | known).get(name, "0") for name in columns)
    file.execute(f"insert into requests values ({values})").fetchall()  # noqa: S608 - constants
    file.execute("insert into executes values (3, 5, 5, 0, 0, 1000, 1050, 1, 1, 1, 0, 50, 50)").fetchall()
    file.execute("insert into labels values (1, 1, 's', 'm', 'v', '', '', '', 'POST', '/m', '')").fetchall()
    file.execute("insert into names values (1, 1, 'box')").fetchall()
    file.close()
    return path


def test_a_file_of_version_4_opens_and_what_it_could_not_know_is_unknown(version_4):
    with pytest.raises(StateError, match=f"of version 4, {VERSION} is what is read here"):
        queries.opened(version_4)
    Recorder(version_4).close()
    cursor = queries.opened(version_4)

    added = f"select {', '.join(ADDED)} from requests"  # noqa: S608 - constants
    assert cursor.execute(added).fetchall() == [(None,) * len(ADDED)]
    assert cursor.execute("select energy, method from executes").fetchall() == [(None, None)]
    answer = trace(cursor, TRACE)
    assert answer["hops"][0]["method"] == "POST"
    assert answer["hops"][0]["cost_usd"] == pytest.approx(50e-12)
    cursor.close()


def test_a_file_of_version_4_is_gone_on_with(version_4, bench, make):
    recorder = Recorder(version_4)
    worker, now = make.worker(), bench.clock.now
    frame = worker.arrival(
        now + 100 * make.MS,
        requests=[make.request(6, now, now + 80 * make.MS)],
        executes=[make.execute(6, now, now + 60 * make.MS)],
    )
    bench.do_pass(frame, seconds=0.1)
    fresh = bench.rows("select * exclude (segments) from requests")
    bench.pipeline._unstored._recorder = recorder
    bench.do_pass(worker.arrival(now + 200 * make.MS, requests=[make.request(8, now, now + make.MS, trace=3)]))

    assert len(fresh[0]) == len(OF_REQUESTS["requests"]) - 1
    found = recorder.cursor().execute("select span_id, cost, energy, method from requests order by 1").fetchall()
    assert found == [(5, 50, None, None), (8, 0, 0, None)]
    assert recorder.identity == 12345
    recorder.close()


def test_every_column_that_was_added_stands_behind_those_of_before(version_4):
    migrated = Recorder(version_4)
    order = {table: migrated.cursor().table(table).columns for table in OF_REQUESTS}
    migrated.close()

    assert order == {table: list(columns) for table, columns in OF_REQUESTS.items()}


def test_a_migration_that_was_cut_off_is_taken_up_again(version_4):
    file = duckdb.connect(str(version_4))
    file.execute("alter table requests add column energy BIGINT").fetchall()
    file.close()
    Recorder(version_4).close()
    cursor = queries.opened(version_4)

    assert cursor.execute("select energy, temperature from requests").fetchall() == [(None, None)]
    cursor.close()


def test_requests_that_were_held_by_an_earlier_version_are_released_with_what_they_owe(bench, make):
    worker, now = make.worker(), bench.clock.now
    held = worker.arrival(
        now + 10 * make.MS,
        requests=[make.request(5, now, now + 9 * make.MS)],
        executes=[make.execute(5, now + 20 * make.MS, now + 30 * make.MS)],
    )
    sections = bench.do_pass(held, seconds=0.01)
    waiting = unpack(sections["sidecar.held"])
    # What version 1 held: without the column that version 2 added.
    del waiting["last_token_ns"]
    hold = Hold()
    hold.load({"sidecar.held": pack(waiting)})
    rows, _ = hold.released(now + make.SECOND, Ledger(now, lambda _: None).released(), np.zeros(0, np.int64))

    assert not set(ADDED) & set(waiting)
    assert rows["span_id"].tolist() == [5]
    assert rows["last_token_ns"].tolist() == [-1]
    bench.recorder.write(9, {"requests": rows})
    (stored,) = bench.rows("select * exclude (segments) from requests")
    assert stored[-len(ADDED) :] == (0, *[None] * 6)
