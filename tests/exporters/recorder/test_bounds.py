"""The recorder stays within its bounds of size and age, grown for real, however long it runs."""

import numpy as np
import pytest

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
