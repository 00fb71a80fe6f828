"""What is read of a GPU through NVIDIA's own bindings, in our units; what a chip does not have is absent."""

import ctypes
import math
from pathlib import Path

import pynvml
import pytest

from inferometer_exporters.gpus.nvml_processes import host_pids
from inferometer_exporters.hosts.containers import Place

GPU = "GPU-a"
TICK = 0.2
"""Seconds that are longer than GPM's shortest window."""


def read(driver, source, seconds=TICK):
    driver.ahead += seconds
    return source.read()


def test_everything_that_an_h100_tells_is_shown_in_base_units(driver, shown):
    driver.script(driver.H100)
    source = driver.nvml()
    first = shown(source.read())
    found = shown(read(driver, source))

    assert ("gpu_sm_active_ratio", GPU) not in first, "activity is between two samples"
    for name, value in {
        "gpu_utilization_ratio": 0.73,
        "gpu_memory_used_bytes": 30_000_000_000,
        "gpu_memory_total_bytes": 85_000_000_000,
        "gpu_temperature_celsius": 61,
        "gpu_power_watts": 412.345,
        "gpu_power_limit_watts": 700,
        "gpu_sm_clock_hertz": 1_755_000_000,
        "gpu_memory_clock_hertz": 2_619_000_000,
        "gpu_sm_active_ratio": 0.625,
        "gpu_sm_occupancy_ratio": 0.4,
        "gpu_tensor_active_ratio": 0.3125,
        "gpu_dram_active_ratio": 0.8,
        "gpu_mps_clients": 0,
    }.items():
        assert found[name, GPU] == value, name
    assert found["gpu_info", GPU, "NVIDIA H100 80GB HBM3", "570.86.15", "nvml"] == 1
    assert found["inferometer_source_errors_total", "nvml"] == 0
    assert not [key for key in found if key[0] == "inferometer_source_call_errors_total"]


def test_what_a_chip_does_not_have_is_absent_and_asked_for_once(driver, shown):
    driver.script("0 uuid GPU-a", "0 power 70000")
    source = driver.nvml()
    for _ in range(5):
        found = shown(read(driver, source))

    names = {key[0] for key in found}
    assert names == {
        "gpu_power_watts", "gpu_energy_joules_total", "gpu_mps_clients", "gpu_info", "inferometer_source_errors_total",
    }  # fmt: skip
    for call in ("UtilizationRates", "MemoryInfo", "MemoryInfo_v2", "Temperature", "FieldValues", "MigMode"):
        # Version 2 and 1; fields of each second and of each ten.
        most = 2 if call in ("MemoryInfo_v2", "FieldValues") else 1
        assert 1 <= driver.calls(f"nvmlDeviceGet{call}") <= most, call
    assert driver.calls("nvmlGpmSampleGet") == 1
    assert found["inferometer_source_errors_total", "nvml"] == 0


def test_a_driver_before_version_2_of_the_memory_call_counts_its_own_part_as_used(driver, shown):
    driver.script(driver.H100, "0 error nvmlDeviceGetMemoryInfo_v2 13")
    found = shown(driver.nvml().read())

    assert found["gpu_memory_used_bytes", GPU] == 30_500_000_000


def test_power_now_is_the_field_where_the_chip_has_it_and_the_call_elsewhere(driver, shown):
    driver.script(driver.H100, "0 field 186 1 99500")
    source = driver.nvml()

    assert shown(source.read())["gpu_power_watts", GPU] == 99.5
    assert driver.calls("nvmlDeviceGetPowerUsage") == 0


@pytest.mark.parametrize(
    ("kind", "text", "bytes_more"),
    [(0, "500.0", 500), (1, "500", 500), (2, "500", 500), (3, "500", 500), (4, "500", 500), (5, "500", 500)],
)
def test_a_field_is_read_as_the_type_that_the_driver_says(driver, shown, kind, text, bytes_more):
    driver.script(driver.H100.replace("0 field 197 3 0", f"0 field 197 {kind} 0"))
    source = driver.nvml()
    source.read()
    driver.script(driver.H100.replace("0 field 197 3 0", f"0 field 197 {kind} {text}"))

    assert shown(read(driver, source))["gpu_pcie_bytes_total", GPU, "tx"] == bytes_more


