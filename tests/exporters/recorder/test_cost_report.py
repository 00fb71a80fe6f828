"""Cost by group from frames of real passes; one picodollar a nanosecond: every figure can be checked by hand."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from loaded_factor import loaded_factor

from inferometer.catalog.stages import Kind, Outcome
from inferometer.record.model import Flag
from inferometer_exporters.recorder.cost_query import DIMENSIONS
from inferometer_exporters.recorder.cost_report import costs, report
from inferometer_exporters.recorder.ledger_hours import HOUR_NS, hours, window

WARM = int(Flag.ENTRY | Flag.WARMUP)
INNER = 0


@pytest.fixture
def asked(request):
    """Asks for the report of a bench's recorder."""

    def ask(*by, seconds=None, of=None):
        cursor = (of or request.getfixturevalue("bench")).recorder.cursor()
        try:
            found = costs(cursor, by or ("model",), since_ns=None if seconds is None else int(seconds * 10**9))
            return found and report(found)
        finally:
            cursor.close()

    return ask


@pytest.fixture
def spent(bench, make):
    """Lets one worker finish requests in passes of a second: ``spent({"span": …, "ms": …, …}, …)``."""
    worker = make.worker()

    def second(*wanted, calls=(), seconds=1.0):
        now = bench.clock.now
        rows, runs = [], []
        for one in wanted:
            begin = now + one.get("at", 0) * make.MS
            end = begin + one.get("ms", 100) * make.MS
            more = {name: one[name] for name in ("shape", "trace", "flags", "outcome", "parent_id") if name in one}
            more |= {name: one[name] for name in ("tokens_in", "tokens_out") if name in one}
            rows.append(make.request(one["span"], begin, end, **more))
            parts = one.get("runs", [(0, one.get("ms", 100), {})])
            runs += [
                make.execute(
                    one["span"], begin + low * make.MS, begin + high * make.MS, **{"execute_id": number, **how}
                )
                for number, (low, high, how) in enumerate(parts, one["span"] * 10)
            ]
        frame = worker.arrival(now + int(seconds * make.SECOND), requests=rows, executes=runs, calls=calls)
        bench.do_pass(frame, seconds=seconds)

    return second


def usd(ms):
    """What that many milliseconds of the host cost."""
    return pytest.approx(ms * 1e-6)


def group(answer, *values):
    found = [one for one in answer["groups"] if tuple(one["keys"].values()) == values]
    assert len(found) == 1, answer["groups"]
    return found[0]


def test_groups_pay_what_they_used_and_fully_loaded_the_whole_bill(spent, asked):
    spent({"span": 1, "ms": 100, "shape": 2}, {"span": 2, "ms": 300, "shape": 1, "at": 200, "trace": 2})
    spent()
    answer = asked("service", "tenant")

    embedder, gateway = group(answer, "embedder", ""), group(answer, "gateway", "acme")
    assert (embedder["cost_usd"], gateway["cost_usd"]) == (usd(100), usd(300))
    # Two seconds of the host, of which requests used 0.4: a quarter and three quarters of the whole.
    assert (embedder["loaded_usd"], gateway["loaded_usd"]) == (usd(500), usd(1500))
    assert (embedder["per_1k_usd"], embedder["loaded_per_1k_usd"]) == (usd(100_000), usd(500_000))
    assert embedder["idle_ratio"] == gateway["idle_ratio"] == pytest.approx(0.8)
    assert embedder["share_ratio"] == 0.25
    assert [one["keys"]["service"] for one in answer["groups"]] == ["gateway", "embedder"]
    total = answer["total"]
    assert (total["bill_usd"], total["requests_usd"], total["idle_usd"]) == (usd(2000), usd(400), usd(1600))
    assert (total["carried_usd"], total["residual_usd"], total["idle_ratio"]) == (0, 0, pytest.approx(0.8))
    (device,) = answer["devices"]
    assert (device["usd_per_hour"], device["price_kind"], device["seconds"]) == (3.6, "owned", 2.0)
    assert device["residual_seconds"] == 0
    assert device["states"]["warm_idle"] == {"seconds": 1.6, "usd": usd(1600)}


