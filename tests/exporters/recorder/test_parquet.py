"""Parquet files of the recorder: everything that is there, with exact sums, as other tools read it."""

import re
from pathlib import Path

import duckdb
import pytest

from inferometer.catalog.labels import THROTTLE_REASON
from inferometer.errors import StateError
from inferometer_exporters.recorder import parquet

DOCUMENT = Path(__file__).parents[3] / "docs" / "recorder.md"


@pytest.fixture(scope="module")
def bench(lasting_bench):
    """One for all: they only ask."""
    return lasting_bench


@pytest.fixture(scope="module")
def cursor(bench, make):
    """40 requests, of which every other one executed; the first has a device without a price."""
    worker, now = make.worker(), bench.clock.now
    requests, executes = [], []
    for number in range(1, 41):
        begin = now + number * 10 * make.MS
        requests.append(
            make.request(number, begin, begin + 9 * make.MS, trace=number, outcome=3 if number == 3 else 0, tokens_in=7)
        )
        if number % 2:
            executes.append(make.execute(number, begin, begin + 5 * make.MS, device=4 if number == 1 else 1))
    bench.do_pass(worker.arrival(now + make.SECOND, requests=requests, executes=executes), seconds=1)
    for _ in range(3):
        bench.do_pass(worker.arrival(bench.clock.now + make.SECOND), seconds=1)
    found = bench.recorder.cursor()
    found.execute("update requests set throttle = 3, utilization = 0.5 where span_id = 5").fetchall()
    yield found
    found.close()


def written(cursor, table, folder, **more):
    path = folder / f"{table}.parquet"
    found = parquet.write(cursor, table, path, **more)
    reader = duckdb.connect()
    rows = reader.execute("from read_parquet($path)", {"path": str(path)}).fetchall()
    columns = [column[0] for column in reader.description]
    reader.close()
    assert found.rows == len(rows)
    assert found.bytes == path.stat().st_size
    return [dict(zip(columns, row, strict=True)) for row in rows]


def test_what_is_read_back_sums_to_what_is_recorded(cursor, tmp_path):
    requests = written(cursor, "requests", tmp_path)
    executes = written(cursor, "executes", tmp_path)
    sums = "sum(duration_ns), sum(device_ns), sum(cost), sum(execute_ns), sum(tokens_in), count(*)"
    expected = cursor.execute(f"select {sums} from requests").fetchall()[0]  # noqa: S608 - constants

    names = ("duration_ns", "device_ns", "cost_picodollars", "execute_ns", "tokens_in")
    assert (*(sum(row[name] or 0 for row in requests) for name in names), len(requests)) == expected
    assert sum(row["device_ns"] for row in executes) == expected[1]
    stages = [name for name in requests[0] if name.endswith("_ns") and name.split("_")[0] in DOCUMENTED_STAGES]
    assert all(sum(row[name] for name in stages) == row["duration_ns"] for row in requests)


DOCUMENTED_STAGES = {
    *("network", "queue", "deserialize", "preprocess", "execute", "postprocess", "serialize", "remote", "handler"),
    "other",
}


def test_numbers_have_their_names_and_what_is_unknown_is_null(cursor, tmp_path, bench):
    requests = {row["span_id"]: row for row in written(cursor, "requests", tmp_path)}
    first, second, failed, fifth = (requests[f"{number:016x}"] for number in (1, 2, 3, 5))

    assert first["trace_id"] == f"{0xABC << 64 | 1:032x}"
    assert (first["service"], first["model"], first["version"]) == ("embedder", "minilm", "v1")
    assert (first["device"], first["cost_picodollars"], first["energy_microjoules"]) == ("GPU-1", None, None)
    assert (second["device"], second["cost_picodollars"], second["cost_method"]) == (None, 0, None)
    assert failed["outcome"] == "server_error"
    assert (failed["is_entry"], failed["is_warmup"]) == (True, False)
    assert fifth["throttle_reasons"] == list(THROTTLE_REASON.values[:2])
    assert (fifth["utilization_ratio"], fifth["sm_clock_hertz"]) == (0.5, None)
    assert first["throttle_reasons"] is None
    assert first["parent_span_id"] is None


def test_executes_stand_on_the_wall_clock_inside_of_their_request(cursor, tmp_path):
    requests = {row["span_id"]: row for row in written(cursor, "requests", tmp_path)}
    for run in written(cursor, "executes", tmp_path):
        request = requests[run["span_id"]]
        assert run["start_unix_ns"] == request["start_unix_ns"]
        assert run["end_unix_ns"] - run["start_unix_ns"] == request["execute_ns"]


def test_the_ledgers_states_sum_to_its_accounts(cursor, tmp_path):
    entries = written(cursor, "ledger", tmp_path)
    for moment in {(row["entry_unix_ns"], row["device"]) for row in entries}:
        mine = [row for row in entries if (row["entry_unix_ns"], row["device"]) == moment]
        assert sum(row["state_ns"] for row in mine) == mine[0]["account_ns"]
        assert len({row["bill_picodollars"] for row in mine}) == 1
    assert {row["device"]: row["price_picodollars_per_hour"] for row in entries} == {
        "box": 3_600_000_000_000,
        "GPU-1": None,
    }


def test_a_window_has_only_what_began_in_it(cursor, tmp_path, bench, make):
    everything = written(cursor, "requests", tmp_path)
    since = sorted(row["start_unix_ns"] for row in everything)[30]

    assert len(written(cursor, "requests", tmp_path, since_ns=since)) == 10
    assert len(written(cursor, "executes", tmp_path, since_ns=since)) == 5


def test_a_file_that_cannot_be_written_is_an_error_and_leaves_nothing(cursor, tmp_path):
    with pytest.raises(StateError, match="cannot write"):
        parquet.write(cursor, "requests", tmp_path / "none" / "requests.parquet")

    assert list(tmp_path.glob("**/requests.parquet")) == []


def test_a_path_with_a_quote_is_a_path(cursor, tmp_path):
    parquet.write(cursor, "ledger", tmp_path / "it's; drop table requests.parquet")

    assert (tmp_path / "it's; drop table requests.parquet").exists()


@pytest.mark.parametrize("table", parquet.TABLES)
def test_the_document_has_every_column_with_its_type(cursor, tmp_path, table):
    path = tmp_path / "x.parquet"
    parquet.write(cursor, table, path)
    reader = duckdb.connect()
    described = reader.execute("describe from read_parquet($path)", {"path": str(path)}).fetchall()
    section = DOCUMENT.read_text(encoding="utf-8").split(f"### {table}.parquet")[1].split("\n### ")[0]

    assert re.findall(r"^\| `(\w+)` \| ([^|]+) \|", section, re.MULTILINE) == [
        (name, kind) for name, kind, *_ in described
    ]
    reader.close()