def test_pcie_bytes_are_counters_and_the_call_of_20_ms_is_never_made(driver, shown):
    driver.script(driver.H100.replace("0 field 198 3 0", "0 field 198 1 4294967000"))
    source = driver.nvml()
    source.read()
    driver.script(driver.H100.replace("0 field 198 3 0", "0 field 198 1 704"))

    assert shown(read(driver, source))["gpu_pcie_bytes_total", GPU, "rx"] == 1_000, "32 bits went on at 0"
    assert driver.calls("nvmlDeviceGetPcieThroughput") == 0


@pytest.mark.parametrize(("fields", "scale"), [((138, 139), 1_024), ((202, 204), 1)], ids=["kibibytes", "nvlink-5"])
def test_nvlink_bytes_are_those_of_all_links(driver, shown, fields, scale):
    transmitted, received = fields
    none = driver.H100.replace("0 field 138 3 0", "").replace("0 field 139 3 0", "")
    driver.script(none, f"0 field {transmitted} 3 7", f"0 field {received} 3 9")
    source = driver.nvml()
    source.read()
    driver.script(none, f"0 field {transmitted} 3 107", f"0 field {received} 3 1009")
    found = shown(read(driver, source))

    assert found["gpu_nvlink_bytes_total", GPU, "tx"] == 100 * scale
    assert found["gpu_nvlink_bytes_total", GPU, "rx"] == 1_000 * scale


@pytest.mark.parametrize(
    "fields",
    [{38: "crc_flit", 45: "crc_data", 52: "replay", 59: "recovery"}, {213: "recovery", 214: "link_down"}],
    ids=["before nvlink-5", "nvlink-5"],
)
def test_errors_of_links_are_counted_from_when_the_sidecar_began_to_look(driver, shown, fields):
    driver.script(driver.H100, *(f"0 field {field} 3 {field}" for field in fields))
    source = driver.nvml()
    first = shown(source.read())
    driver.script(driver.H100, *(f"0 field {field} 3 {2 * field}" for field in fields))
    driver.ahead += 11
    found = shown(source.read())

    def errors(of):
        return {key[2]: value for key, value in of.items() if key[0] == "gpu_nvlink_errors_total"}

    assert errors(first) == dict.fromkeys(fields.values(), 0)
    assert errors(found) == {error: field for field, error in fields.items()}


def test_energy_is_the_counter_and_goes_on_when_that_begins_anew(driver, shown):
    driver.script(driver.H100)
    source = driver.nvml()
    seen = [shown(source.read())["gpu_energy_joules_total", GPU]]
    for millijoules in (1_000_400, 1_000_400, 50, 250):
        driver.script(driver.H100.replace("0 field 83 3 1000000", f"0 field 83 3 {millijoules}"))
        seen.append(shown(read(driver, source))["gpu_energy_joules_total", GPU])

    assert seen == [0, 400_000, 400_000, 450_000, 650_000], "microjoules"


def test_energy_is_the_integral_of_power_where_there_is_no_counter(driver, shown):
    driver.script("0 uuid GPU-a", "0 power 100000")
    source = driver.nvml()
    before_first = driver.now()
    source.read()
    after_first = driver.now()
    driver.script("0 uuid GPU-a", "0 power 300000")
    driver.ahead += 2
    before_second = driver.now()
    microjoules = shown(source.read())["gpu_energy_joules_total", GPU]

    shortest, longest = before_second - after_first, driver.now() - before_first
    assert 200e6 * shortest <= microjoules <= 200e6 * longest, "200 W in the mean"


def test_time_that_nobody_watched_has_no_energy(driver, shown):
    driver.script("0 uuid GPU-a", "0 power 100000")
    source = driver.nvml()
    source.read()

    assert shown(read(driver, source, 6.0))["gpu_energy_joules_total", GPU] == 0


