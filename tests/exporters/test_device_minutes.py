"""A minute of a device in a row: means and peaks of what was read, and what the ledger says of it."""

import numpy as np
import pytest

from inferometer.catalog import gpus
from inferometer_exporters.device_minutes import MINUTE_NS, MOST_DEVICES, DeviceMinutes
from inferometer_exporters.ledger.account import Account, Device, State
from inferometer_exporters.recorder.store import MINUTES_KEPT_NS
from inferometer_exporters.source import Reading, Sample

SECOND = 10**9
START = 29_833_350 * MINUTE_NS


def sample(at, *readings, number=0):
    return Sample(number, "nvml", tuple(Reading(entry, labels, value) for entry, labels, value in readings), at)


def account(name="GPU-1", wall=0, used=0):
    made = Account(device=Device(name=name, kind="gpu"), opened=0, since=wall)
    made.states[State.ATTRIBUTED] = used
    made.states[State.WARM_IDLE] = wall - used
    return made


def numbers():
    known = {}
    return lambda name: known.setdefault(name, len(known) + 1)


def row(rows, device):
    index = rows["device"].tolist().index(device)
    return {name: column[index].item() for name, column in rows.items()}


def test_a_minute_has_the_mean_of_what_varies_and_the_peak_of_what_must_fit():
    minutes, gpu = DeviceMinutes(numbers()), ("GPU-1",)
    assert minutes.rows([account()], START) == {}
    for second, (use, dram, memory, heat, held) in enumerate([(0.2, 0.1, 10, 50, 0), (0.6, 0.5, 30, 70, 2 * SECOND)]):
        read = [
            (gpus.GPU_UTILIZATION, gpu, use),
            (gpus.GPU_DRAM_ACTIVE, gpu, dram),
            (gpus.GPU_MEMORY_USED, gpu, memory),
            (gpus.GPU_TEMPERATURE, gpu, heat),
            (gpus.GPU_THROTTLE, (*gpu, "power_cap"), held),
        ]
        # A pass comes more often than a reading: each counts once.
        for _ in range(3):
            minutes.watch([sample(second * SECOND, *read)])
    minutes.ended(np.array([1, 1, 0, 9]), {1: "GPU-1", 9: "GPU-9"}.get)
    found = row(minutes.rows([account(wall=60 * SECOND, used=15 * SECOND)], START + MINUTE_NS)["device_minutes"], 1)

    assert (found["utilization"], found["utilization_peak"]) == (pytest.approx(0.4), 0.6)
    assert (found["dram_active"], found["memory_used"], found["temperature"]) == (pytest.approx(0.3), 30, 70)
    assert (found["throttled_ns"], found["requests"]) == (2 * SECOND, 2)
    assert (found["span_ns"], found["used_ns"], found["wall_ns"]) == (60 * SECOND, 15 * SECOND, START)
    # Nobody read these.
    assert np.isnan([found["tensor_active"], found["sm_active"], found["power"]]).all()
    assert found["memory_total"] == -1


def test_a_row_holds_its_own_minute_and_not_what_came_before():
    minutes = DeviceMinutes(numbers())
    minutes.rows([account(wall=500 * SECOND, used=400 * SECOND)], START)
    minutes.rows([account(wall=560 * SECOND, used=410 * SECOND)], START + MINUTE_NS)
    assert minutes.rows([account(wall=570 * SECOND)], START + MINUTE_NS + 10 * SECOND) == {}
    last = minutes.rows([account(wall=590 * SECOND, used=440 * SECOND)], START + MINUTE_NS + 30 * SECOND, closing=True)

    found = row(last["device_minutes"], 1)
    assert (found["span_ns"], found["used_ns"], found["wall_ns"]) == (30 * SECOND, 30 * SECOND, START + MINUTE_NS)


def test_of_two_sources_of_a_series_the_first_counts_even_where_it_has_nothing_new():
    minutes, gpu = DeviceMinutes(numbers()), ("GPU-1",)
    minutes.rows([account()], START)
    first, second = (gpus.GPU_UTILIZATION, gpu, 0.5), (gpus.GPU_UTILIZATION, gpu, 0.9)
    minutes.watch([sample(1, first), sample(1, second, number=1)])
    minutes.watch([sample(1, first), sample(2, second, number=1)])

    assert row(minutes.rows([account()], START + MINUTE_NS)["device_minutes"], 1)["utilization_peak"] == 0.5


def test_peaks_of_processes_come_every_ten_minutes():
    minutes = DeviceMinutes(numbers())
    minutes.rows([account()], START)
    for minute in range(1, 11):
        memory = (gpus.GPU_PROCESS_MEMORY, ("GPU-1", "4242"), 100 + minute % 7)
        other = (gpus.GPU_PROCESS_MEMORY, ("GPU-1", "other"), 5)
        minutes.watch([sample(minute, memory, other)])
        found = minutes.rows([account()], START + minute * MINUTE_NS)
        assert ("process_peaks" in found) == (minute == 10)

    peaks = found["process_peaks"]
    assert (peaks["pid"].tolist(), peaks["memory_used"].tolist(), peaks["device"].tolist()) == ([4242], [106], [1])


def test_devices_without_end_are_not_kept():
    minutes = DeviceMinutes(numbers())
    minutes.rows([], START)
    for number in range(MOST_DEVICES + 50):
        minutes.watch([sample(number, (gpus.GPU_UTILIZATION, (f"GPU-{number}",), 0.5))])

    assert len(minutes.rows([], START + MINUTE_NS)["device_minutes"]["device"]) == MOST_DEVICES


def test_minutes_reach_the_recorder_and_outlive_its_requests(bench, make):
    worker = make.worker()
    bench.do_pass(worker.arrival(bench.clock.now), seconds=0)
    for _ in range(8):
        now = bench.clock.now
        frame = worker.arrival(
            now + 20 * make.SECOND,
            requests=[make.request(now, now, now + make.SECOND)],
            executes=[make.execute(now, now, now + make.SECOND)],
        )
        bench.do_pass(frame, seconds=20)
    found = bench.rows(
        "select sum(requests), sum(used_ns) // 1000000000, sum(span_ns) // 1000000000, max(utilization) "
        "from device_minutes"
    )
    assert found == [(6, 6, 120, None)]
    bench.recorder.trim(bench.clock.wall() + MINUTES_KEPT_NS // 2)
    assert bench.rows("select count(*) from requests") == [(0,)]
    assert bench.rows("select count(*) from device_minutes") == [(2,)]
    writer = bench.recorder.cursor()
    writer.execute("insert into ledger by name (select 1 as pass, 1 as wall_ns, 1 as device)").fetchall()
    writer.close()
    bench.recorder.trim(bench.clock.wall() + 2 * MINUTES_KEPT_NS)
    assert bench.rows("select count(*) from device_minutes") == [(0,)]


def test_the_last_pass_enters_the_ledger_and_the_minute_that_was_begun(bench, make):
    worker = make.worker()
    bench.do_pass(worker.arrival(bench.clock.now + make.SECOND), seconds=1)
    entries = bench.rows("select count(*) from ledger")[0][0]
    bench.pipeline.closing = True
    bench.do_pass(worker.arrival(bench.clock.now + 2 * make.SECOND), seconds=2)

    assert bench.rows("select count(*) from ledger")[0][0] > entries
    assert bench.rows("select count(*), max(span_ns) > 0 from device_minutes") == [(1, True)]
