"""Totals over many pages: integrals, changes of the last XID, counters that begin anew."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from inferometer.catalog import gpus
from inferometer_exporters.gpus.tally import LONGEST_SECONDS, Tally

ENERGY, XID, PCIE = gpus.GPU_ENERGY, gpus.GPU_XID_ERRORS, gpus.GPU_PCIE
GPU = "GPU-1"


def totals(tally):
    return {(reading.entry.name, *reading.labels): reading.value for reading in tally.readings()}


def energy(tally):
    return totals(tally)[ENERGY.name, GPU]


@given(st.lists(st.integers(0, 10**15), min_size=1, max_size=20))
def test_a_counter_counts_what_it_gained_and_after_a_fall_what_it_shows(raw):
    tally = Tally()
    for second, total in enumerate(raw):
        tally.begin(second)
        tally.follow(ENERGY, (GPU,), total)
        found = energy(tally)
    gains = [after - before if after >= before else after for before, after in pairwise(raw)]

    assert found == sum(gains)


# A step of just LONGEST_SECONDS is a gap where its end is rounded up.
STEPS = st.tuples(st.floats(0.001, LONGEST_SECONDS * 0.999), st.floats(0, 1e9))


@given(st.lists(STEPS, max_size=30), st.floats(0, 1e9))
def test_a_rate_adds_up_to_its_integral_without_what_rounding_takes(steps, first):
    tally, now, rate, integral = Tally(), 0.0, first, 0.0
    tally.begin(now)
    tally.integrate(PCIE, (GPU, "rx"), rate)
    seen = [totals(tally)[PCIE.name, GPU, "rx"]]
    for seconds, following in steps:
        now, integral, rate = now + seconds, integral + (rate + following) / 2 * seconds, following
        tally.begin(now)
        tally.integrate(PCIE, (GPU, "rx"), rate)
        seen.append(totals(tally)[PCIE.name, GPU, "rx"])

    assert seen[0] == 0
    assert seen == sorted(seen)
    assert abs(seen[-1] - integral) <= 1 + integral * 1e-6


def test_what_is_in_a_gap_is_unknown_and_not_integrated():
    tally = Tally()
    for now in (0.0, 1.0, 1.0 + LONGEST_SECONDS + 0.1, 2.0 + LONGEST_SECONDS + 0.1):
        tally.begin(now)
        tally.integrate(ENERGY, (GPU,), 1000.0)
        found = energy(tally)

    assert found == 2000


def test_a_counter_that_is_missing_on_a_page_is_bridged_and_nothing_counts_twice():
    tally = Tally()
    for now, (total, rate) in enumerate([(500, None), (600, None), (None, 100), (None, 100), (800, None), (850, None)]):
        tally.begin(float(now))
        if total is None:
            tally.integrate(ENERGY, (GPU,), rate)
        else:
            tally.follow(ENERGY, (GPU,), total)
        found = energy(tally)

    assert found == 100 + 100 + 50


def test_a_last_xid_counts_when_it_changes_and_not_when_it_is_first_seen_or_cleared():
    tally = Tally()
    seen = []
    for now, xid in enumerate([31, 31, 79, 79, 0, 79, 0]):
        tally.begin(float(now))
        tally.last_xid(GPU, xid)
        seen.append(totals(tally))

    assert seen[1] == {(XID.name, GPU, "31"): 0}
    assert seen[2] == {(XID.name, GPU, "31"): 0, (XID.name, GPU, "79"): 1}
    assert seen[-1] == {(XID.name, GPU, "31"): 0, (XID.name, GPU, "79"): 2}


def test_a_number_that_is_no_xid_is_none():
    tally = Tally()
    for now, xid in enumerate([0, 10**9]):
        tally.begin(float(now))
        tally.last_xid(GPU, xid)
        found = totals(tally)

    assert found == {}


def test_a_counter_that_appears_with_an_event_was_0_before_on_a_device_that_was_there():
    tally = Tally()
    for now, born in enumerate([None, 1, 3]):
        tally.begin(float(now))
        tally.follow(ENERGY, (GPU,), 7)
        if born is not None:
            tally.born(XID, (GPU, "79"), born)
        found = totals(tally)
    assert found[XID.name, GPU, "79"] == 3

    late = Tally()
    late.begin(0.0)
    late.born(XID, (GPU, "79"), 5)
    assert totals(late)[XID.name, GPU, "79"] == 0, "what was before we looked is not news"


def test_devices_that_are_gone_are_forgotten_and_begin_anew():
    tally = Tally()
    for now, device in enumerate(["GPU-1", "GPU-1", "GPU-2", "GPU-1"]):
        tally.begin(float(now))
        tally.follow(ENERGY, (device,), 100 * now)
        tally.last_xid(device, now)
        found = totals(tally)
        assert len(tally._totals) <= 3
        assert list(tally._last_xid) == [device]

    assert found[ENERGY.name, "GPU-1"] == 0
