"""The device's state while a request executed: from readings into the recorder, answers, pages and spans."""

import pytest

from inferometer.catalog import gpus, hosts
from inferometer.catalog.labels import THROTTLE_REASON
from inferometer.record.model import Labels
from inferometer_exporters.recorder.hops import Wanted, hops
from inferometer_exporters.source import Reading, Sample, Sampler

POWER_CAP = THROTTLE_REASON.values[0]
STATE = "utilization, sm_clock, throttle, throttled_ns, temperature"


class Told(Sampler):
    """A sampler that says what the test says."""

    def __init__(self):
        super().__init__([])
        self.now = []

    def samples(self):
        return self.now


@pytest.fixture
def told():
    return Told()


@pytest.fixture
def read(new_bench, told, make):
    """A pipeline that has read a GPU and its host for two seconds, while requests executed."""
    bench = new_bench(sampler=told)
    worker, now = make.worker(), bench.clock.now
    for second in range(4):
        at = now + second * make.SECOND
        told.now = [
            Sample(
                0, "cpu", (
                    Reading(hosts.HOST_CPU_UTILIZATION, ("box",), 0.25 * second),
                    Reading(hosts.HOST_CPU_THROTTLED, ("box",), second * 100 * make.MS),
                ), at,
            ),
            Sample(
                1, "nvml", (
                    Reading(gpus.GPU_UTILIZATION, ("GPU-1",), 0.5),
                    Reading(gpus.GPU_SM_CLOCK, ("GPU-1",), 1_980_000_000),
                    Reading(gpus.GPU_TEMPERATURE, ("GPU-1",), 60 + second),
                    Reading(gpus.GPU_THROTTLE, ("GPU-1", POWER_CAP), second * make.SECOND),
                ), at,
            ),
        ]  # fmt: skip
        if second < 3:
            bench.do_pass(worker.arrival(at), seconds=1)
    begin, end = now + 2 * make.SECOND, now + 3 * make.SECOND
    frame = worker.arrival(
        now + 3 * make.SECOND,
        requests=[
            make.request(5, begin, end, trace=5),
            make.request(6, begin, end, trace=6),
            make.request(7, begin, end, trace=7),
        ],
        executes=[
            make.execute(5, begin, end, device=4),
            make.execute(6, begin, end),
            make.execute(6, begin, begin + make.MS, device=4, execute_id=66),
        ],
    )
    bench.do_pass(frame, seconds=0.25)
    return bench


def test_a_request_is_stored_with_the_state_of_the_device_of_its_longest_run(read, make):
    found = {span: state for span, *state in read.rows(f"select span_id, {STATE} from requests")}  # noqa: S608 - a constant

    assert found[5] == [0.5, 1_980_000_000, 1, make.SECOND, 63]
    assert found[6] == [0.75, None, None, 100 * make.MS, None]
    assert found[7] == [None] * 5


def test_a_record_that_is_read_back_has_cost_and_state(read, make):
    cursor = read.recorder.cursor()
    wanted = [Wanted(trace_id=0xABC << 64 | number, since_ns=0, after=0) for number in (5, 6, 7)]
    found = {
        hop.record.span_id: hop.outlay
        for hop in hops(
            cursor,
            wanted,
            labels=lambda _: Labels(service="s", model="m"),
            text=read.pipeline._naming.text,
            host="box",
        )
    }
    cursor.close()

    gpu, cpu = found[5].state, found[6].state
    assert (gpu.device, gpu.is_host, gpu.throttle_reasons) == ("GPU-1", False, (POWER_CAP,))
    assert (gpu.utilization, gpu.sm_clock_hertz, gpu.temperature_celsius) == (0.5, 1_980_000_000, 63)
    assert (cpu.device, cpu.is_host, cpu.utilization, cpu.throttle_reasons) == ("box", True, 0.75, ())
    assert found[7].state is None
    assert (found[7].device_ns, found[7].cost_picodollars) == (0, 0)
    # Both had part of their time on a device without a price.
    assert (found[5].cost_picodollars, found[6].cost_picodollars) == (None, None)
    assert found[5].device_ns + found[6].device_ns == 2 * make.SECOND


def test_a_run_whose_device_has_no_name_is_the_hosts(new_bench, told, make):
    bench = new_bench(sampler=told)
    worker, now = make.worker(), bench.clock.now
    told.now = [Sample(0, "cpu", (Reading(hosts.HOST_CPU_UTILIZATION, ("box",), 0.75),), now + make.SECOND)]
    frame = worker.arrival(
        now + make.SECOND,
        requests=[make.request(5, now, now + make.SECOND), make.request(6, now, now + make.SECOND, trace=2)],
        executes=[make.execute(5, now, now + make.SECOND, device=0)],
    )
    bench.do_pass(frame, seconds=1)

    assert bench.rows("select span_id, utilization from requests order by 1") == [(5, 0.75), (6, None)]