def test_the_tenant_of_a_hop_is_the_one_that_entered_the_fleet_and_requests_are_entries(spent, asked):
    spent(
        {"span": 1, "ms": 100, "shape": 1, "trace": 9, "runs": []},
        {"span": 2, "ms": 80, "shape": 2, "trace": 9, "flags": INNER, "parent_id": 77},
        {"span": 3, "ms": 50, "shape": 3, "trace": 8, "at": 200},
    )
    spent()

    answer = asked("tenant")
    assert answer["counted"] == "entry requests"
    assert (group(answer, "acme")["requests"], group(answer, "acme")["cost_usd"]) == (1, usd(80))
    assert group(answer, "acme")["per_1k_usd"] == usd(80_000)
    assert group(answer, "other")["cost_usd"] == usd(50)
    answer = asked("model", "tenant")
    assert answer["counted"] == "requests"
    assert (group(answer, "minilm", "acme")["requests"], answer["total"]["requests"]) == (1, 2)
    # The gateway ran no model: it is known to have cost nothing.
    assert (group(answer, "/search", "acme")["cost_usd"], group(answer, "/search", "acme")["wasted_ratio"]) == (0, None)


@pytest.mark.parametrize("outcome", list(Outcome))
def test_what_failed_timed_out_was_rejected_or_cancelled_is_waste(spent, asked, outcome):
    spent({"span": 1, "ms": 100}, {"span": 2, "ms": 300, "at": 200, "outcome": int(outcome)})
    spent()
    total = asked("model")["total"]

    wasted = outcome not in {Outcome.OK, Outcome.DEGRADED, Outcome.CLIENT_ERROR}
    assert (total["wasted_usd"], total["wasted_ratio"]) == ((usd(300), 0.75) if wasted else (0, 0))
    assert group(asked("outcome"), outcome.label)["requests"] >= 1


def test_a_hop_whose_caller_had_given_it_up_is_waste_however_it_ended(spent, asked, bench, make):
    now = bench.clock.now
    calls = [
        make.call(1, 71, now, now + 100 * make.MS, status=0),
        make.call(1, 72, now + 100 * make.MS, now + 300 * make.MS, attempt=2),
        make.call(1, 73, now, now + 100 * make.MS, target=4),
        # Beside the one that failed, and still under way when that was tried again.
        make.call(1, 74, now, now + 200 * make.MS),
        # The slower of two hedges, and one whose caller had a timeout and let it be.
        make.call(1, 75, now, now + 200 * make.MS, status=0, outcome=int(Outcome.CANCELLED)),
        make.call(1, 76, now, now + 200 * make.MS, status=0, outcome=int(Outcome.TIMEOUT)),
    ]
    spent(
        {"span": 1, "ms": 400, "shape": 1, "runs": []},
        {"span": 2, "ms": 100, "flags": INNER, "parent_id": 71},
        {"span": 3, "ms": 100, "at": 120, "flags": INNER, "parent_id": 72},
        {"span": 4, "ms": 100, "at": 240, "flags": INNER, "parent_id": 73},
        {"span": 5, "ms": 100, "at": 360, "flags": INNER, "parent_id": 74},
        {"span": 6, "ms": 20, "at": 480, "flags": INNER, "parent_id": 75},
        {"span": 7, "ms": 3, "at": 520, "flags": INNER, "parent_id": 76},
        calls=calls,
    )
    spent()

    assert group(asked("model"), "minilm")["wasted_usd"] == usd(123)


def test_warm_up_is_a_part_of_the_bill_and_of_no_group(spent, asked):
    spent({"span": 1, "ms": 400, "flags": WARM}, {"span": 2, "ms": 100, "at": 500})
    spent()
    answer = asked("model")

    (only,) = answer["groups"]
    assert (only["requests"], only["cost_usd"], only["loaded_usd"]) == (1, usd(100), usd(2000))
    assert (answer["total"]["warmup_usd"], answer["total"]["requests_usd"]) == (usd(400), usd(100))
    assert answer["total"]["residual_usd"] == 0


