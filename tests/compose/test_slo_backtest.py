"""`inferometer slo backtest` from a file and from a flight recorder: what it reads, what it says, what it refuses."""

import csv
import json
from datetime import UTC, datetime, timedelta

import duckdb
import numpy as np
import pytest
from typer.testing import CliRunner

from inferometer.fleet.objective import Objective, Sli
from inferometer_compose.backtest.counts import MINUTE
from inferometer_compose.backtest.sources import file as file_source
from inferometer_compose.backtest.sources import recorder
from inferometer_compose.commands import console
from inferometer_compose.commands.declared import app

FLEET = """
version: 1
fleet: shop
services:
  embedder: {engine: fastapi, models: {minilm: {objectives: [available, quick]}}}
  gateway: {engine: fastapi, models: {/search: {objectives: [available]}}}
objectives:
  available: {sli: availability, target: 99.9, window: 30d}
  quick: {sli: latency, threshold: 250ms, target: 99, window: 7d}
receivers: {oncall: {webhook: {url: "http://127.0.0.1:9/"}}}
routes: {page: oncall, ticket: oncall}
"""
BEGIN = datetime(2026, 10, 24, 8, tzinfo=UTC)
SLO = "embedder-minilm-available"


def written(path, bad, per_minute=20):
    """A CSV of minutes, from BEGIN on."""
    with path.open("w", newline="") as out:
        rows = csv.writer(out)
        rows.writerow(["time", "events", "bad"])
        for number, one in enumerate(bad):
            rows.writerow([(BEGIN + timedelta(minutes=number)).isoformat(), per_minute, one])
    return path


def backtest(folder, *arguments):
    return CliRunner().invoke(app, ["slo", "backtest", "--config", str(folder / "fleet.yaml"), *arguments])


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "fleet.yaml").write_text(FLEET)
    return tmp_path


@pytest.fixture
def file(folder):
    """An hour."""
    return written(folder / "counts.csv", [0] * 60)


@pytest.fixture(scope="module")
def month(tmp_path_factory):
    """What is said of 30 days: a healthy share of bad requests, and one outage of twenty minutes."""
    folder = tmp_path_factory.mktemp("month")
    (folder / "fleet.yaml").write_text(FLEET)
    share = np.full(30 * 1_440, 0.0002)
    share[20_000:20_020] = 0.6
    file = written(folder / "counts.csv", np.random.default_rng(3).binomial(20, share))
    how = ("--file", str(file), "--slo", SLO, "--inject", "20% errors for 1h")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(console, "_WIDTH_WITHOUT_TERMINAL", 80)
        screen, document = backtest(folder, *how), backtest(folder, "--json", *how)
    assert screen.exit_code == document.exit_code == 0, screen.output
    return screen.stdout.splitlines(), json.loads(document.stdout)["slos"]


def test_the_past_an_incident_and_an_advice_are_told(month):
    (slo,) = month[1]

    assert (slo["events"], slo["target_ratio"], slo["resolution_seconds"]) == (20 * 30 * 1_440, 0.999, 60)
    assert [row["target_ratio"] for row in slo["targets"]] == [0.9, 0.95, 0.99, 0.995, 0.999, 0.9995, 0.9999]
    own = slo["targets"][4]
    (page,) = own["ours"]["pages"]
    assert page["began_seconds"] == BEGIN.timestamp() + 20_000 * 60
    assert 0 < page["page_after_seconds"] < 5 * 60
    assert own["ours"]["pages_per_30_days"] == 1
    assert own["budget_used_ratio"] == pytest.approx(slo["bad_events"] / slo["events"] / 0.001)
    assert len(own["ours"]["incident"]) == 24
    # A fifth is bad for an hour: 14.4 times the budget of 99.9 % is reached after 4.3 minutes.
    assert all(240 <= hit["page_after_seconds"] <= 330 for hit in own["ours"]["incident"])
    # 90 % allows 10 %, and no leg of it is woken by 20 %.
    assert all(hit["page_after_seconds"] is None for hit in slo["targets"][0]["ours"]["incident"])
    assert slo["advice"]["target_ratio"] == 0.999
    assert slo["advice"]["reasons"][0].startswith("99.95 % would just have been kept")


def test_the_screen_fits_a_terminal_and_marks_what_is_promised(month):
    lines = month[0]

    assert lines[0] == f"{SLO}: 99.9 % over 30d"
    assert any(line.startswith("  * 99.9 %") for line in lines)
    assert "  20 % errors for 1h, tried at 24 moments" in lines
    assert "  These 30.0 days support 99.9 %, as it is promised." in lines
    assert max(len(line) for line in lines if "counts.csv" not in line) <= 80


