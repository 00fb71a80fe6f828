"""Readings as series: gauges end with their source, counters rise by what was gained, once."""

import pytest

from inferometer.aggregate import Aggregator
from inferometer.catalog import gpus, telemetry
from inferometer_exporters.health import Health
from inferometer_exporters.source import Reading, Sample, Sampler


class Told(Sampler):
    """A sampler whose sources say what the test says."""

    def __init__(self):
        super().__init__([])
        self.by_source = {}
        self.failed = {}

    def samples(self):
        return [Sample(number, str(number), tuple(readings), 0) for number, readings in sorted(self.by_source.items())]

    def errors(self):
        return list(self.failed.items())


@pytest.fixture
def told():
    return Told()


@pytest.fixture
def aggregator():
    return Aggregator()


def energy(total, device="GPU-1"):
    return Reading(gpus.GPU_ENERGY, (device,), total)


def xid(total):
    return Reading(gpus.GPU_XID_ERRORS, ("GPU-1", "79"), total, own=True)


def test_counters_rise_by_what_they_gained_and_begin_anew_after_a_reset(told, aggregator):
    health = Health(aggregator, told)
    for total in (1_000, 1_500, 200):
        told.by_source = {0: [energy(total)]}
        health.show()

    assert aggregator.counter(gpus.GPU_ENERGY, ("GPU-1",)).value == 700


def test_what_a_source_counts_itself_is_news_from_its_first_total_on(told, aggregator):
    health = Health(aggregator, told)
    for total in (2, 2, 5):
        told.by_source = {0: [xid(total)]}
        rose = health.show()

    assert rose
    assert aggregator.counter(gpus.GPU_XID_ERRORS, ("GPU-1", "79")).value == 5


def test_a_counter_that_two_sources_read_counts_once_and_goes_on_with_the_other(told, aggregator):
    health = Health(aggregator, told)
    cell = aggregator.counter(gpus.GPU_ENERGY, ("GPU-1",))
    for first, second in ((1_000, 900), (1_100, 1_000), (1_200, 1_100)):
        told.by_source = {0: [energy(first)], 1: [energy(second)]}
        health.show()
    assert cell.value == 200
    for second in (1_250, 1_350):
        told.by_source = {1: [energy(second)]}
        health.show()
    assert cell.value == 300
    told.by_source = {0: [energy(1_400)], 1: [energy(1_400)]}
    health.show()
    assert cell.value == 300, "the first source's rise since it fell silent was counted by the second"
    told.by_source = {0: [energy(1_450)]}
    health.show()

    assert cell.value == 350


def test_gauges_are_of_the_first_source_that_has_them_and_end_with_the_last(told, aggregator):
    health = Health(aggregator, told)
    power = {number: Reading(gpus.GPU_POWER, ("GPU-1",), 100.0 + number) for number in (0, 1)}

    def shown():
        health.show()
        families = {family.entry.name: family for family in aggregator.snapshot().families}
        return [sample.value for sample in families[gpus.GPU_POWER.name].samples] if families else []

    told.by_source = {0: [power[0]], 1: [power[1]]}
    assert shown() == [100.0]
    told.by_source = {1: [power[1]]}
    assert shown() == [101.0]
    told.by_source = {}
    health.show()
    assert gpus.GPU_POWER.name not in {family.entry.name for family in aggregator.snapshot().families}


def test_failures_are_counted_as_often_as_the_sampler_counts_them(told, aggregator):
    health = Health(aggregator, told)
    for total in (0, 1, 1, 4):
        told.failed = {"nvml": total}
        rose = health.show()

    assert rose
    assert aggregator.counter(telemetry.SOURCE_ERRORS, ("nvml",)).value == 4
    assert not health.show()
