"""Totals that only rise, whatever the driver's counters do."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from inferometer_exporters.gpus import nvml_library as nvml
from inferometer_exporters.gpus.nvml_library import FieldValue
from inferometer_exporters.gpus.nvml_totals import LONGEST_GAP_NS, Energy, Rising, Throttle

SECOND = 10**9


@given(st.lists(st.integers(0, 2**64 - 1), min_size=1))
def test_a_total_never_falls_and_is_what_rose(readings):
    rising = Rising()
    totals = []
    for reading in readings:
        rising.advance(reading)
        totals.append(rising.total)

    assert totals == sorted(totals)
    rises = (later - before if later >= before else later for before, later in pairwise(readings))
    assert totals[0] == 0
    assert totals[-1] == sum(rises)


@given(st.integers(0, 2**32 - 1), st.lists(st.integers(0, 2**31 - 1)))
def test_a_counter_of_32_bits_loses_nothing_as_long_as_less_than_its_half_passes(first, gains):
    rising = Rising()
    raw = first
    rising.advance(raw, bits=32)
    for gain in gains:
        raw = (raw + gain) % 2**32
        rising.advance(raw, bits=32)

    assert rising.total == sum(gains)


@given(st.lists(st.tuples(st.integers(0, 1_500_000), st.integers(1, LONGEST_GAP_NS)), min_size=1, max_size=50))
def test_the_integral_of_power_is_exact_to_a_microjoule(samples):
    energy = Energy()
    now, before, exact = 0, None, 0
    for milliwatts, later in samples:
        now += later
        energy.power(milliwatts, now)
        exact += 0 if before is None else (before + milliwatts) * later
        before = milliwatts

    assert energy.microjoules == exact // 2_000_000


def test_energy_is_unknown_until_something_is_read():
    assert Energy().microjoules is None


def test_a_counter_that_appears_later_goes_on_from_the_integral():
    energy = Energy()
    energy.power(2_000, 0)
    energy.power(2_000, SECOND)
    energy.counter(700)
    energy.counter(900)

    assert energy.microjoules == 2_000_000 + 200_000


def test_two_counters_of_one_reason_that_ran_together_are_no_more_than_the_time_that_passed():
    throttle = Throttle()
    for now in (0, SECOND):
        fields = {field: FieldValue(now, 64, 1) for field in (nvml.BOARD_LIMIT_NS, nvml.RELIABILITY_NS)}
        throttle.advance(fields, None, now)

    assert throttle.totals == {"other": SECOND}


def test_a_reason_is_not_held_over_a_time_that_nobody_watched():
    throttle = Throttle()
    throttle.advance({}, nvml.POWER_CAP, 0)
    throttle.advance({}, nvml.POWER_CAP, LONGEST_GAP_NS + 1)

    assert throttle.totals["power_cap"] == 0


def test_reasons_that_are_unknown_now_are_not_counted_until_they_are_known_again():
    throttle = Throttle()
    throttle.advance({}, nvml.POWER_CAP, 0)
    throttle.advance({}, None, SECOND)
    throttle.advance({}, nvml.POWER_CAP, 2 * SECOND)
    throttle.advance({}, nvml.POWER_CAP, 3 * SECOND)

    assert throttle.totals["power_cap"] == SECOND
