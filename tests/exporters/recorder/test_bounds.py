"""The recorder stays within its bounds of size and age, grown for real, however long it runs."""

import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inferometer_exporters.recorder.insertion import SEGMENTS
from inferometer_exporters.recorder.schema import STAGE_COLUMNS
from inferometer_exporters.recorder.store import Bounds, Recorder

SECOND = 10**9
HOUR = 3_600 * SECOND
ROWS = 2_000
MIB = 1 << 20


def passed(number, random):
    """The requests and the ledger's entry of a pass, of the minute that its number says."""
    ids = {
        name: random.integers(1, 1 << 63, ROWS).astype(np.uint64)
        for name in ("trace_hi", "trace_lo", "span_id", "parent_id", "batch_id")
    }
    times = {name: random.integers(0, 10**9, ROWS) for name in STAGE_COLUMNS}
    unknown = dict.fromkeys(
        ("first_chunk_ns", "first_token_ns", "last_token_ns", "proxy_wait_ns", "cost", "energy", "method", "sm_clock",
         "throttle", "throttled_ns"),
        np.full(ROWS, -1),
    )  # fmt: skip
    zero = dict.fromkeys(
        ("labels", "process", "outcome", "status", "flags", "bytes_in", "bytes_out", "chunks", "tokens_in",
         "tokens_out", "device", "batch_size", "device_ns", "segment_count"),
        np.zeros(ROWS, np.int64),
    )  # fmt: skip
    wall = np.full(ROWS, number * 60 * SECOND)
    requests = {
        **ids, **times, **unknown, **zero, **dict.fromkeys(SEGMENTS, np.zeros(ROWS, np.int64)),
        "start_ns": wall, "wall_ns": wall, "duration_ns": sum(times.values()),
        "utilization": np.full(ROWS, np.nan), "temperature": np.full(ROWS, np.nan),
    }  # fmt: skip
    entry = {
        "wall_ns": np.array([number * 60 * SECOND]), "device": np.array([1]), "state": np.array(["attributed"], object),
        "ns": np.array([number]), "span_ns": np.array([number]), "bill": np.array([number]),
        "idle_cost": np.array([0]), "picodollars_per_hour": np.array([-1]),
        **dict.fromkeys(("price_kind", "price_source", "price_as_of", "kind", "model"), np.array([""], object)),
    }  # fmt: skip
    return {"requests": requests, "ledger": entry}


@pytest.fixture
def grown(tmp_path):
    """Writes passes of a minute each, trims after every fifth, and says how large the recorder was after that."""
    random = np.random.default_rng(3)
    made = []

    def grow(bounds, passes):
        recorder = Recorder(tmp_path / "recorder.duckdb", bounds)
        made.append(recorder)
        seen = []
        for number in range(1, passes + 1):
            recorder.write(number, passed(number, random))
            if not number % 5:
                recorder.trim(number * 60 * SECOND)
                seen.append((recorder.size, recorder.path.stat().st_size, recorder.rows))
        return recorder, seen

    yield grow
    for recorder in made:
        recorder.close()


@pytest.mark.broad
def test_what_is_too_large_loses_its_oldest_tenth_until_it_fits(grown):
    limit = 6 * MIB
    recorder, seen = grown(Bounds(max_bytes=limit), 120)
    passes = recorder.cursor().execute("select min(pass), max(pass), count(distinct pass) from requests").fetchall()[0]

    in_use, file, rows = (list(column) for column in zip(*seen, strict=True))
    assert max(in_use) <= limit
    # The blocks of deleted rows are used again: the file is larger than what is in use, by what comes between trims.
    assert max(file) <= 2 * limit
    assert 10 * ROWS < rows[-1] < 120 * ROWS
    # It is the newest that stay, all of them.
    assert passes[1] == 120
    assert passes[2] == passes[1] - passes[0] + 1
    assert passes[0] > 1


@pytest.mark.broad
def test_what_is_too_old_goes_and_the_rest_stays(grown):
    recorder, _ = grown(Bounds(max_age_ns=HOUR), 100)
    cursor = recorder.cursor()

    oldest, newest = cursor.execute("select min(wall_ns), max(wall_ns) from requests").fetchall()[0]
    assert newest == 100 * 60 * SECOND
    assert HOUR - 60 * SECOND <= newest - oldest <= HOUR + 60 * SECOND
    assert recorder.rows == cursor.execute("select count(distinct pass) from requests").fetchall()[0][0] * ROWS


def test_a_clock_of_a_worker_that_is_wrong_deletes_nothing(grown):
    recorder, _ = grown(Bounds(max_age_ns=HOUR), 10)
    late = passed(11, np.random.default_rng(1))
    late["requests"]["wall_ns"] = np.full(ROWS, -(10**18))
    recorder.write(11, late)
    recorder.trim(11 * 60 * SECOND)

    assert recorder.rows == 11 * ROWS


def of_others(count):
    ids = {name: np.arange(count, dtype=np.uint64) for name in ("trace_hi", "trace_lo", "span_id", "parent_id")}
    return {
        **ids, **dict.fromkeys(("wall_ns", "duration_ns", "kind", "failed"), np.zeros(count, np.int64)),
        "request": ids["trace_hi"], **dict.fromkeys(("service", "name"), np.array(["s"] * count, object)),
    }  # fmt: skip


@given(sizes=st.lists(st.integers(1, 40), min_size=1, max_size=30), most=st.integers(1, 50))
@settings(max_examples=15, deadline=None)
def test_of_spans_of_others_there_are_never_more_than_there_may_be_and_what_went_is_counted(sizes, most):
    with tempfile.TemporaryDirectory() as folder:
        recorder = Recorder(Path(folder) / "r.duckdb", Bounds(max_spans=most))
        for number, size in enumerate(sizes, 1):
            recorder.write(number, {"spans": of_others(size)})
            rows = recorder._run("select count(*), min(pass), max(pass) from spans")[0]

            assert 0 < rows[0] <= most
            assert rows[0] + recorder.spans_let_go == sum(sizes[:number])
            # The newest stay, and all of them: no pass between two that stay is gone.
            assert rows[2] == number
            assert rows[0] == min(most, sum(sizes[rows[1] - 1 : number]))
        recorder.close()


def test_spans_that_a_restart_finds_count_too(tmp_path):
    first = Recorder(tmp_path / "r.duckdb", Bounds(max_spans=100))
    first.write(1, {"spans": of_others(90)})
    first.close()
    second = Recorder(tmp_path / "r.duckdb", Bounds(max_spans=100))
    second.write(2, {"spans": of_others(20)})

    assert second._run("select count(*), min(pass) from spans") == [(20, 2)]
    assert second.spans_let_go == 90
    second.close()


def test_spans_of_a_pass_that_was_taken_back_make_room_again(tmp_path):
    recorder = Recorder(tmp_path / "r.duckdb", Bounds(max_spans=100))
    recorder.write(1, {"spans": of_others(50)})
    recorder.write(2, {"spans": of_others(50)})
    recorder.rollback(1)
    recorder.write(2, {"spans": of_others(50)})

    assert recorder._run("select count(*) from spans") == [(100,)]
    assert recorder.spans_let_go == 0
    recorder.close()


def test_where_no_request_came_what_the_ledger_says_is_bounded_too(tmp_path):
    recorder = Recorder(tmp_path / "r.duckdb", Bounds(max_bytes=1))
    entry = passed(1, np.random.default_rng(1))["ledger"]
    for number in range(1, 21):
        recorder.write(number, {"ledger": entry})
    recorder.trim(0)

    assert recorder._run("select min(pass) from ledger")[0][0] > 2
    recorder.close()
