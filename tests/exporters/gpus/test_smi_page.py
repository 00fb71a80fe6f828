"""nvidia_gpu_exporter's page: values read by hand from captured pages."""

from pathlib import Path

import pytest

from inferometer.catalog import gpus
from inferometer.errors import SourceError
from inferometer_exporters.gpus.page import GpuPage
from inferometer_exporters.pages.fetch import PageUrl

DATA = Path(__file__).parents[2] / "data" / "gpus"
ZERO = "GPU-00000000-0000-0000-0000-000000000000"
MIG_GPU = "GPU-1c67088e-9ecb-4564-bb97-6151ecc2ef64"


def read(*pages):
    """What the last of these pages says, each two seconds after the one before."""
    source = GpuPage(
        PageUrl.parse("http://127.0.0.1:9835"),
        get=lambda _: given.pop(0),
        monotonic=lambda: 2.0 * (len(pages) - len(given)),
    )
    given = list(pages)
    for _ in pages:
        found = {(reading.entry.name, *reading.labels): reading.value for reading in source.read()}
    return found


def captured(name):
    return (DATA / name).read_bytes()


def test_a_captured_page_of_an_h100_under_load_says_what_it_says():
    page = captured("nvidia_gpu_exporter-h100-load.prom")
    found = read(page, page)
    alone = {key[0]: value for key, value in found.items() if key[1:] == (ZERO,)}

    assert alone == {
        "gpu_utilization_ratio": 1,
        "gpu_memory_used_bytes": 20_780_679_168,
        "gpu_memory_total_bytes": 85_520_809_984,
        "gpu_power_watts": 631.95,
        "gpu_power_limit_watts": 700,
        "gpu_temperature_celsius": 59,
        "gpu_sm_clock_hertz": 1_980_000_000,
        "gpu_memory_clock_hertz": 2_619_000_000,
        "gpu_energy_joules_total": 1_263_900_000,  # 631.95 W for 2 s: the exporter has no counter
    }
    assert found["gpu_info", ZERO, "NVIDIA H100 80GB HBM3", "590.48.01", "nvidia_gpu_exporter"] == 1
    assert found["gpu_process_memory_bytes", ZERO, "11345"] == 16_452_157_440
    assert {key[2] for key in found if key[0] == gpus.GPU_THROTTLE.name} == {
        "power_cap", "thermal", "hardware", "sync_boost",
    }  # fmt: skip


def test_in_mig_mode_nvidia_smi_knows_no_utilization_and_nor_do_we():
    found = read(captured("nvidia_gpu_exporter-h100-mig-load.prom"))

    assert not any(key[0] == gpus.GPU_UTILIZATION.name for key in found)
    assert found["gpu_power_watts", ZERO] == 433.78


def test_instances_are_devices_and_memory_is_theirs_where_they_share_it_with_none():
    found = read(captured("nvidia_gpu_exporter-nvml-mig.prom"))
    alone = "MIG-7b2137fb-43a7-dedc-f0da-909404e7eccd"

    assert {key[1:] for key in found if key[0] == gpus.GPU_MIG_INFO.name} == {
        (alone, MIG_GPU, "1g.18gb", "1"),
        ("MIG-292b7eb0-0beb-5abe-04b8-475f1ff17b99", MIG_GPU, "1c.3g.71gb", "1"),
        ("MIG-6a6c5d1f-3ffa-f46e-0761-8edb556c091d", MIG_GPU, "1c.3g.71gb", "1"),
    }
    of_instances = {key: value for key, value in found.items() if key[1].startswith("MIG-") and len(key) == 2}
    assert of_instances == {
        ("gpu_memory_used_bytes", alone): 974_140_845,
        ("gpu_memory_total_bytes", alone): 19_327_352_832,
    }


def test_counters_of_the_exporter_count_from_when_they_were_first_read():
    page = captured("nvidia_gpu_exporter-nvml-mig.prom")
    gpu = "ef427e4f-1970-42f2-ab0c-ecf0e56a33b9"
    later = page
    for name, labels, value in (
        ("energy_joules_total", f'{{uuid="{gpu}"}} 0', f'{{uuid="{gpu}"}} 12.5'),
        ("xid_errors_total", f'{{uuid="{gpu}",xid="79"}} 2', f'{{uuid="{gpu}",xid="79"}} 3'),
        ("clocks_event_reasons_counters_sw_thermal_slowdown_seconds", f'{{uuid="{gpu}"}} 0', f'{{uuid="{gpu}"}} 0.25'),
        ("clocks_event_reasons_counters_hw_thermal_slowdown_seconds", f'{{uuid="{gpu}"}} 0', f'{{uuid="{gpu}"}} 0.5'),
        ("ecc_errors_corrected_volatile_total", f'{{uuid="{gpu}"}} 0', f'{{uuid="{gpu}"}} 4'),
    ):
        before = f"nvidia_smi_{name}{labels}\n".encode()
        assert before in later
        later = later.replace(before, f"nvidia_smi_{name}{value}\n".encode())
    found = read(page, later)
    device = f"GPU-{gpu}"

    assert found["gpu_energy_joules_total", device] == 12_500_000
    assert found["gpu_xid_errors_total", device, "79"] == 1
    assert found["gpu_throttle_seconds_total", device, "thermal"] == 750_000_000
    assert found["gpu_ecc_errors_total", device, "corrected"] == 4
    assert found["gpu_pcie_bytes_total", device, "rx"] == 4_132_280_545  # 2.066 GB/s for 2 s


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        (b"nvidia_smi_command_exit_code 0\n", b"nvidia_smi_command_exit_code 9\n", "ended with status 9"),
        (b"nvidia_smi_last_collect_success 1\n", b"nvidia_smi_last_collect_success 0\n", "could not read its devices"),
    ],
)
def test_an_exporter_that_cannot_read_its_devices_shows_what_they_were_and_is_not_believed(before, after, message):
    page = captured("nvidia_gpu_exporter-h100-load.prom")
    assert before in page

    with pytest.raises(SourceError, match=message):
        read(page.replace(before, after))