def test_a_request_over_the_windows_edge_counts_where_it_ends_and_what_it_used_before_is_taken_off(
    bench, make, asked, spent
):
    worker, begin = make.worker(), bench.clock.now
    for _ in range(5):
        running = make.execute(5, begin, 0, final=0)
        frame = worker.arrival(bench.clock.now + make.SECOND, executes=[running], opened=[make.opened(5, begin)])
        bench.do_pass(frame, seconds=1)
    answer = asked("model")
    # Nothing has ended: all that was used is carried.
    assert (answer["groups"], answer["total"]["carried_usd"]) == ([], usd(5000))
    now = bench.clock.now
    frame = worker.arrival(
        now + make.SECOND,
        requests=[make.request(5, begin, now + 500 * make.MS)],
        executes=[make.execute(5, begin, now + 500 * make.MS)],
    )
    bench.do_pass(frame, seconds=1)
    bench.do_pass(worker.arrival(bench.clock.now + make.SECOND), seconds=1)

    answer = asked("model", seconds=2)
    total = answer["total"]
    assert group(answer, "minilm")["cost_usd"] == usd(5500)
    # Two seconds were billed; half a second of them was its own, five came before.
    assert (total["bill_usd"], total["carried_usd"], total["idle_usd"]) == (usd(2000), usd(-5000), usd(1500))
    assert total["residual_usd"] == 0
    assert asked("model")["total"]["carried_usd"] == 0


def test_a_window_begins_with_the_entry_before_it_and_ends_with_the_newest(spent, asked):
    spent({"span": 1, "ms": 500})
    spent({"span": 2, "ms": 200})
    spent({"span": 3, "ms": 300})
    answer = asked("model", seconds=1)

    assert (group(answer, "minilm")["requests"], answer["total"]["requests_usd"]) == (1, usd(300))
    assert (answer["total"]["bill_usd"], answer["total"]["carried_usd"]) == (usd(1000), 0)
    assert answer["window"]["whole"]
    assert answer["window"]["end_seconds"] - answer["window"]["begin_seconds"] == 1
    everything = asked("model", seconds=1000)
    assert not everything["window"]["whole"]
    assert everything["total"]["bill_usd"] == usd(3000)


def test_a_device_without_a_price_is_on_no_bill_and_what_it_did_is_said(spent, asked):
    on_gpu = {"runs": [(0, 100, {"device": 4})]}
    spent({"span": 1, "ms": 100, **on_gpu}, {"span": 2, "ms": 300, "shape": 1, "at": 200})
    spent()
    answer = asked("model", "device")

    gpu, host = group(answer, "minilm", "GPU-1"), group(answer, "/search", "box")
    assert (gpu["cost_usd"], gpu["loaded_usd"], gpu["per_1k_usd"], gpu["wasted_usd"]) == (None, None, None, None)
    assert (gpu["device_seconds"], gpu["unpriced_device_seconds"]) == (0.1, 0.1)
    assert (host["cost_usd"], host["loaded_usd"]) == (usd(300), usd(2000))
    total = answer["total"]
    assert total["unpriced_devices"] == ["GPU-1"]
    assert total["unpriced_seconds"] > 0
    assert (total["bill_usd"], total["residual_usd"]) == (usd(2000), 0)


def test_a_request_on_a_priced_and_an_unpriced_device_still_pays_the_priced_one(spent, asked):
    spent({"span": 1, "ms": 400, "runs": [(0, 100, {"device": 4}), (100, 400, {})]})
    spent()

    only = group(asked("model"), "minilm")
    assert (only["cost_usd"], only["unpriced_device_seconds"]) == (usd(300), 0.1)
    assert asked("model")["total"]["carried_usd"] == 0


def test_each_device_of_a_group_has_its_own_part_and_a_host_that_nobody_names_is_the_host(bench, make, asked):
    worker, now = make.worker(), bench.clock.now
    frame = worker.arrival(
        now + make.SECOND,
        requests=[
            make.request(5, now, now + 400 * make.MS),
            make.request(6, now + 500 * make.MS, now + 700 * make.MS, trace=2),
        ],
        executes=[
            make.execute(5, now, now + 400 * make.MS, device=5),
            make.execute(6, now + 500 * make.MS, now + 700 * make.MS, device=0),
        ],
    )
    frame.names.strings[5] = "GPU-1,box"
    bench.do_pass(frame, seconds=1)
    bench.do_pass(worker.arrival(bench.clock.now + make.SECOND), seconds=1)
    answer = asked("device")

    assert (group(answer, "box")["cost_usd"], group(answer, "box")["device_seconds"]) == (usd(600), 0.6)
    assert (group(answer, "GPU-1")["cost_usd"], group(answer, "GPU-1")["device_seconds"]) == (None, 0.4)
    assert answer["total"]["carried_usd"] == 0
    assert len(answer["groups"]) == 2


