"""Energy of CPU packages by RAPL: summed, going round, absent where it may not be read."""

import pytest

from inferometer.catalog import hosts
from inferometer_exporters.hosts.rapl import Rapl


@pytest.fixture
def powercap(tmp_path):
    """A folder as Linux shows it: two packages, a part of one of them, and something else."""
    for name, energy in (("intel-rapl:0", 1_000), ("intel-rapl:1", 500), ("intel-rapl:0:0", 7), ("dtpm", 3)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "energy_uj").write_text(f"{energy}\n")
        (tmp_path / name / "max_energy_range_uj").write_text("10000\n")
    return tmp_path


def total(source):
    (reading,) = source.read()
    assert reading.entry is hosts.HOST_ENERGY
    assert reading.labels == ("box",)
    return reading.value


def test_packages_are_summed_since_the_first_reading_and_their_parts_are_left_out(powercap):
    source = Rapl.found("box", powercap=powercap)
    assert total(source) == 0
    (powercap / "intel-rapl:0" / "energy_uj").write_text("1300\n")
    (powercap / "intel-rapl:1" / "energy_uj").write_text("520\n")
    (powercap / "intel-rapl:0:0" / "energy_uj").write_text("90\n")

    assert total(source) == 320


def test_a_counter_that_goes_round_loses_nothing(powercap):
    source = Rapl.found("box", powercap=powercap)
    total(source)
    (powercap / "intel-rapl:0" / "energy_uj").write_text("9990\n")
    assert total(source) == 8_990
    (powercap / "intel-rapl:0" / "energy_uj").write_text("15\n")

    assert total(source) == 8_990 + 25


def test_the_whole_platform_is_not_counted_beside_its_packages(powercap):
    for zone, name in (("intel-rapl:0", "package-0"), ("intel-rapl:1", "psys")):
        (powercap / zone / "name").write_text(f"{name}\n")
    source = Rapl.found("box", powercap=powercap)
    total(source)
    for zone in ("intel-rapl:0", "intel-rapl:1"):
        (powercap / zone / "energy_uj").write_text("1300\n")

    assert total(source) == 300


def test_without_packages_or_without_permission_there_is_no_source(tmp_path, powercap):
    assert Rapl.found("box", powercap=tmp_path / "nothing") is None
    counter = powercap / "intel-rapl:1" / "energy_uj"
    counter.unlink()
    # Root reads everything; a folder in its place cannot be read by anybody.
    counter.mkdir()

    assert Rapl.found("box", powercap=powercap) is None
