"""The device's state while a request executed, against a second-by-second account of the same readings."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inferometer.catalog import gpus, hosts
from inferometer.catalog.labels import THROTTLE_REASON
from inferometer_exporters.device_history import FORGET_NS, SIZE, DeviceHistory
from inferometer_exporters.device_state import REACH_NS, reasons, unread
from inferometer_exporters.source import Reading, Sample

SECOND = 10**9
GPU = ("GPU-1",)
POWER_CAP, THERMAL = THROTTLE_REASON.values[:2]


def text(number):
    return {1: "GPU-1", 2: "box"}.get(number, "")


def sample(at, *readings, number=0):
    return Sample(number, "nvml", tuple(readings), at)


def gpu(at, *, utilization=None, clock=None, temperature=None, held=(), number=0):
    given = [
        (gpus.GPU_UTILIZATION, GPU, utilization),
        (gpus.GPU_SM_CLOCK, GPU, clock),
        (gpus.GPU_TEMPERATURE, GPU, temperature),
        *((gpus.GPU_THROTTLE, (*GPU, reason), total) for reason, total in held),
    ]
    readings = [Reading(entry, labels, value) for entry, labels, value in given if value is not None]
    return sample(at, *readings, number=number)


def during(history, *runs, device=1):
    begin, end = np.array(runs, np.int64).T
    found = history.during(np.full(len(runs), device), text, begin, end)
    return {name: column.tolist() for name, column in found.items()}


def test_a_run_between_readings_has_what_the_next_one_says_of_that_time():
    history = DeviceHistory()
    history.watch([gpu(10 * SECOND, utilization=0.2, clock=1_000_000_000, temperature=50)])
    history.watch([gpu(11 * SECOND, utilization=0.8, clock=2_000_000_000, temperature=70)])
    state = during(history, (10_200_000_000, 10_300_000_000), (9_500_000_000, 10_500_000_000))

    assert state["utilization"] == pytest.approx([0.8, 0.5])
    assert state["sm_clock"] == [2_000_000_000, 1_500_000_000]
    assert state["temperature"] == [70, 70]


def test_the_newest_reading_holds_until_it_is_too_old():
    history = DeviceHistory()
    history.watch([gpu(10 * SECOND, utilization=0.4, clock=1_980_000_000, temperature=61)])
    at = 10 * SECOND
    state = during(history, (at + SECOND, at + 2 * SECOND), (at + REACH_NS, at + REACH_NS + SECOND))

    assert state["utilization"][0] == 0.4
    assert state["sm_clock"] == [1_980_000_000, -1]
    assert np.isnan([state["utilization"][1], state["temperature"][1]]).all()


def test_what_a_source_did_not_say_for_long_is_unknown_there():
    history = DeviceHistory()
    for at in (10, 11, 60, 61):
        history.watch([gpu(at * SECOND, utilization=0.5, held=[(THERMAL, at * SECOND // 2)])])
    inside, before, after = (
        during(history, (30 * SECOND, 40 * SECOND), (8 * SECOND, 8 * SECOND), (0, 1))["utilization"],
        *during(history, (0, 1))["throttled_ns"],
        *during(history, (30 * SECOND, 40 * SECOND))["throttled_ns"],
    )

    assert np.isnan(inside[0])
    assert inside[1] == 0.5
    assert np.isnan(inside[2])
    assert (before, after) == (-1, -1)


def test_throttling_is_told_by_reason_and_as_time_inside_the_run():
    history = DeviceHistory()
    for at in range(10, 15):
        held = max(at - 12, 0) * SECOND // 2
        history.watch([gpu(at * SECOND, held=[(POWER_CAP, held), (THERMAL, 0)])])
    state = during(history, (10 * SECOND, 12 * SECOND), (12 * SECOND, 14 * SECOND), (12 * SECOND, 12 * SECOND + 8))

    assert [reasons(mask) for mask in state["throttle"]] == [(), (POWER_CAP,), (POWER_CAP,)]
    assert state["throttled_ns"] == [0, SECOND, 4]


def test_a_counter_that_began_anew_counts_on():
    history = DeviceHistory()
    for at, total in ((10, 5 * SECOND), (11, 6 * SECOND), (12, SECOND // 4), (13, SECOND)):
        history.watch([gpu(at * SECOND, held=[(THERMAL, total)])])
    state = during(history, (11 * SECOND, 12 * SECOND), (12 * SECOND, 13 * SECOND))

    assert state["throttled_ns"] == [SECOND // 4, 3 * SECOND // 4]


def test_a_cpu_host_has_its_use_and_the_time_that_its_quota_took():
    history = DeviceHistory()
    for at in (10, 11):
        told = (Reading(hosts.HOST_CPU_UTILIZATION, ("box",), 0.9), at * SECOND // 4)
        history.watch([sample(at * SECOND, told[0], Reading(hosts.HOST_CPU_THROTTLED, ("box",), told[1]))])
    state = during(history, (10 * SECOND, 11 * SECOND), device=2)

    assert state["utilization"] == [0.9]
    assert state["throttled_ns"] == [SECOND // 4]
    assert (state["throttle"], state["sm_clock"]) == ([-1], [-1])
    assert np.isnan(state["temperature"]).all()


def test_a_reading_that_is_shown_twice_is_heard_once_and_the_first_source_is_believed():
    history = DeviceHistory()
    first, second = gpu(10 * SECOND, utilization=0.1), gpu(10 * SECOND + 7, utilization=0.9, clock=5, number=1)
    history.watch([first, second])
    history.watch([first, second])
    state = during(history, (9_900_000_000, 10 * SECOND))

    assert state["utilization"] == [0.1]
    assert state["sm_clock"] == [5]


def test_a_mig_instance_has_clock_temperature_and_throttling_of_its_gpu_and_a_utilization_of_its_own():
    history = DeviceHistory()
    for at in (10, 11):
        history.watch(
            [
                sample(
                    at * SECOND,
                    Reading(gpus.GPU_MIG_INFO, ("box", "GPU-1", "1g.10gb", "1"), 1),
                    Reading(gpus.GPU_SM_CLOCK, GPU, 1_410_000_000),
                    Reading(gpus.GPU_TEMPERATURE, GPU, 64),
                    Reading(gpus.GPU_UTILIZATION, GPU, 0.9),
                    Reading(gpus.GPU_THROTTLE, (*GPU, THERMAL), at * SECOND),
                )
            ]
        )
    unread_use = during(history, (10 * SECOND, 11 * SECOND), device=2)
    history.watch([sample(12 * SECOND, Reading(gpus.GPU_UTILIZATION, ("box",), 0.25), number=1)])
    state = during(history, (11 * SECOND, 12 * SECOND), device=2)

    assert (state["sm_clock"], state["temperature"]) == ([1_410_000_000], [64])
    assert [reasons(mask) for mask in state["throttle"]] == [(THERMAL,)]
    assert np.isnan(unread_use["utilization"]).all()
    assert state["utilization"] == [0.25]


def test_nobody_read_is_unknown():
    history = DeviceHistory()
    history.watch([gpu(10 * SECOND, utilization=0.1)])
    nothing = {name: column.tolist() for name, column in unread(1).items()}

    assert str(during(history, (9 * SECOND, 10 * SECOND), device=0)) == str(nothing)
    assert str(during(history, (9 * SECOND, 10 * SECOND), device=7)) == str(nothing)


def test_the_history_is_bounded_in_time_and_in_devices():
    history = DeviceHistory()
    for at in range(3 * SIZE):
        history.watch([gpu(at * SECOND, utilization=at / 1_000)])
    state = during(history, (0, SECOND), ((3 * SIZE - 2) * SECOND, (3 * SIZE - 1) * SECOND))
    later = 3 * SIZE * SECOND + 2 * FORGET_NS
    history.watch([sample(later, Reading(hosts.HOST_CPU_UTILIZATION, ("box",), 0.5))])

    assert np.isnan(state["utilization"][0])
    assert state["utilization"][1] == pytest.approx((3 * SIZE - 1) / 1_000)
    assert list(history._tracks) == ["box"]


times = st.lists(st.integers(1, 40), min_size=1, max_size=30, unique=True).map(sorted)


@given(times, st.data())
def test_it_is_what_a_count_of_every_moment_says(at, data):
    """Time in tenths of a second; a moment belongs to the first reading at or after it, if that one reaches back."""
    tenth = SECOND // 10
    values = data.draw(st.lists(st.integers(0, 9), min_size=len(at), max_size=len(at)))
    begin, width = data.draw(st.integers(0, 60)), data.draw(st.integers(1, 30))
    history = DeviceHistory()
    for moment, value in zip(at, values, strict=True):
        history.watch([gpu(moment * tenth, utilization=value, temperature=value)])
    state = during(history, (begin * tenth, (begin + width) * tenth))

    def spoken(moment):
        """The value for the tenth that ends at *moment*."""
        reach = REACH_NS // tenth
        later = [(time, value) for time, value in zip(at, values, strict=True) if time >= moment]
        if later:
            return later[0][1] if later[0][0] - moment < reach else None
        return values[-1] if moment - at[-1] <= reach else None

    said = [value for moment in range(begin + 1, begin + width + 1) if (value := spoken(moment)) is not None]
    assert state["utilization"] == pytest.approx([sum(said) / len(said)] if said else [np.nan], nan_ok=True)
    assert state["temperature"] == pytest.approx([max(said)] if said else [np.nan], nan_ok=True)
