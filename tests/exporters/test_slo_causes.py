"""What ate a budget is named where it is shown, over time and against everybody else; and nobody where nobody is."""

import math

import numpy as np
import pytest

from inferometer_exporters.slo_causes import causes, student_tail


def fleet(seed, share, *, blocks=60, per_block=400):
    """Rows by block, version, tenant and device; *share* says how many are bad, of arrays of these."""
    random = np.random.default_rng(seed)
    number = blocks * per_block
    rows = {
        "version": np.where(random.random(number) < 0.1, "v2", "v1"),
        "tenant": random.choice(["acme", "globex", "other"], number),
        "device": random.choice(["gpu-1", "gpu-2", "gpu-3", "gpu-4"], number),
    }
    block = np.repeat(np.arange(blocks), per_block)
    bad = random.random(number) < share(rows, block)
    return rows, block, np.ones(number), bad.astype(float)


def evenly(share):
    return lambda _, block: np.full(len(block), share)


def named(found):
    return [(cause.dimension, cause.value, cause.clustered) for cause in found.causes]


def test_a_version_that_fails_more_often_is_named_with_its_excess():
    found = causes(*fleet(1, lambda rows, _: np.where(rows["version"] == "v2", 0.1, 0.005)))

    assert named(found) == [("version", "v2", False)]
    (cause,) = found.causes
    # A tenth of the traffic, 9.5 % of it beyond what the others have.
    assert cause.excess == pytest.approx(0.095 * cause.events, rel=0.15)
    assert cause.blocks > 50
    assert found.tested == 9


@pytest.mark.parametrize("seed", range(20))
def test_where_all_are_alike_nobody_is_named(seed):
    assert causes(*fleet(seed, evenly(0.01))).causes == ()


@pytest.mark.parametrize("seed", range(10))
def test_a_busy_tenant_is_not_blamed_for_its_traffic(seed):
    rows, block, events, bad = fleet(seed, evenly(0.01))
    rows["tenant"] = np.where(np.random.default_rng(seed).random(len(block)) < 0.9, "acme", "globex")

    assert causes(rows, block, events, bad).causes == ()


@pytest.mark.parametrize("seed", range(10))
def test_an_outage_of_all_names_nobody(seed):
    assert causes(*fleet(seed, lambda _, block: np.where(block == 30, 0.8, 0.001))).causes == ()


def test_one_burst_of_one_device_is_said_to_be_clustered_in_time():
    def burst(rows, block):
        return np.where((rows["device"] == "gpu-2") & (block == 7), 0.9, 0.001)

    assert named(causes(*fleet(3, burst))) == [("device", "gpu-2", True)]


def test_values_that_the_same_bad_requests_have_are_one_finding():
    rows, block, events, bad = fleet(5, lambda rows, _: np.where(rows["version"] == "v2", 0.2, 0.001))
    rows["region"] = np.where(rows["version"] == "v2", "ap", "eu")
    (cause,) = causes(rows, block, events, bad).causes

    assert {(cause.dimension, cause.value), *cause.also} == {("version", "v2"), ("region", "ap")}


def test_what_has_no_others_to_compare_with_is_not_named():
    _, block, events, bad = fleet(6, evenly(0.5))

    assert causes({"version": ["v1"] * len(block)}, block, events, bad).causes == ()


def test_sums_of_rows_give_what_single_rows_give():
    rows, block, events, bad = fleet(1, lambda rows, _: np.where(rows["version"] == "v2", 0.1, 0.005))
    keys = sorted({*zip(block.tolist(), *(column.tolist() for column in rows.values()), strict=True)})
    place = {key: number for number, key in enumerate(keys)}
    sums = np.zeros((2, len(keys)))
    for key, one in zip(zip(block.tolist(), *(c.tolist() for c in rows.values()), strict=True), bad, strict=True):
        sums[:, place[key]] += (1, one)
    columns = list(zip(*keys, strict=True))

    summed = causes(dict(zip(rows, columns[1:], strict=True)), columns[0], *sums)
    assert summed.causes[0].excess == pytest.approx(causes(rows, block, events, bad).causes[0].excess)


def test_nothing_recorded_names_nobody():
    assert causes({"version": []}, [], np.zeros(0), np.zeros(0)).causes == ()


@pytest.mark.parametrize(
    ("t", "freedom", "chance"),
    # Tables of Student's distribution: 1 - 0.95, 1 - 0.99, 1 - 0.995; the normal one for many.
    [(6.314, 1, 0.05), (2.920, 2, 0.05), (3.365, 5, 0.01), (2.750, 30, 0.005), (0.0, 7, 0.5)],
)
def test_students_distribution_is_as_the_tables_have_it(t, freedom, chance):
    assert student_tail(t, freedom) == pytest.approx(chance, rel=2e-3)
    assert student_tail(2.0, 10_000) == pytest.approx(math.erfc(2 / math.sqrt(2)) / 2, rel=1e-3)


def test_who_has_no_value_is_named_only_where_that_may_be_a_reason():
    rows, block, events, bad = fleet(2, lambda rows, _: np.where(rows["version"] == "v2", 0.2, 0.001))
    rows = {"device": np.where(rows["version"] == "v2", "", "gpu-1")}

    assert named(causes(rows, block, events, bad)) == [("device", "", False)]
    assert named(causes(rows, block, events, bad, known_only={"device"})) == []
