"""Which GPUs a host has, and what becomes of time and money where nobody uses them, or where they are divided."""

import pytest

from inferometer.catalog import gpus
from inferometer.fleet.thresholds import Price, Thresholds
from inferometer_exporters.ledger.account import Device
from inferometer_exporters.ledger.inventory import Inventory
from inferometer_exporters.settlement import HOLD_NS, Settlement
from inferometer_exporters.source import Reading, Sample

SECOND = 10**9
HOST = Device(name="box", kind="cpu", model="a CPU")
H100 = "NVIDIA H100 80GB HBM3"
WATT = 10**6
PRICES = (
    Price(kind="gpu", model="NVIDIA H100*", picodollars_per_hour=7 * 3_600_000_000_000, price_kind="reserved",
          source="contract", as_of="2026-11-01"),
)  # fmt: skip  # 7 picodollars per nanosecond: a slice of 3 costs 3


def gpu(name, model=H100, source="nvml"):
    return Reading(gpus.GPU_INFO, (name, model, "580.1", source), 1)


def mig(name, parent, slices):
    return Reading(gpus.GPU_MIG_INFO, (name, parent, f"{slices}g.40gb", str(slices)), 1)


def energy(name, joules):
    return Reading(gpus.GPU_ENERGY, (name,), joules * WATT)


def sample(*readings, at=0, source="nvml", number=0):
    return Sample(number, source, readings, at)


def watching(now=0):
    return Settlement(HOST, Thresholds(prices=PRICES), now)


def account(settlement, name):
    return settlement.ledger.accounts[settlement.ledger.index(name)]


def billed(settlement, name):
    """What was billed: its states without those of no time."""
    return {state.value: ns for state, ns in account(settlement, name).states.items() if ns}


def test_a_gpu_that_nobody_uses_has_an_account_and_costs_what_it_costs():
    settlement = watching()
    settlement.observe([sample(gpu("GPU-a"))])
    settlement.settle(10 * SECOND, closing=True)

    assert billed(settlement, "GPU-a") == {"unallocated": 10 * SECOND}
    assert account(settlement, "GPU-a").bill == account(settlement, "GPU-a").idle_cost == 70 * SECOND
    assert account(settlement, "GPU-a").device.model == H100


def test_a_gpu_that_some_process_holds_has_a_server_even_if_it_is_none_of_ours():
    settlement = watching()
    held = Reading(gpus.GPU_PROCESS_MEMORY, ("GPU-a", "4242"), 10**9)
    settlement.observe([sample(gpu("GPU-a"), held)])
    settlement.settle(SECOND, closing=True)

    assert billed(settlement, "GPU-a") == {"warm_idle": SECOND}


def test_a_gpu_is_warm_while_a_worker_lives_that_ran_on_it():
    settlement = watching()
    settlement.observe([sample(gpu("GPU-a"))])
    account(settlement, "GPU-a").users.add(7)
    settlement.settle(SECOND, closing=True)
    settlement.leave([7], SECOND)
    settlement.settle(2 * SECOND, closing=True)

    assert billed(settlement, "GPU-a") == {"warm_idle": SECOND, "unallocated": SECOND}


def test_a_gpu_that_is_lost_is_unobserved_and_stays_on_the_bill():
    settlement = watching()
    settlement.observe([sample(gpu("GPU-a"), gpu("GPU-b"))])
    settlement.settle(SECOND, closing=True)
    settlement.observe([sample(gpu("GPU-b"), at=SECOND)])
    settlement.settle(3 * SECOND, closing=True)

    assert billed(settlement, "GPU-a") == {"unallocated": SECOND, "unobserved": 2 * SECOND}
    assert billed(settlement, "GPU-b") == {"unallocated": 3 * SECOND}
    assert account(settlement, "GPU-a").bill == 21 * SECOND


def test_a_gpu_of_a_model_without_a_price_is_unpriced_and_counted():
    settlement = watching()
    settlement.observe([sample(gpu("GPU-a", "NVIDIA Something"))])
    settlement.settle(SECOND, closing=True)

    assert (account(settlement, "GPU-a").unpriced, account(settlement, "GPU-a").bill) == (SECOND, 0)


def test_a_recording_is_health_and_never_in_the_ledger():
    settlement = watching()
    settlement.observe([sample(gpu("GPU-a", source="replay"), energy("GPU-a", 5), source="replay")])

    assert settlement.ledger.index("GPU-a") is None


def test_slices_are_devices_with_their_part_of_the_price_and_what_is_in_none_is_unallocated():
    settlement = watching()
    settlement.observe([sample(gpu("GPU-a"), mig("MIG-1", "GPU-a", 3), mig("MIG-2", "GPU-a", 2))])
    account(settlement, "MIG-1").users.add(7)
    settlement.settle(SECOND, closing=True)

    assert [account(settlement, name).bill for name in ("MIG-1", "MIG-2", "GPU-a")] == [
        3 * SECOND,
        2 * SECOND,
        2 * SECOND,
    ]
    assert account(settlement, "MIG-1").rate.usd_per_hour == pytest.approx(7 * 3.6 * 3 / 7)
    assert billed(settlement, "MIG-1") == {"warm_idle": SECOND}
    assert billed(settlement, "GPU-a") == {"unallocated": SECOND}


