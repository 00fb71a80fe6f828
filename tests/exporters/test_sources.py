"""Readings of a recording."""

import pytest

from inferometer.catalog import gpus
from inferometer.errors import StateError
from inferometer_exporters.gpus.replay import Replay
from inferometer_exporters.source import Reading

HEAD = "seconds,device,name,driver,gpu_utilization_ratio,gpu_energy_joules_total,gpu_throttle_seconds_total{thermal}"
RECORDING = f"""{HEAD}
0,GPU-1,NVIDIA H100,570,0.25,100,0
10,GPU-1,NVIDIA H100,570,0.75,130,
20,GPU-1,NVIDIA H100,570,0.5,150,1.5
"""


def by_name(readings):
    return {(reading.entry.name, *reading.labels[1:]): reading.value for reading in readings}


@pytest.fixture
def recording(tmp_path):
    path = tmp_path / "recording.csv"
    path.write_text(RECORDING)
    return path


def test_a_recording_is_read_as_if_it_were_now_and_marked_as_a_replay(recording):
    time = [100.0]
    replay = Replay(recording, monotonic=lambda: time[0])
    time[0] = 112.0
    found = list(replay.read())

    assert found[0] == Reading(gpus.GPU_INFO, ("GPU-1", "NVIDIA H100", "570", "replay"), 1)
    values = by_name(found[1:])
    assert values == {("gpu_utilization_ratio",): 0.75, ("gpu_energy_joules_total",): 130 * 10**6}


def test_counters_of_a_recording_go_on_when_it_begins_anew(recording):
    time = [0.0]
    replay = Replay(recording, monotonic=lambda: time[0])
    seen = []
    for time[0] in range(0, 100, 5):
        seen.append(by_name(replay.read())["gpu_energy_joules_total",])

    assert seen == sorted(seen)
    assert seen[4] - seen[0] == 50 * 10**6


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "begins with the columns"),
        ("seconds,device,name,driver,nonsense_total\n0,a,b,c,1\n", "no series 'nonsense_total'"),
        ("seconds,device,name,driver,gpu_throttle_seconds_total\n0,a,b,c,1\n", "the second one goes in braces"),
        ("seconds,device,name,driver,gpu_power_watts\n", "at least one row"),
        ("seconds,device,name,driver,gpu_power_watts\n0,a,b,c,many\n", "csv:2: could not convert"),
        ("seconds,device,name,driver,gpu_power_watts\n0,a,b,c,1,2\n", "csv:2: 2 readings for 1 columns"),
    ],
)
def test_a_recording_that_is_wrong_is_refused_with_its_line(tmp_path, text, message):
    path = tmp_path / "r.csv"
    path.write_text(text)

    with pytest.raises(StateError, match=message):
        Replay(path)


def test_a_recording_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(StateError, match="cannot read the recording"):
        Replay(tmp_path / "none.csv")