def test_an_incident_that_an_objective_does_not_measure_wakes_nobody_and_is_said(folder, file):
    answer = backtest(folder, "--file", str(file), "--slo", SLO, "--inject", "30% slow for 20m")

    assert "availability does not count that, so nobody would be woken by this SLO" in answer.stdout


def test_too_little_is_said_and_nothing_is_advised(folder, file):
    answer = backtest(folder, "--file", str(file), "--slo", SLO, "--since", "30m")

    assert "  No advice: 30m are known, and a week has days of every kind: ask again after 7 days." in answer.stdout
    assert "2026-10-24 08:30 to 2026-10-24 09:00 UTC: 30 min" in answer.stdout


def test_pages_of_less_than_a_week_are_counted_and_not_made_a_month_of(folder):
    path = written(folder / "counts.csv", [*[0] * 60, *[15] * 20, *[0] * 40])
    how = ("--file", str(path), "--slo", SLO)
    screen, (told,) = backtest(folder, *how).stdout, json.loads(backtest(folder, *how, "--json").stdout)["slos"]

    assert "  Pages of the 2.0 h that were read; how many 30 days would have takes 7 days to tell." in screen
    assert "  Budget used: of what this time may use, as if all 30d went like it." in screen
    assert "for nothing" not in screen
    own = next(row for row in told["targets"] if row["target_ratio"] == told["target_ratio"])
    assert len(own["ours"]["pages"]) == 1
    assert own["ours"]["pages_per_30_days"] is own["ours"]["pages_for_nothing_per_30_days"] is None


def test_a_month_is_told_of_from_a_week_on_and_its_span_is_said(folder):
    path = written(folder / "counts.csv", [*[0] * 600, *[15] * 20, *[0] * (7 * 1_440 - 620)])
    how = ("--file", str(path), "--slo", SLO)
    screen, (told,) = backtest(folder, *how).stdout, json.loads(backtest(folder, *how, "--json").stdout)["slos"]

    assert "  Pages in 30 days, as in the 7.0 days that were read." in screen
    own = next(row for row in told["targets"] if row["target_ratio"] == told["target_ratio"])
    assert own["ours"]["pages_per_30_days"] == pytest.approx(30 / 7)


def test_a_file_that_cannot_be_read_is_said_once_and_not_for_each_objective(folder):
    answer = backtest(folder, "--file", str(folder / "none.csv"))

    assert answer.exit_code == 2
    assert answer.stderr.count("cannot be read") == 1


def test_objectives_that_a_file_does_not_have_are_said_and_none_of_them_is_no_answer(folder):
    path = folder / "counts.csv"
    path.write_text(f"time,events,bad,slo\n{BEGIN.isoformat()},10,0,{SLO}\n")
    some = backtest(folder, "--file", str(path))
    path.write_text(f"time,events,bad,slo\n{BEGIN.isoformat()},10,0,elsewhere\n")
    none = backtest(folder, "--file", str(path))

    assert (some.exit_code, none.exit_code) == (0, 2)
    assert "embedder-minilm-quick: " in some.stderr
    assert "of none of them there is a history to read" in none.stderr


def test_parquet_says_the_same_as_csv(folder):
    path, parquet = written(folder / "counts.csv", [0, 1, 5] * 5), folder / "counts.parquet"
    of_csv = file_source.minutes(path, SLO)
    for time in ("time::timestamptz", "time::timestamptz at time zone 'UTC'", "time", "epoch(time::timestamptz)"):
        with duckdb.connect() as cursor:
            cursor.execute("set timezone = 'Asia/Tokyo'").fetchall()
            rows = f"select {time} as time, events, bad from read_csv('{path}', types={{'time': 'varchar'}})"  # noqa: S608 - our own
            cursor.execute(f"copy ({rows}) to '{parquet}' (format parquet)").fetchall()
        found = file_source.minutes(parquet, SLO)

        assert (found.begin, found.events.tolist(), found.bad.tolist()) == (
            int(BEGIN.timestamp()), of_csv.events.tolist(), of_csv.bad.tolist()
        )  # fmt: skip


