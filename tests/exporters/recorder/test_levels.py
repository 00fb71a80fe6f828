"""Sums of minutes: a view made of them says what one made of every request says, whatever comes in between."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from inferometer_exporters.recorder import view_tables
from inferometer_exporters.recorder.levels import Levels
from inferometer_exporters.recorder.view_steps import Span

MINUTE = 60 * 10**9
STEPS = {"minutes": MINUTE, "ten minutes": 10 * MINUTE}
NEVER = "wall_ns < 0"


@pytest.fixture
def filled(bench, make):
    """A recorder in which sums are made."""
    return fill(bench, make)


@pytest.fixture(scope="module")
def looked_at(lasting_bench, make):
    """One in which nobody makes any."""
    return fill(lasting_bench, make)


def fill(bench, make):
    """Four passes of requests, minutes apart, with a failure, a stream and a warm-up."""
    worker, number = make.worker(), 0
    for _ in range(4):
        now = bench.clock.now
        requests, executes = [], []
        for _ in range(12):
            number += 1
            begin = now + number * 20 * make.MS
            more = {"first_token": begin + make.MS, "tokens_in": 3, "tokens_out": 5} if number % 4 == 0 else {}
            outcome, flags = 3 if number % 6 == 0 else 0, 3 if number % 11 == 0 else 1
            took = (5 + number * 3) * make.MS
            requests.append(
                make.request(number, begin, begin + took, outcome=outcome, flags=flags, trace=number, **more)
            )
            executes.append(make.execute(number, begin, begin + took // 2))
        bench.do_pass(worker.arrival(now + 2 * make.SECOND, requests=requests, executes=executes), seconds=2)
        bench.do_pass(worker.arrival(bench.clock.now + make.MS), seconds=200)
    bench.do_pass(worker.arrival(bench.clock.now + make.MS), seconds=5)
    return bench


def view(bench, make, levels, step, names=("cells", "spread", "tail", "events", "device_time", "prices"), **chosen):
    cursor = bench.recorder.cursor()
    until = bench.clock.wall()
    span = Span(since_ns=(until - 30 * MINUTE) // step * step, until_ns=until, step_ns=step, chosen=chosen)
    view_tables.make(cursor, levels, make.THRESHOLDS, span, names)
    found = {name: sorted(cursor.execute(f"select * from {name}").fetchall(), key=repr) for name in names}  # noqa: S608 - one of our tables
    # Bins of a level may come in several rows; nobody counts rows.
    found["spread"] = sorted(
        cursor.execute(
            "select time, service, model, version, measure, seconds, sum(requests) from spread group by all"
        ).fetchall(),
        key=repr,
    )
    cursor.close()
    return found


@pytest.mark.parametrize("step", STEPS.values(), ids=STEPS)
def test_a_view_of_sums_is_the_view_of_every_request(filled, make, step):
    levels = Levels(make.THRESHOLDS, piece=7)
    alone = view(filled, make, Levels(make.THRESHOLDS), step)
    cursor = filled.recorder.cursor()

    assert levels.catch_up(cursor, filled.clock.wall(), least=1) == 48
    assert cursor.execute(f"select count(*) from memory.main.level_sums_{step // 10**9}").fetchall()[0][0] > 0  # noqa: S608 - one of our tables
    assert view(filled, make, levels, step) == alone
    assert levels.catch_up(cursor, filled.clock.wall(), least=1) == 0
    cursor.close()


def test_what_is_behind_the_mark_is_added_to_the_sums(filled, make):
    levels = Levels(make.THRESHOLDS)
    cursor = filled.recorder.cursor()
    levels.catch_up(cursor, filled.clock.wall(), least=1)
    worker, now = make.worker(), filled.clock.now
    filled.do_pass(worker.arrival(now + make.MS, requests=[make.request(900, now - make.SECOND, now, trace=900)]))
    filled.do_pass(worker.arrival(filled.clock.now + make.MS), seconds=5)

    before = view(filled, make, Levels(make.THRESHOLDS), MINUTE)
    assert view(filled, make, levels, MINUTE) == before
    assert sum(row[9] for row in before["cells"]) == 45
    cursor.close()


def test_few_requests_are_not_worth_summing(filled, make):
    levels = Levels(make.THRESHOLDS)
    cursor = filled.recorder.cursor()

    assert levels.catch_up(cursor, filled.clock.wall()) == 0
    assert levels.mark(cursor) == 0
    cursor.close()


def test_sums_that_are_too_old_go_and_the_view_reads_every_request_instead(filled, make):
    levels = Levels(make.THRESHOLDS)
    cursor = filled.recorder.cursor()
    levels.catch_up(cursor, filled.clock.wall() + 24 * 60 * MINUTE, least=1)

    assert cursor.execute("select count(*) from memory.main.level_sums_60").fetchall() == [(0,)]
    assert view(filled, make, levels, MINUTE) == view(filled, make, Levels(make.THRESHOLDS), MINUTE)
    cursor.close()


def test_a_view_of_one_model_holds_nothing_of_others(looked_at, make):
    levels = Levels(make.THRESHOLDS)

    assert view(looked_at, make, levels, MINUTE, model="minilm")["cells"]
    assert not view(looked_at, make, levels, MINUTE, model="minilm' or true --")["cells"]
    assert not view(looked_at, make, levels, MINUTE, tenant="acme")["cells"]
    assert not view(looked_at, make, levels, MINUTE, model="other")["events"]


def test_events_are_those_of_the_objectives(looked_at, make):
    events = view(looked_at, make, Levels(make.THRESHOLDS), MINUTE)["events"]
    by_slo = {}
    for row in events:
        good, bad = by_slo.get(row[4], (0, 0))
        by_slo[row[4]] = (good + row[-2], bad + row[-1])

    cursor = looked_at.recorder.cursor()
    from inferometer_exporters.recorder.queries import objectives  # noqa: PLC0415 - the other way to count

    assert by_slo == {one["slo"]: (one["good"], one["bad"]) for one in objectives(cursor, make.THRESHOLDS)}
    cursor.close()


def test_device_time_sums_to_what_passed(looked_at, make):
    rows = view(looked_at, make, Levels(make.THRESHOLDS), MINUTE)["device_time"]
    spent = {}
    for time, _, state, seconds, span, *_ in rows:
        of = spent.setdefault(time, [0.0, span])
        of[0] += seconds
        assert state
    assert spent
    for total, span in spent.values():
        assert total == pytest.approx(span)


@given(statement=st.sampled_from(view_tables.TABLES), rest=st.sampled_from(["", "x", "_y"]))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_only_tables_that_are_named_are_made(statement, rest):
    found = view_tables.named_in([f"select 1 from {statement}{rest}"])  # noqa: S608 - one of our tables

    assert (statement in found) is (rest == "")
