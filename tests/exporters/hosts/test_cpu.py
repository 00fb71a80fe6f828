"""Readings of a host: what its kernel says is there, what it does not say is absent."""

import time
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import pytest

from inferometer.catalog import hosts
from inferometer_exporters.hosts.containers import SHORT
from inferometer_exporters.hosts.cpu import MAX_CONTAINERS, CpuHost, Use, cpu_model

IDS = [f"{number:012x}" + "0" * 52 for number in range(1, MAX_CONTAINERS + 3)]
ALWAYS = {"host_cpu_utilization_ratio", "host_memory_total_bytes", "host_memory_used_bytes"}


class Times(NamedTuple):
    user: float
    system: float
    idle: float
    iowait: float = 0.0
    guest: float = 0.0
    guest_nice: float = 0.0


def read(host):
    return {(reading.entry.name, *reading.labels[1:]): reading.value for reading in host.read()}


def container(number, *, throttled, memory=None):
    files = {f"docker/{IDS[number]}/cpu.stat": f"throttled_usec {throttled}\n"}
    return files | ({f"docker/{IDS[number]}/memory.max": f"{memory}\n"} if memory else {})


def looks(*times):
    """What psutil answers, one look after the other."""
    return iter([Times(*each) for each in times]).__next__


def test_a_silent_kernel_leaves_use_and_memory(kernel):
    use = Use(looks((0, 0, 0), (20, 10, 70)))
    found = read(CpuHost("box", roots=kernel.roots, use=use))

    assert {key[0] for key in found} == ALWAYS
    assert found["host_cpu_utilization_ratio",] == 0.3
    assert 0 < found["host_memory_used_bytes",] < found["host_memory_total_bytes",]


def test_use_is_what_was_neither_idle_nor_waiting_since_the_last_look_whoever_looks():
    # Then no time went by; then a guest had the user's 10 s; then waiting was taken back.
    use = Use(
        looks((0, 0, 0), (30, 10, 50, 10, 0, 0), (30, 10, 50, 10, 0, 0), (40, 15, 135, 10, 10), (50, 15, 135, 5, 10))
    )
    with ThreadPoolExecutor(1) as thread:
        shares = [thread.submit(use.since_last).result() for _ in range(2)]

    assert shares == [0.4, None]
    assert [use.since_last(), use.since_last()] == [0.15, 1.0]


def test_a_first_look_sees_what_went_by_since_it_was_made():
    use = Use()
    deadline = time.monotonic() + 5
    while not (share := use.since_last()):
        assert time.monotonic() < deadline

    assert 0 < share <= 1, "who polls keeps a processor busy"


def test_load_steal_clock_and_pressure_are_as_the_kernel_says_them(kernel):
    kernel.says(
        proc={
            "loadavg": "0.52 1.25 2.00 3/410 12345\n",
            "stat": "cpu  10 0 20 300 5 0 1 250 0 0\ncpu0 10 0 20 300 5 0 1 250 0 0\nbtime 1\n",
            "pressure/cpu": "some avg10=0.00 avg60=0.00 total=1500\nfull avg10=0 total=0\n",
            "pressure/memory": "some avg10=0.00 avg60=0.00 total=20\nfull avg10=0 total=7\n",
            "pressure/io": "nonsense\nsome total=many\n",
        },
        sys={
            "devices/system/cpu/cpu0/cpufreq/scaling_cur_freq": "3000000\n",
            "devices/system/cpu/cpu11/cpufreq/scaling_cur_freq": "2000000\n",
        },
    )
    host = CpuHost("box", roots=kernel.roots)
    host._ticks = 100
    found = {key: value for key, value in read(host).items() if key[0] not in ALWAYS}

    assert found == {
        ("host_load_average", "1m"): 0.52,
        ("host_load_average", "5m"): 1.25,
        ("host_load_average", "15m"): 2.0,
        ("host_cpu_steal_seconds_total",): 2_500_000_000,
        ("host_cpu_clock_hertz",): 2_500_000_000,
        ("host_pressure_seconds_total", "cpu", "some"): 1_500_000,
        ("host_pressure_seconds_total", "memory", "some"): 20_000,
        ("host_pressure_seconds_total", "memory", "full"): 7_000,
    }


def test_our_cgroup_and_those_of_workers_in_containers_are_shown_once_each(kernel):
    kernel.says(
        proc={
            "self/cgroup": f"0::/docker/{IDS[0]}\n",
            "7/cgroup": f"0::/docker/{IDS[1]}\n",
            "8/cgroup": f"0::/docker/{IDS[1]}\n",
            "9/cgroup": "0::/user.slice\n",
        },
        cgroup={
            "cgroup.controllers": "",
            **container(0, throttled=5),
            **container(1, throttled=1500, memory=1 << 30),
            "user.slice/cpu.stat": "throttled_usec 9\n",
        },
    )
    found = read(CpuHost("box", workers=lambda: [9, 8, 7, 6], roots=kernel.roots))
    own, other = IDS[0][:SHORT], IDS[1][:SHORT]

    assert found["host_cpu_throttled_seconds_total",] == 5_000
    assert {key[1:]: value for key, value in found.items() if key[0] == hosts.CONTAINER_CPU_THROTTLED.name} == {
        (own,): 5_000
    } | {(other,): 1_500_000}
    assert found["container_memory_limit_bytes", other] == 1 << 30


def test_containers_are_bounded(kernel):
    shown = {"cgroup.controllers": "", "cpu.stat": "throttled_usec 1\n"}
    for number in range(len(IDS)):
        shown |= container(number, throttled=number)
    kernel.says(
        proc={"self/cgroup": "0::/\n"}
        | {f"{number + 1}/cgroup": f"0::/docker/{one}\n" for number, one in enumerate(IDS)},
        cgroup=shown,
    )
    host = CpuHost("box", workers=lambda: range(1, len(IDS) + 1), roots=kernel.roots)
    found = [key for key in read(host) if key[0] == hosts.CONTAINER_CPU_THROTTLED.name]

    assert len(found) == MAX_CONTAINERS


@pytest.mark.parametrize(
    ("said", "model"),
    [("processor : 0\nmodel name : Some CPU @ 2 GHz\n", "Some CPU @ 2 GHz"), ("processor : 0\n", ""), (None, "")],
)
def test_the_model_of_the_cpu_is_named_where_the_kernel_says_it(kernel, said, model):
    if said is not None:
        kernel.says(proc={"cpuinfo": said})

    assert cpu_model(kernel.roots) == model


def test_this_host_is_read_as_it_is():
    found = read(CpuHost("box"))

    assert found["host_load_average", "1m"] >= 0
    assert found["host_cpu_steal_seconds_total",] >= 0