def test_a_gpu_that_is_divided_anew_is_billed_once_at_every_moment():
    settlement = watching()
    whole = [sample(gpu("GPU-a"))]
    sliced = [sample(gpu("GPU-a"), mig("MIG-1", "GPU-a", 4), mig("MIG-2", "GPU-a", 3))]
    other = [sample(gpu("GPU-a"), mig("MIG-3", "GPU-a", 2))]
    for second, now in enumerate((whole, sliced, other, whole), 1):
        settlement.observe(now)
        settlement.settle(second * SECOND, closing=True)

    bills = {name: account(settlement, name).bill // SECOND for name in ("GPU-a", "MIG-1", "MIG-2", "MIG-3")}
    assert bills == {"GPU-a": 7 + 0 + 5 + 7, "MIG-1": 4, "MIG-2": 3, "MIG-3": 2}
    assert sum(bills.values()) == 4 * 7
    assert all(one.residual == 0 for one in settlement.ledger.accounts)
    assert account(settlement, "GPU-a").wall == 3 * SECOND


def test_energy_of_a_divided_gpu_is_divided_like_its_price_and_nothing_is_lost():
    settlement = watching()
    parts = (gpu("GPU-a"), mig("MIG-1", "GPU-a", 3), mig("MIG-2", "GPU-a", 2))
    settlement.observe([sample(*parts, energy("GPU-a", 1_000))])
    settlement.observe([sample(*parts, energy("GPU-a", 1_071), at=SECOND)])
    settlement.settle(SECOND, closing=True)

    found = [sum(account(settlement, name).energies.values()) for name in ("MIG-1", "MIG-2", "GPU-a")]
    assert sum(found) == 71 * WATT
    assert found == pytest.approx([71 * WATT * part / 7 for part in (3, 2, 2)], abs=1)


def test_a_counter_of_energy_that_begins_anew_counts_from_there():
    settlement = watching()
    for second, joules in enumerate((500, 600, 30, 90)):
        settlement.observe([sample(gpu("GPU-a"), energy("GPU-a", joules), at=second * SECOND)])
    settlement.settle(3 * SECOND, closing=True)

    assert sum(account(settlement, "GPU-a").energies.values()) == (100 + 30 + 60) * WATT


def test_a_reading_that_was_seen_before_is_counted_once():
    settlement = watching()
    for _ in range(3):
        settlement.observe([sample(gpu("GPU-a"), energy("GPU-a", 500))])
    for _ in range(3):
        settlement.observe([sample(gpu("GPU-a"), energy("GPU-a", 510), at=SECOND)])
    settlement.settle(SECOND, closing=True)

    assert sum(account(settlement, "GPU-a").energies.values()) == 10 * WATT


def test_the_ledger_waits_for_energy_and_not_for_ever():
    settlement = watching()
    for second in (0, 1):
        settlement.observe([sample(gpu("GPU-a"), energy("GPU-a", second), at=10 * second * SECOND)])
    settlement.settle(10 * SECOND + SECOND // 2, closing=False)
    assert settlement.ledger.until == 10 * SECOND
    settlement.settle(30 * SECOND, closing=False)

    assert settlement.ledger.until == 30 * SECOND - HOLD_NS


def test_cuda_numbers_are_uuids_where_all_gpus_are_alike_and_are_not_guessed_where_they_are_not():
    alike, mixed = Inventory(), Inventory()
    alike.observe([sample(gpu("GPU-a"), gpu("GPU-b"))])
    mixed.observe([sample(gpu("GPU-a"), gpu("GPU-b", "NVIDIA L4"))])

    assert [alike.resolve(name) for name in ("cuda:0", "cuda:1", "cuda:2", "GPU-b")] == [
        "GPU-a", "GPU-b", "cuda:2", "GPU-b",
    ]  # fmt: skip
    assert mixed.resolve("cuda:0") == "cuda:0"


def test_a_slice_that_cuda_names_like_a_gpu_is_the_slice():
    inventory = Inventory()
    inventory.observe([sample(gpu("GPU-a"), mig("MIG-41f2-9b", "GPU-a", 3))])

    assert inventory.resolve("GPU-41f2-9b") == "MIG-41f2-9b"


def test_a_device_that_ran_before_the_driver_was_read_is_not_billed_twice():
    settlement = watching()
    assert settlement.devices("cuda:0") == (1,)
    settlement.settle(SECOND, closing=True)
    settlement.observe([sample(gpu("GPU-a"), at=SECOND)])
    settlement.settle(3 * SECOND, closing=True)

    assert account(settlement, "cuda:0").wall == SECOND
    assert account(settlement, "GPU-a").wall == 2 * SECOND
    assert settlement.devices("cuda:0") == (settlement.ledger.index("GPU-a"),)


def test_a_group_is_all_devices_that_a_run_names():
    settlement = watching()
    settlement.observe([sample(gpu("GPU-a"), gpu("GPU-b"), gpu("GPU-c"))])

    assert settlement.devices("GPU-a,GPU-c") == (1, 3)
    assert settlement.devices("cuda:0,cuda:1,cuda:0") == (1, 2)
    assert settlement.devices("") == settlement.devices("box") == (0,)


def test_devices_that_workers_invent_share_one_account_from_some_number_on():
    settlement = watching()
    for number in range(1_200):
        settlement.devices(f"made-up-{number}")

    assert len(settlement.ledger.accounts) == 1_001
    assert settlement.ledger.accounts[-1].device.name == "other"


def test_a_host_that_has_another_name_now_is_one_device():
    settlement = watching()
    settlement.settle(SECOND, closing=True)
    renamed = Settlement(Device(name="new", kind="cpu", model="a CPU"), Thresholds(), SECOND)
    renamed.load(settlement.dump(), SECOND, gap=None, same_names=True)
    renamed.settle(3 * SECOND, closing=True)

    walls = {one.device.name: one.wall for one in renamed.ledger.accounts}
    assert walls == {"box": SECOND, "new": 2 * SECOND}
