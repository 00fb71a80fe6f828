"""What counted for an objective is known by minute, also of requests that the recorder has forgotten, each once."""

from dataclasses import replace

import pytest

from inferometer.catalog.requests import SLO_EVENTS
from inferometer_exporters.recorder import slo_minutes
from inferometer_exporters.recorder.slo_minutes import KEPT_NS, MINUTE_NS, minutes, stretches, watched
from inferometer_exporters.recorder.store import Bounds

HOUR_NS = 60 * MINUTE_NS


@pytest.fixture(scope="module")
def hours(lasting_bench, make):
    """Six hours, to look at."""
    return six_hours(lasting_bench, make)


@pytest.fixture
def own_hours(bench, make):
    """Six hours, to change."""
    return six_hours(bench, make)


def six_hours(bench, make):
    """Six hours with a request every quarter: every tenth fails, every third is slow; two hours are kept."""
    bench.recorder._bounds = Bounds(max_age_ns=2 * HOUR_NS)
    worker = make.worker()
    bench.do_pass(worker.arrival(bench.clock.now), seconds=0)
    for number in range(1, 25):
        now = bench.clock.now
        took = (200 if number % 3 == 0 else 50) * make.MS
        request = make.request(number, now, now + took, trace=number, outcome=3 if number % 10 == 0 else 0)
        bench.do_pass(worker.arrival(now + 890 * make.SECOND, requests=[request]), seconds=900)
    bench.do_pass(worker.arrival(bench.clock.now), seconds=5)
    return bench


def found(bench, objective, **how):
    cursor = bench.recorder.cursor()
    try:
        return minutes(cursor, objective, **how)
    finally:
        cursor.close()


def test_counts_outlive_the_requests_and_equal_the_series(hours, make):
    stored, kept = (
        hours.rows("select count(*) from requests")[0][0],
        hours.rows("select sum(good + bad) from slo_minutes"),
    )
    available, fast = (found(hours, objective) for objective in make.THRESHOLDS.objectives)

    assert stored < 12
    assert kept[0][0] > 20
    for objective, counted in zip(make.THRESHOLDS.objectives, (available, fast), strict=True):
        series = [
            hours.value(SLO_EVENTS, "embedder", "minilm", "v1", "", "", objective.slo, result)
            for result in ("good", "bad")
        ]
        assert [sum(counted.events) - sum(counted.bad), sum(counted.bad)] == series
    assert (sum(available.events), sum(available.bad)) == (24, 2)
    # Failed ones count for latency where they were slow.
    assert (sum(fast.events), sum(fast.bad)) == (22, 8)
    assert available.minutes == sorted(set(available.minutes))


def test_a_minute_that_goes_in_parts_is_one_row(hours):
    rows = hours.rows("select slo, wall_ns, labels, device, count(*) from slo_minutes group by all having count(*) > 1")

    assert rows == []


def test_what_was_since_a_moment_is_the_end_of_what_was_ever(hours, make):
    objective = make.THRESHOLDS.objectives[0]
    everything = found(hours, objective)
    since = everything.minutes[10] * MINUTE_NS

    assert found(hours, objective, since_ns=since).minutes == everything.minutes[10:]


def test_a_slow_request_counts_when_it_crosses_the_threshold(bench, make):
    worker, now = make.worker(), bench.clock.now
    minute = (make.WALL + now) // MINUTE_NS
    begin = (minute + 1) * MINUTE_NS - make.WALL - 10 * make.SECOND
    bench.do_pass(worker.arrival(begin, requests=()), seconds=100)
    bench.do_pass(worker.arrival(begin + 90 * make.SECOND, requests=[make.request(1, begin, begin + 80 * make.SECOND)]))
    bench.do_pass(worker.arrival(begin + 100 * make.SECOND), seconds=10)
    available, fast = (found(bench, objective) for objective in make.THRESHOLDS.objectives)

    assert available.minutes == [minute + 2]
    assert (fast.minutes, fast.bad) == ([minute], [1])


def test_minutes_in_which_a_sidecar_ran_are_told(hours):
    cursor = hours.recorder.cursor()
    told = watched(cursor)
    cursor.close()

    # A pass every quarter, and one five seconds later.
    assert len(told) in {24, 25}
    assert told[-1][1] - told[0][0] == pytest.approx(360, abs=16)


def test_runs_of_minutes():
    assert stretches([]) == []
    assert stretches([1, 2, 3, 7, 9, 10]) == [(1, 3), (7, 7), (9, 10)]


@pytest.mark.broad
def test_what_is_older_than_any_window_goes_and_what_is_too_much(own_hours, make, monkeypatch):
    before = own_hours.rows("select count(*) from slo_minutes")[0][0]
    monkeypatch.setattr(slo_minutes, "MOST_ROWS", before - 1)
    cursor = own_hours.recorder._writer
    slo_minutes.keep(cursor, (), 0, make.WALL)
    after = own_hours.rows("select count(*) from slo_minutes")[0][0]
    slo_minutes.keep(cursor, (), 0, make.WALL + 2 * KEPT_NS)

    assert 0.85 * before < after < before
    assert own_hours.rows("select count(*) from slo_minutes")[0][0] == 0


@pytest.mark.broad
def test_a_crash_while_requests_are_forgotten_loses_and_doubles_nothing(own_hours, make, monkeypatch):
    objective = make.THRESHOLDS.objectives[0]
    whole = found(own_hours, objective)
    run = own_hours.recorder._run

    def failing(sql):
        if sql.startswith("delete from ledger where pass"):
            raise RuntimeError("the power goes")
        return run(sql)

    monkeypatch.setattr(own_hours.recorder, "_run", failing)
    with pytest.raises(RuntimeError):
        own_hours.recorder.trim(own_hours.clock.wall() + HOUR_NS)
    own_hours.recorder._writer.execute("rollback").fetchall()

    assert found(own_hours, objective) == whole


def test_only_objectives_of_models_that_were_asked_are_looked_at(hours, make):
    stranger = replace(make.THRESHOLDS.objectives[0], slo="other", service="nobody")
    slo_minutes.keep(hours.recorder._writer, (stranger,), 10**9, hours.clock.wall())

    assert found(hours, stranger).events == []
