"""dcgm-exporter's page: values read by hand from captured pages, both naming schemes, pods, MIG, marks for unknown."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inferometer.catalog import gpus
from inferometer.errors import SourceError
from inferometer_exporters.gpus import dcgm
from inferometer_exporters.gpus.dcgm import compute_slices
from inferometer_exporters.gpus.facts import MAX_DEVICES, known
from inferometer_exporters.gpus.page import GpuPage
from inferometer_exporters.pages.exposition import Point, points
from inferometer_exporters.pages.fetch import PageUrl

DATA = Path(__file__).parents[2] / "data" / "gpus"
T4 = "GPU-20c56d28-0da5-6d26-a36a-e7af1ce2586e"
URL = PageUrl.parse("http://127.0.0.1:9400/metrics")
MIB = 1 << 20


class Pages:
    """Pages a second apart, and what is read of them."""

    def __init__(self):
        self.now = 0.0
        self.page = b""
        self._source = GpuPage(URL, get=lambda _: self.page, monotonic=lambda: self.now)

    def read(self, page):
        self.now += 1.0
        self.page = page if isinstance(page, bytes) else "".join(f"{line}\n" for line in page).encode()
        return {(reading.entry.name, *reading.labels): reading.value for reading in self._source.read()}


@pytest.fixture
def pages():
    return Pages()


def line(name, value, uuid="GPU-1", **labels):
    inside = ",".join(f'{key}="{text}"' for key, text in {"gpu": "0", "UUID": uuid, **labels}.items())
    return f"{name}{{{inside}}} {value}"


def of(entry, found):
    return {key[1:]: value for key, value in found.items() if key[0] == entry.name}


def test_a_captured_page_of_a_t4_says_what_it_says(pages):
    found = pages.read((DATA / "dcgm-exporter-2023-08.prom").read_bytes())
    mine = {key[0]: value for key, value in found.items() if key[1] == T4 and len(key) == 2}

    assert mine == {
        "gpu_sm_clock_hertz": 300_000_000,
        "gpu_memory_clock_hertz": 405_000_000,
        "gpu_temperature_celsius": 25,
        "gpu_power_watts": 8.969,
        "gpu_utilization_ratio": 0.0,
        "gpu_memory_used_bytes": 0,
        "gpu_memory_total_bytes": 15109 * MIB,
        "gpu_energy_joules_total": 0,
    }
    assert of(gpus.GPU_INFO, found) == {
        (T4, "Tesla T4", "460.106.00", "dcgm"): 1,
        ("GPU-9ef1b6d0-3643-5dd7-b823-c0ec20dcf2d5", "Tesla T4", "470.182.03", "dcgm"): 1,
    }


OLD = [
    line("DCGM_FI_DEV_GPU_UTIL", 73, modelName="NVIDIA H100", DCGM_FI_DRIVER_VERSION="570.1"),
    line("DCGM_FI_PROF_SM_ACTIVE", 0.5),
    line("DCGM_FI_PROF_PIPE_TENSOR_ACTIVE", 0.25),
    line("DCGM_FI_PROF_DRAM_ACTIVE", 0.125),
    line("DCGM_FI_DEV_FB_USED", 1000),
    line("DCGM_FI_DEV_FB_FREE", 80000),
    line("DCGM_FI_DEV_FB_RESERVED", 559),
    line("DCGM_FI_DEV_POWER_USAGE", "412.345000"),
    line("DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION", 128996013),
    line("DCGM_FI_DEV_GPU_TEMP", 59),
    line("DCGM_FI_DEV_SM_CLOCK", 1980),
    line("DCGM_FI_DEV_MEM_CLOCK", 2619),
    line("DCGM_FI_DEV_POWER_VIOLATION", 1000),
    line("DCGM_FI_DEV_XID_ERRORS", 0),
    line("DCGM_FI_PROF_PCIE_RX_BYTES", 1000),
]
NEW = [
    line("DCGM_FI_DEV_GPU_UTIL_RATIO", 0.73, modelName="NVIDIA H100", DCGM_FI_SYSTEM_DRIVER_VERSION="570.1"),
    line("DCGM_FI_PROF_SM_UTIL_RATIO", 0.5),
    line("DCGM_FI_PROF_TENSOR_UTIL_RATIO", 0.25),
    line("DCGM_FI_PROF_DRAM_UTIL_RATIO", 0.125),
    line("DCGM_FI_DEV_FB_USED_BYTES", 1000 * MIB),
    line("DCGM_FI_DEV_FB_CAPACITY_BYTES", 81559 * MIB),
    line("DCGM_FI_DEV_BOARD_POWER_WATTS", 412.345),
    "# TYPE DCGM_FI_DEV_GPU_ENERGY_JOULES_TOTAL counter",
    line("DCGM_FI_DEV_GPU_ENERGY_JOULES_TOTAL", 128996),
    line("DCGM_FI_DEV_GPU_TEMP_CELSIUS", 59),
    line("DCGM_FI_DEV_SM_CLOCK_HERTZ", 1980000000),
    line("DCGM_FI_DEV_MEMORY_CLOCK_HERTZ", 2619000000),
    line("DCGM_FI_DEV_CLOCKS_EVENT_REASON_SW_POWER_CAP_NS", 1000),
    line("DCGM_FI_DEV_XID_ERROR", 0),
    line("DCGM_FI_PROF_PCIE_RX_BYTES", 1000),
]


def test_old_and_new_names_say_the_same_in_our_units(pages):
    old = pages.read(OLD)

    assert Pages().read(NEW) == old
    assert old["gpu_utilization_ratio", "GPU-1"] == pytest.approx(0.73)
    assert old["gpu_memory_total_bytes", "GPU-1"] == 81559 * MIB
    assert old["gpu_sm_clock_hertz", "GPU-1"] == 1_980_000_000
    assert of(gpus.GPU_INFO, old) == {("GPU-1", "NVIDIA H100", "570.1", "dcgm"): 1}


def test_old_names_are_believed_where_both_are_on_the_page(pages):
    pages.read([*OLD, *NEW])
    later = [text.replace(" 128996013", " 128996514") for text in OLD] + NEW
    found = pages.read(later)

    # 501 mJ more; the counter of whole joules has not moved.
    assert found["gpu_energy_joules_total", "GPU-1"] == 501_000
    assert found["gpu_memory_used_bytes", "GPU-1"] == 1000 * MIB


@pytest.mark.parametrize(
    ("text", "share"), [("GPU utilization (in %).", 0.01), ("GPU utilization ratio (0.0-1.0).", 1.0)]
)
def test_the_help_text_tells_a_percentage_from_a_ratio_of_the_same_name(pages, text, share):
    name = "DCGM_FI_DEV_GPU_UTIL_RATIO"
    found = pages.read([f"# HELP {name} {text}", f"# TYPE {name} gauge", line(name, 1)])

    assert found["gpu_utilization_ratio", "GPU-1"] == pytest.approx(share)


@pytest.mark.parametrize(
    "value",
    [
        "9223372036854775794", "9223372036854775792", "9.223372036854775794e+18", "9223372036854775807",
        "2147483632", "2147483634", "2147483647", "140737488355328", "1.40737488355330e+14", "NaN", "+Inf", "-Inf",
        "-1",
    ],
)  # fmt: skip
def test_marks_for_what_dcgm_does_not_know_are_no_values(pages, value):
    found = pages.read(
        [
            line("DCGM_FI_DEV_GPU_TEMP", 30),
            *(line(name, value) for name in dcgm.FIELDS if name != "DCGM_FI_DEV_GPU_TEMP"),
        ]
    )

    assert set(found) == {("gpu_info", "GPU-1", "", "", "dcgm"), ("gpu_temperature_celsius", "GPU-1")}


@given(st.one_of(st.integers(0, 2**31 - 17), st.integers(2**31, 2**47 - 1), st.integers(2**47 + 16, 2**53)))
def test_every_other_number_is_a_value(number):
    assert known(float(number)) == number


def test_a_shared_gpu_is_counted_once_however_many_pods_have_it(pages):
    names = {"DCGM_FI_DEV_POWER_USAGE": 300, "DCGM_FI_DEV_FB_USED": 1000, "DCGM_FI_DEV_GPU_UTIL": 60}
    page = [
        line(name, value, namespace="ml", pod=pod, container="serve")
        for name, value in names.items()
        for pod in ("a", "b")
    ]
    found = pages.read(page)

    assert found["gpu_power_watts", "GPU-1"] == 300
    assert found["gpu_memory_used_bytes", "GPU-1"] == 1000 * MIB
    assert found["gpu_utilization_ratio", "GPU-1"] == 0.6
    assert found["gpu_pods", "GPU-1"] == 2
    assert set(of(gpus.GPU_POD_INFO, found)) == {("GPU-1", "ml", "a", "serve"), ("GPU-1", "ml", "b", "serve")}


def test_use_and_memory_by_process_add_up_and_all_memory_is_unknown_then(pages):
    page = [line("DCGM_FI_DEV_FB_FREE", 500, pod=pod) for pod in ("a", "b")]
    page += [line("DCGM_FI_DEV_FB_USED", mib, pod=pod) for pod, mib in (("a", 1000), ("b", 250))]
    page += [line("DCGM_FI_DEV_GPU_UTIL", use, pod=pod) for pod, use in (("a", 70), ("b", 40))]
    found = pages.read(page)

    assert found["gpu_memory_used_bytes", "GPU-1"] == 1250 * MIB
    assert found["gpu_utilization_ratio", "GPU-1"] == 1.0
    assert not of(gpus.GPU_MEMORY_TOTAL, found)


@pytest.mark.parametrize(
    ("labels", "owner"),
    [
        ({"pod": "p", "namespace": "n", "container": "c"}, ("n", "p", "c")),
        ({"pod_name": "p", "pod_namespace": "n", "container_name": "c"}, ("n", "p", "c")),
        (
            {"exported_pod": "p", "exported_namespace": "n", "exported_container": "c", "pod": "dcgm-exporter-x7",
             "namespace": "gpu-operator", "container": "exporter"},
            ("n", "p", "c"),
        ),
        ({"pod": "p"}, ("", "p", "")),
    ],
    ids=["pod", "pod_name", "exported_pod", "alone"],
)  # fmt: skip
def test_pods_are_known_by_every_name_of_their_labels(pages, labels, owner):
    found = pages.read([line("DCGM_FI_DEV_POWER_USAGE", 300, **labels)])

    assert set(of(gpus.GPU_POD_INFO, found)) == {("GPU-1", *owner)}


def test_a_gpu_without_a_pod_is_given_to_nobody_where_the_page_speaks_of_pods(pages):
    idle = line("DCGM_FI_DEV_POWER_USAGE", 60, uuid="GPU-2")
    empty = line("DCGM_FI_DEV_POWER_USAGE", 60, uuid="GPU-3", pod="", namespace="", container="")
    taken = line("DCGM_FI_DEV_POWER_USAGE", 300, pod="a", namespace="ml", container="serve")

    assert of(gpus.GPU_PODS, pages.read([taken, idle, empty])) == {("GPU-1",): 1, ("GPU-2",): 0, ("GPU-3",): 0}
    assert of(gpus.GPU_PODS, pages.read([empty])) == {("GPU-3",): 0}
    assert of(gpus.GPU_PODS, pages.read([idle])) == {}


def mig(name, value, instance, profile="1g.6gb", **labels):
    return line(name, value, GPU_I_PROFILE=profile, GPU_I_ID=instance, **labels)


def test_instances_of_a_gpu_are_devices_and_what_is_the_whole_gpus_is_counted_once(pages):
    # Power of an A30 on the lines of its instances: github.com/NVIDIA/dcgm-exporter, issue 317.
    watts = {"3": "52.636000", "4": "52.636000", "5": "52.746000", "6": "52.746000"}
    page = [mig("DCGM_FI_DEV_POWER_USAGE", value, instance) for instance, value in watts.items()]
    page += [mig("DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION", 5000, instance) for instance in watts]
    page += [mig("DCGM_FI_DEV_GPU_UTIL", 0, instance) for instance in watts]
    page += [mig("DCGM_FI_PROF_GR_ENGINE_ACTIVE", 0.5, "3"), mig("DCGM_FI_DEV_FB_USED", 10, "3")]
    page += [mig("DCGM_FI_DEV_FB_FREE", 5900, "3"), mig("DCGM_FI_DEV_XID_ERRORS", 0, "3")]
    found = pages.read(page)

    assert of(gpus.GPU_POWER, found) == {("GPU-1",): 52.746}
    assert of(gpus.GPU_ENERGY, found) == {("GPU-1",): 0}
    assert of(gpus.GPU_UTILIZATION, found) == {("GPU-1/gi3",): 0.5}, "GPU_UTIL is not supported there, and 0"
    assert of(gpus.GPU_MEMORY_TOTAL, found) == {("GPU-1/gi3",): 5910 * MIB}
    assert set(of(gpus.GPU_MIG_INFO, found)) == {(f"GPU-1/gi{instance}", "GPU-1", "1g.6gb", "1") for instance in watts}
    assert set(of(gpus.GPU_INFO, found)) == {("GPU-1", "", "", "dcgm")}


def test_pods_of_instances_are_of_the_instance(pages):
    page = [mig("DCGM_FI_PROF_GR_ENGINE_ACTIVE", 0.5, "1", pod="a"), mig("DCGM_FI_PROF_GR_ENGINE_ACTIVE", 0, "2")]

    assert of(gpus.GPU_PODS, pages.read(page)) == {("GPU-1/gi1",): 1, ("GPU-1/gi2",): 0}


@pytest.mark.parametrize(
    ("profile", "slices"),
    [("1g.10gb", "1"), ("7g.80gb", "7"), ("1c.3g.40gb", "1"), ("2g.20gb+me", "2"), ("", ""), ("big", "")],
)
def test_a_profile_says_its_compute_slices(profile, slices):
    assert compute_slices(profile) == slices


def test_xids_are_counted_by_the_exporter_where_it_counts_them_and_by_their_changes_else(pages):
    def gauge(xid):
        return line("DCGM_FI_DEV_XID_ERRORS", xid)

    pages.read([gauge(0)])
    assert of(gpus.GPU_XID_ERRORS, pages.read([gauge(79)])) == {("GPU-1", "79"): 1}
    counted = ["# TYPE DCGM_EXP_XID_ERRORS_TOTAL counter", line("DCGM_EXP_XID_ERRORS_TOTAL", 2, xid="94")]
    assert of(gpus.GPU_XID_ERRORS, pages.read([gauge(94), *counted])) == {("GPU-1", "79"): 1, ("GPU-1", "94"): 2}


def test_energy_is_the_integral_of_power_where_there_is_no_counter(pages):
    for watts in (100, 300, 300):
        found = pages.read([line("DCGM_FI_DEV_POWER_USAGE", watts)])

    assert found["gpu_energy_joules_total", "GPU-1"] == (200 + 300) * 10**6


def test_times_of_one_reason_add_up_and_links_of_a_gpu_are_left_out(pages):
    def page(sw, hw):
        return [
            line("DCGM_FI_DEV_CLOCKS_EVENT_REASON_SW_THERM_SLOWDOWN_NS", sw),
            line("DCGM_FI_DEV_CLOCKS_EVENT_REASON_HW_THERM_SLOWDOWN_NS", hw),
            line("DCGM_FI_PROF_NVLINK_RX_BYTES", 10**9, nvlink="3"),
        ]

    pages.read(page(5, 7))
    found = pages.read(page(10, 8))

    assert of(gpus.GPU_THROTTLE, found) == {("GPU-1", "thermal"): 6}
    assert not of(gpus.GPU_NVLINK, found)


@pytest.mark.parametrize(
    "fields",
    [
        {
            "DCGM_FI_DEV_NVLINK_CRC_FLIT_ERROR_COUNT_TOTAL": "crc_flit",
            "DCGM_FI_DEV_NVLINK_CRC_DATA_ERROR_COUNT_TOTAL": "crc_data",
            "DCGM_FI_DEV_NVLINK_REPLAY_ERROR_COUNT_TOTAL": "replay",
            "DCGM_FI_DEV_NVLINK_RECOVERY_ERROR_COUNT_TOTAL": "recovery",
        },
        {
            "DCGM_FI_DEV_NVLINK_COUNT_LINK_RECOVERY_SUCCESSFUL_EVENTS": "recovery",
            "DCGM_FI_DEV_NVLINK_COUNT_LINK_RECOVERY_FAILED_EVENTS": "link_down",
        },
        {
            "DCGM_FI_DEV_NVLINK_CRC_FLIT_ERROR_TOTAL": "crc_flit",
            "DCGM_FI_DEV_NVLINK_CRC_DATA_ERROR_TOTAL": "crc_data",
            "DCGM_FI_DEV_NVLINK_REPLAY_ERROR_TOTAL": "replay",
            "DCGM_FI_DEV_NVLINK_RECOVERY_ERROR_TOTAL": "recovery",
        },
        {
            "DCGM_FI_DEV_NVLINK_RECOVERY_SUCCESSFUL_TOTAL": "recovery",
            "DCGM_FI_DEV_NVLINK_RECOVERY_FAILED_TOTAL": "link_down",
        },
    ],
    ids=["4.8", "4.8, Blackwell", "4.9", "4.9, Blackwell"],
)
def test_errors_of_links_are_those_of_the_whole_gpu_by_either_name(pages, fields):
    names = list(fields)
    pages.read([line(name, 100) for name in names])
    found = pages.read([line(name, 101 + number) for number, name in enumerate(names)])

    assert of(gpus.GPU_NVLINK_ERRORS, found) == {
        ("GPU-1", fields[name]): 1 + number for number, name in enumerate(names)
    }


def test_a_ratio_far_above_1_is_none(pages):
    found = pages.read([line("DCGM_FI_PROF_SM_ACTIVE", 1.02), line("DCGM_FI_PROF_DRAM_ACTIVE", 51)])

    assert found["gpu_sm_active_ratio", "GPU-1"] == 1.0
    assert not of(gpus.GPU_DRAM_ACTIVE, found)


def test_a_page_with_more_devices_than_any_host_has_is_refused(pages):
    page = [line("DCGM_FI_DEV_GPU_TEMP", 30, uuid=f"GPU-{number}") for number in range(MAX_DEVICES + 1)]

    with pytest.raises(SourceError, match=f"more than {MAX_DEVICES} GPUs"):
        pages.read(page)
    assert len(of(gpus.GPU_TEMPERATURE, pages.read(page[:-1]))) == MAX_DEVICES


labels = st.dictionaries(
    st.sampled_from(
        ["UUID", "gpu_uuid", "GPU_I_ID", "GPU_I_PROFILE", "pod", "exported_pod", "namespace", "xid", "modelName"]
    ),
    st.text(max_size=5),
    max_size=6,
)


@given(
    st.lists(
        st.builds(
            Point, st.sampled_from([*dcgm.FIELDS, dcgm.XID_TOTAL, "up"]), labels, st.floats(), st.text(max_size=5)
        )
    )
)
def test_whatever_the_values_readings_are_of_known_devices_and_in_range(lines):
    found = dcgm.facts(lines)

    uuids = {point.labels.get("UUID") or point.labels.get("gpu_uuid") for point in lines}
    for reading in found.readings:
        assert reading.labels[0].split("/gi")[0] in uuids
        assert reading.value >= 0
        if reading.entry.name.endswith("_ratio"):
            assert reading.value <= 1
    keys = [reading.key for reading in found.readings]
    assert len(keys) == len(set(keys)), "each device says each thing once"


def test_captured_pages_parse_as_they_are():
    for path in DATA.glob("*.prom"):
        assert points(path.read_bytes())