def test_throttled_time_is_the_chips_own_count_by_reason(driver, shown):
    driver.script(driver.H100)
    source = driver.nvml()
    source.read()
    later = driver.H100
    for field, nanoseconds in ((74, 150_000_000), (75, 20_000_000), (76, 3), (77, 40_000), (79, 2_000)):
        later = later.replace(f"0 field {field} 3 0", f"0 field {field} 3 {nanoseconds}")
    driver.script(later)
    found = shown(read(driver, source))

    throttled = {key[2]: value for key, value in found.items() if key[0] == "gpu_throttle_seconds_total"}
    assert throttled == {
        "power_cap": 150_000_000, "thermal": 20_000_000, "hardware": 0, "sync_boost": 3, "other": 42_000,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("bits", "reasons"),
    [
        (0x0, set()),
        (0x1, set()),
        (0x2, set()),
        (0x4, {"power_cap"}),
        (0x8, {"hardware"}),
        (0x10, {"sync_boost"}),
        (0x20, {"thermal"}),
        (0x48, {"thermal"}),
        (0x88, {"hardware"}),
        (0x24, {"power_cap", "thermal"}),
    ],
)
def test_throttled_time_is_sampled_where_the_chip_does_not_count(driver, shown, bits, reasons):
    driver.script("0 uuid GPU-a", f"0 reasons {bits}")
    source = driver.nvml()
    before_first = driver.now()
    source.read()
    after_first = driver.now()
    driver.ahead += 1
    before_second = driver.now()
    found = shown(source.read())

    shortest, longest = before_second - after_first, driver.now() - before_first
    held = {key[2]: value for key, value in found.items() if key[0] == "gpu_throttle_seconds_total"}
    assert {reason for reason, value in held.items() if value} == reasons
    for reason in reasons:
        assert shortest * 1e9 <= held[reason] <= longest * 1e9
    assert "other" not in held, "no bit says it"


def test_memory_errors_are_counted_from_the_first_reading(driver, shown):
    driver.script(driver.H100.replace("0 ecc_corrected 0", "0 ecc_corrected 5"))
    source = driver.nvml()
    source.read()
    driver.script(driver.H100.replace("0 ecc_corrected 0", "0 ecc_corrected 8"))
    soon, late = shown(read(driver, source)), shown(read(driver, source, 10.0))

    assert soon["gpu_ecc_errors_total", GPU, "corrected"] == 0, "they are asked for every ten seconds"
    assert late["gpu_ecc_errors_total", GPU, "corrected"] == 3
    assert late["gpu_ecc_errors_total", GPU, "uncorrected"] == 0


def test_processes_have_memory_and_a_share_of_the_sms(driver, shown):
    driver.script(
        driver.H100, "0 process 100 5000", "0 process 200 7000", "0 process 300", "0 share 100 10 20",
        "0 share 100 20 60", "0 share 100 20 55", "0 share 900 20 99",
    )  # fmt: skip
    source = driver.nvml()
    found = shown(source.read())

    assert found["gpu_process_memory_bytes", GPU, "100"] == 5_000
    assert found["gpu_process_memory_bytes", GPU, "200"] == 7_000
    assert ("gpu_process_memory_bytes", GPU, "300") not in found, "the driver does not say it"
    shares = {key[2]: value for key, value in found.items() if key[0] == "gpu_process_sm_utilization_ratio"}
    assert shares == {"100": 0.6, "200": 0.0, "300": 0.0}, "the newest sample; who ran nothing is not told"
    later = shown(read(driver, source, 10.0))
    assert later["gpu_process_sm_utilization_ratio", GPU, "100"] == 0.0, "no newer sample: it ran nothing"


def test_a_process_is_of_the_container_and_pod_of_its_cgroup(driver, shown):
    container, pod = "c" * 64, "0a1b2c3d-0000-4000-8000-123456789abc"
    driver.script(driver.H100, "0 process 100 5000", "0 process 200 7000")
    place_of = {100: Place(container, pod), 200: Place()}.get
    found = shown(driver.nvml(place_of=place_of).read())

    assert [key for key in found if key[0] == "gpu_process_info"] == [("gpu_process_info", GPU, "100", "c" * 12, pod)]