def test_tokens_read_and_written_have_prices_of_their_own_where_runs_tell_their_phase(spent, asked):
    phases = [(0, 20, {"kind": int(Kind.PREFILL)}), (20, 100, {"kind": int(Kind.DECODE)})]
    spent(
        {"span": 1, "ms": 100, "runs": phases, "tokens_in": 1000, "tokens_out": 100},
        {"span": 2, "ms": 100, "at": 200, "shape": 1, "trace": 2, "tokens_in": 400, "tokens_out": 100},
        {"span": 3, "ms": 100, "at": 400, "shape": 3, "trace": 3},
    )
    spent()
    answer = asked("tenant")

    phased, whole, silent = group(answer, ""), group(answer, "acme"), group(answer, "other")
    assert phased["per_1m_input_tokens_usd"] == usd(20 * 1000)
    assert phased["per_1m_output_tokens_usd"] == usd(80 * 10_000)
    assert phased["per_1m_tokens_usd"] == usd(100 * 1e6 / 1100)
    # One figure for both together: the whole cost on each of them would be the bill twice.
    assert (whole["per_1m_tokens_usd"], whole["per_1m_input_tokens_usd"]) == (usd(100 * 1e6 / 500), None)
    assert whole["per_1m_output_tokens_usd"] is None
    assert silent["per_1m_tokens_usd"] is None


def test_joules_are_absent_where_a_part_of_the_device_time_was_not_metered(spent, asked, bench):
    spent({"span": 1, "ms": 100}, {"span": 2, "ms": 100, "at": 200})
    spent()
    assert asked("model")["groups"][0]["joules"] is None
    writer = bench.recorder.cursor()
    writer.execute("update executes set energy = 2500000 where span_id = 1").fetchall()
    assert asked("model")["groups"][0]["joules"] is None
    writer.execute("update executes set energy = 500000 where span_id = 2").fetchall()
    writer.close()

    assert asked("model")["groups"][0]["joules"] == 3.0
    assert asked("model")["total"]["joules"] == 3.0


def test_an_empty_recorder_has_no_costs(bench, asked):
    assert asked("model") is None


def test_a_ledger_without_a_request_is_all_idle_and_nobodys(bench, asked):
    bench.do_pass(seconds=3)
    answer = asked("model")

    assert answer["groups"] == []
    total = answer["total"]
    assert (total["bill_usd"], total["unused_usd"], total["idle_ratio"]) == (usd(3000), usd(3000), 1)
    assert total["per_1k_usd"] is None
    assert answer["devices"][0]["states"]["unallocated"]["usd"] == usd(3000)


@pytest.mark.parametrize(
    ("by", "says"),
    [
        (("weather",), "cost cannot be grouped by 'weather': each of service, model, version"),
        (("model", "model"), "cost cannot be grouped by 'model,model'"),
        (("model; drop table requests",), "cannot be grouped by 'model; drop table requests'"),
    ],
    ids=["unknown", "twice", "hostile"],
)
def test_what_cost_cannot_be_grouped_by_is_refused(spent, asked, by, says):
    spent({"span": 1})
    with pytest.raises(ValueError, match=says):
        asked(*by)


def test_a_restart_goes_on_and_its_downtime_is_unobserved(new_bench, make):
    before = new_bench()
    worker = make.worker()
    before.do_pass(worker.arrival(before.clock.now + make.SECOND), seconds=1)
    sections = before.do_pass(worker.arrival(before.clock.now + make.SECOND), seconds=1)
    after = new_bench(clock=before.clock)
    after.clock.now += 3 * HOUR_NS
    after.pipeline.load(sections, same_boot=True)
    after.pipeline.rollback(before.number)
    after.number = before.number
    for _ in range(9):
        after.do_pass(worker.arrival(after.clock.now + make.SECOND), seconds=1)
    cursor = after.recorder.cursor()
    found = hours(cursor, window(cursor))
    cursor.close()

    unobserved = [hour.states["unobserved"] for hour in found]
    assert sum(unobserved) == pytest.approx(3 * HOUR_NS, abs=2 * 10**9)
    # It is where it was, not in the hour in which the sidecar came back.
    assert len(found) == 4
    assert all(hour.span <= HOUR_NS for hour in found)
    assert all(sum(hour.states.values()) == hour.span for hour in found)
    assert sum(hour.bill for hour in found) == after.pipeline.ledger.accounts[0].bill