def test_a_file_of_several_slos_is_read_for_each(folder):
    rows = ["slo,time,events,bad"]
    rows += [f"{slo},{1_790_000_000 + 60 * number},10,{bad}" for number in range(60)
             for slo, bad in (("embedder-minilm-available", 0), ("embedder-minilm-quick", 5))]  # fmt: skip
    (folder / "counts.csv").write_text("\n".join(rows))
    answer = backtest(folder, "--json", "--file", str(folder / "counts.csv"))
    by_name = {slo["slo"]: slo for slo in json.loads(answer.stdout)["slos"]}

    assert by_name["embedder-minilm-available"]["bad_events"] == 0
    assert by_name["embedder-minilm-quick"]["bad_events"] == 300
    assert "gateway-search-available: " in answer.stderr
    assert (
        "has nothing of gateway-search-available; it has embedder-minilm-available, embedder-minilm-quick"
        in answer.stderr
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("time,events\n", "counts.csv:1: no column bad; there are time, events: time, events, bad"),
        ("", "no column time, events, bad; there are none"),
        ("time,events,bad\n", "has nothing of embedder-minilm-available: it has no rows"),
        ("time,events,bad\nyesterday,1,0\n", "counts.csv:2: time 'yesterday' is no moment: write 2026-11-20T10:00Z"),
        ("time,events,bad\n0,1,0\n0,many,0\n", "counts.csv:3: events 'many' is no count: write a number from 0"),
        ("time,events,bad\n0,1,nan\n", "counts.csv:2: bad 'nan' is no count"),
        ("time,events,bad\n0,1,-1\n", "counts.csv:2: bad '-1' is no count"),
        ("time,events,bad\n0,1,2\n", "counts.csv:2: 2 of 1 events are bad: `events` counts all of them"),
        ("time,events,bad\n0,1\n", "counts.csv:2: 2 values, the first line names 3 columns"),
        ("time,events,bad\n1790000000000,1,0\n", "write seconds since the epoch, not milliseconds"),
        ("time,events,bad\n0,1,0\n1790000000,1,0\n", "reaches over 20,718 days, up to 400 are right"),
        ('time,events,bad\n"0,1,0\n', "cannot be read"),
    ],
)
def test_a_row_that_cannot_be_right_is_named(folder, content, message):
    (folder / "counts.csv").write_text(content)
    answer = backtest(folder, "--file", str(folder / "counts.csv"), "--slo", SLO)

    assert answer.exit_code == 2
    assert message in answer.stderr
    assert answer.stdout == ""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--file", "counts.json"], "a file whose name ends in .csv or .parquet is right"),
        (["--file", "none.csv"], "none.csv cannot be read: "),
        (["--file", "none.parquet"], "none.parquet cannot be read: "),
        (["--slo", "embeder"], "has no SLO, objective or service 'embeder'; there are the SLOs embedder-minilm-"),
        (["--inject", "20% panic for 1h"], "'panic' in '20% panic for 1h' is nothing that goes wrong"),
        (["--recorder", "none.duckdb"], "cannot read the flight recorder none.duckdb"),
        (["--since", "0s"], "--since is 0s, a duration above 0 is right"),
        (["--since", "30s"], "--since must be from 1m to 400d"),
        (["--since", "10y"], "--since must be from 1m to 400d"),
        (["--file", "a.csv", "--recorder", "b.duckdb"], "--file and --recorder are both named: one history is read"),
        (["--prometheus", "http://127.0.0.1:9"], "http://127.0.0.1:9/api/v1/query_range"),
    ],
)
def test_what_cannot_be_asked_says_why(folder, arguments, message):
    slo = [] if "--slo" in arguments else ["--slo", SLO]
    answer = backtest(folder, *slo, *arguments)

    assert answer.exit_code == 2
    assert message in answer.stderr


def test_a_moment_outside_of_the_history_is_refused(folder, file):
    answer = backtest(folder, "--file", str(file), "--slo", SLO, "--inject", "5% errors for 1h at 2020-01-01T00:00Z")

    assert answer.exit_code == 2
    assert "the incident lies outside of what is recorded" in answer.stderr


def test_minutes_in_which_no_sidecar_wrote_are_not_watched():
    objective = Objective(slo="o", service="s", model="m", name="o", sli=Sli.AVAILABILITY, threshold_ns=None,
                          target="99", window_ns=1)  # fmt: skip
    found = recorder.counts(
        {"slo": objective.slo, "begin": 100, "end": 110, "watched": [(100, 102), (108, 109)], "minutes": [101, 105],
         "events": [7, 3], "bad": [1, 0]}
    )  # fmt: skip

    assert found.begin == 100 * MINUTE
    assert found.known.tolist() == [True, True, True, False, False, True, False, False, True, True]
    assert (found.events[1], found.bad[1], found.events[5]) == (7, 1, 3)
    assert found.per_hour == pytest.approx(10 / 6 * 60)