def test_processes_are_placed_only_where_they_are_counted_as_the_driver_does(tmp_path):
    assert host_pids(Path("/proc")) == (Path("/proc/self/ns/pid").stat().st_ino == 4026531836)
    assert not host_pids(tmp_path)
    (tmp_path / "self" / "ns").mkdir(parents=True)
    (tmp_path / "self" / "ns" / "pid").touch()
    assert not host_pids(tmp_path)


def test_of_many_processes_the_largest_are_told_apart(driver, shown):
    driver.script(driver.H100, *(f"0 process {number} {number}" for number in range(1, 41)))
    found = shown(driver.nvml().read())

    pids = {int(key[2]) for key in found if key[0] == "gpu_process_memory_bytes"}
    assert pids == set(range(25, 41))


def test_clients_of_mps_are_counted(driver, shown):
    driver.script(driver.H100, "0 mps 7", "0 mps 8")

    assert shown(driver.nvml().read())["gpu_mps_clients", GPU] == 2


def test_a_field_that_the_driver_does_not_know_is_no_error(driver, shown):
    driver.script(driver.H100.replace("0 field 197 3 0", "0 field 197 error 2"))
    source = driver.nvml()
    for _ in range(2):
        found = shown(source.read())

    assert ("gpu_pcie_bytes_total", GPU, "tx") not in found
    assert found["gpu_pcie_bytes_total", GPU, "rx"] == 0
    assert not [key for key in found if key[0] == "inferometer_source_call_errors_total"]


def test_a_share_that_is_more_than_all_is_absent(driver, shown):
    driver.script(driver.H100, "0 process 100 5000", "0 share 100 10 250")

    assert ("gpu_process_sm_utilization_ratio", GPU, "100") not in shown(driver.nvml().read())


def test_activity_is_not_asked_for_over_less_than_a_tenth_of_a_second(driver, shown):
    driver.script(driver.H100)
    stopped = driver.now()
    source = driver.nvml(monotonic=lambda: stopped)
    source.read()
    found = shown(source.read())

    assert ("gpu_sm_active_ratio", GPU) not in found
    assert driver.calls("nvmlGpmMetricsGet") == 0


@pytest.mark.parametrize("value", ["nan", "inf", "-1", "error 999"])
def test_activity_that_is_no_share_is_absent(driver, shown, value):
    driver.script(driver.H100.replace("0 metric 5 31.25", f"0 metric 5 {value}"))
    source = driver.nvml()
    source.read()
    found = shown(read(driver, source))

    assert ("gpu_tensor_active_ratio", GPU) not in found
    assert all(math.isfinite(reading) for reading in found.values())
    assert found["gpu_sm_active_ratio", GPU] == 0.625


def test_activity_after_a_long_pause_begins_with_a_new_window(driver, shown):
    driver.script(driver.H100)
    source = driver.nvml()
    source.read()

    assert ("gpu_sm_active_ratio", GPU) not in shown(read(driver, source, 11.0))
    assert ("gpu_sm_active_ratio", GPU) in shown(read(driver, source))


STRUCTS = (
    "c_nvmlUtilization_t", "c_nvmlMemory_t", "c_nvmlMemory_v2_t", "c_nvmlFieldValue_t", "c_nvmlProcessInfo_v3_t",
    "c_nvmlProcessUtilizationSample_t", "c_nvmlDeviceAttributes", "c_nvmlGpmMetric_t", "c_nvmlGpmSupport_t",
    "c_nvmlEventData_t",
)  # fmt: skip


@pytest.mark.parametrize("name", STRUCTS)
def test_the_stand_in_lays_out_its_structs_as_the_bindings_do(driver, name):
    assert driver.size(name) == ctypes.sizeof(getattr(pynvml, name))


def test_each_gpu_of_a_host_is_read(driver, shown):
    driver.script("* devices 3", "0 power 1000", "1 power 2000", "2 power 3000")
    found = shown(driver.nvml().read())

    watts = {key[1]: value for key, value in found.items() if key[0] == "gpu_power_watts"}
    assert watts == {"GPU-fake-0": 1.0, "GPU-fake-1": 2.0, "GPU-fake-2": 3.0}
