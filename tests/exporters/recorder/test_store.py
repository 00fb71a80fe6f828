"""The recorder's file: passes, rollback, bounds, and who may open it."""

import subprocess
import sys

import numpy as np
import pytest

from inferometer.errors import StateError
from inferometer_exporters.recorder import queries
from inferometer_exporters.recorder.schema import VERSION
from inferometer_exporters.recorder.store import Bounds, Recorder

DAY = 24 * 3_600 * 10**9


def kept(count, wall=0):
    return {
        "trace_hi": np.zeros(count, np.uint64),
        "trace_lo": np.arange(count, dtype=np.uint64),
        "reason": np.array(["slow"] * count, object),
        "wall_ns": np.full(count, wall),
    }


def test_names_keep_their_numbers_over_a_restart(tmp_path):
    first = Recorder(tmp_path / "r.duckdb")
    one, two = first.names.number(("box",)), first.names.number(("other",))
    first.write(1, {})
    first.close()
    again = Recorder(tmp_path / "r.duckdb")

    assert (again.names.number(("box",)), again.names.number(("other",))) == (one, two)
    assert again.names[one] == ("box",)
    assert again.names[99] is None
    assert again.identity == first.identity
    again.close()


def test_a_rollback_takes_back_rows_and_names_of_later_passes(tmp_path):
    recorder = Recorder(tmp_path / "r.duckdb")
    recorder.names.number(("box",))
    recorder.write(1, {"kept": kept(2)})
    recorder.names.number(("late",))
    recorder.write(2, {"kept": kept(3)})

    assert recorder.rollback(1) == 1
    assert recorder.names.number(("new",)) == 2
    assert recorder.cursor().execute("select count(*) from kept").fetchall() == [(2,)]
    recorder.close()


def test_without_a_state_rows_stay_but_for_a_first_pass_that_never_reached_its_commit_point(tmp_path):
    recorder = Recorder(tmp_path / "r.duckdb")
    recorder.write(1, {"kept": kept(2)})
    assert recorder.rollback(None) == 0
    recorder.write(1, {"kept": kept(2)})
    recorder.write(2, {"kept": kept(3)})

    assert recorder.rollback(None) == 2
    assert recorder.cursor().execute("select count(*) from kept").fetchall() == [(5,)]
    recorder.close()


def test_a_write_that_fails_leaves_nothing_and_can_be_repeated(tmp_path):
    recorder = Recorder(tmp_path / "r.duckdb")
    broken = kept(2) | {"reason": np.array([1.5, 2.5])[:1]}
    with pytest.raises(StateError, match="cannot store pass 1"):
        recorder.write(1, {"kept": kept(1), "executes": broken})
    recorder.write(1, {"kept": kept(1)})

    assert recorder.cursor().execute("select count(*) from kept").fetchall() == [(1,)]
    recorder.close()


def test_old_passes_go_by_age(bench, make):
    worker = make.worker()
    for number in range(1, 21):
        now = bench.clock.now
        frame = worker.arrival(now + make.MS, requests=[make.request(number, now, now + make.MS, trace=number)])
        bench.do_pass(frame, seconds=3_600)
        bench.do_pass()
    recorder = bench.recorder
    recorder._bounds = Bounds(max_age_ns=10 * 3_600 * make.SECOND)
    recorder.trim(bench.clock.wall())

    assert recorder.rows == 10
    assert recorder.size > 0


def test_a_second_process_is_refused_by_name(tmp_path):
    recorder = Recorder(tmp_path / "r.duckdb")
    program = (
        "import sys; from pathlib import Path; from inferometer.errors import RefusedError\n"
        "from inferometer_exporters.recorder.store import Recorder\n"
        "try: Recorder(Path(sys.argv[1]))\n"
        "except RefusedError as error: print(error)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "r.duckdb")], capture_output=True, text=True, check=True
    )

    assert "another process has" in done.stdout
    recorder.close()


def test_a_damaged_file_is_set_aside(tmp_path, caplog):
    path = tmp_path / "r.duckdb"
    path.write_bytes(b"no database" * 1_000)
    recorder = Recorder(path)

    assert recorder.rows == 0
    assert path.with_name("r.duckdb.damaged").exists()
    assert "set aside" in caplog.text
    recorder.close()


def test_a_file_of_a_later_version_is_refused(tmp_path):
    recorder = Recorder(tmp_path / "r.duckdb")
    recorder.cursor().execute("update schema_version set version = 99").fetchall()
    recorder.close()

    with pytest.raises(StateError, match="version 99"):
        Recorder(tmp_path / "r.duckdb")


def test_a_file_of_an_earlier_version_gets_the_columns_that_were_added_since(tmp_path):
    path = tmp_path / "r.duckdb"
    recorder = Recorder(path)
    recorder.write(1, {"kept": kept(2)})
    recorder.cursor().execute("alter table requests drop column last_token_ns").fetchall()
    recorder.cursor().execute("update schema_version set version = 1").fetchall()
    recorder.close()
    with pytest.raises(StateError, match=f"of version 1, {VERSION} is what is read here"):
        queries.opened(path)
    Recorder(path).close()

    cursor = queries.opened(path)
    assert cursor.execute("select last_token_ns from requests").fetchall() == []
    assert cursor.execute("select count(*) from kept").fetchall() == [(2,)]
    cursor.close()


def test_a_folder_that_cannot_be_made_is_a_state_error(tmp_path):
    (tmp_path / "file").write_text("")

    with pytest.raises(StateError, match="cannot make the folder"):
        Recorder(tmp_path / "file" / "r.duckdb")


def test_a_recorder_that_is_not_there_cannot_be_opened_for_reading(tmp_path):
    with pytest.raises(StateError, match="cannot read the flight recorder"):
        queries.opened(tmp_path / "none.duckdb")


def test_names_beyond_the_limit_are_the_unknown(tmp_path):
    recorder = Recorder(tmp_path / "r.duckdb")
    recorder.names._limit = 2

    assert [recorder.names.number((str(n),)) for n in range(4)] == [1, 2, 0, 0]
    recorder.close()