def test_a_ledger_that_began_anew_counts_from_nothing(new_bench, make, asked):
    before = new_bench()
    worker = make.worker()
    for _ in range(5):
        before.do_pass(worker.arrival(before.clock.now + make.SECOND), seconds=1)
    # The state file is lost, the recorder is not.
    after = new_bench(clock=before.clock)
    after.number = after.pipeline.rollback(None)
    for _ in range(3):
        after.do_pass(worker.arrival(after.clock.now + make.SECOND), seconds=1)

    answer = asked("model", of=after)
    assert answer["total"]["bill_usd"] == usd(8000)
    assert answer["devices"][0]["residual_seconds"] == 0


def test_where_older_rows_were_deleted_the_window_begins_with_the_first_entry(spent, asked, bench):
    for span in range(1, 6):
        spent({"span": span, "ms": 100})
    writer = bench.recorder.cursor()
    for table in ("ledger", "requests", "executes"):
        writer.execute(f"delete from {table} where pass <= 2").fetchall()  # noqa: S608 - names of tables
    writer.close()
    answer = asked("model", seconds=1000)

    # The entry of pass 3 is the beginning: what it holds was spent before.
    assert (answer["total"]["bill_usd"], answer["total"]["requests_usd"]) == (usd(2000), usd(200))
    assert (answer["total"]["carried_usd"], answer["window"]["whole"]) == (0, False)


def test_fully_loaded_is_the_factor_of_the_device_where_no_request_is_on_an_edge(spent, asked, bench):
    spent({"span": 1, "ms": 100}, {"span": 2, "ms": 300, "shape": 1, "at": 200})
    spent()
    cursor = bench.recorder.cursor()
    factor = float(loaded_factor(cursor, 0, bench.clock.wall())["box"])
    cursor.close()

    for one in asked("service")["groups"]:
        assert one["loaded_usd"] == pytest.approx(one["cost_usd"] * factor)


HOPS = st.fixed_dictionaries(
    {
        "ms": st.integers(0, 2500),
        "at": st.integers(0, 900),
        "shape": st.integers(1, 3),
        "trace": st.integers(1, 4),
        "flags": st.sampled_from([int(Flag.ENTRY), INNER, WARM]),
        "outcome": st.sampled_from([int(outcome) for outcome in Outcome]),
        "device": st.sampled_from([1, 4]),
        "tokens_out": st.integers(0, 3),
    }
)


@pytest.mark.broad
@settings(
    max_examples=min(40, settings.default.max_examples), suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    passes=st.lists(st.lists(HOPS, max_size=5), min_size=1, max_size=6),
    by=st.lists(st.sampled_from(DIMENSIONS), min_size=1, unique=True),
    seconds=st.one_of(st.none(), st.integers(1, 8)),
)
def test_whatever_happened_and_however_it_is_grouped_the_parts_sum_to_the_bill(
    bench, tmp_path_factory, make, passes, by, seconds
):
    mine = type(bench)(tmp_path_factory.mktemp("random"))
    worker, ids = make.worker(), make.ids()
    for wanted in passes:
        now = mine.clock.now
        rows, runs = [], []
        for one in wanted:
            span, begin = next(ids), now + one["at"] * make.MS
            end = begin + one["ms"] * make.MS
            more = {name: one[name] for name in ("shape", "trace", "flags", "outcome", "tokens_out")}
            rows.append(make.request(span, begin, end, **more))
            runs.append(make.execute(span, begin, end, device=one["device"]))
        mine.do_pass(worker.arrival(now + make.SECOND, requests=rows, executes=runs), seconds=1)
    cursor = mine.recorder.cursor()
    try:
        found = costs(cursor, by, since_ns=seconds and seconds * make.SECOND)
    finally:
        cursor.close()
        mine.recorder.close()

    assert sum(bill.bill for bill in found.bills) == sum(hour.bill for hour in found.hours)
    for bill in found.bills:
        assert sum(bill.costs.values()) == bill.bill
        assert sum(bill.states.values()) == bill.span
        assert bill.requests + bill.warmup + bill.carried == bill.costs["attributed"]
        loaded = [whole for share, whole in zip(found.shares, found.loaded, strict=True) if share.device == bill.device]
        assert sum(loaded) == (bill.bill if any(whole for whole in loaded) else 0)
    priced = [bill for bill in found.bills if bill.price is not None]
    assert sum(share.cost for share in found.shares) == sum(bill.requests + bill.warmup for bill in priced)
    answer = report(found)
    assert answer["total"]["residual_usd"] == 0
    assert sum(one["cost_usd"] or 0 for one in answer["groups"]) == pytest.approx(answer["total"]["requests_usd"])
