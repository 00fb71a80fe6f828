"""The evidence of right-sizing from real passes and readings, and the advice that it leads to."""

import pytest

from inferometer.catalog import gpus, hosts
from inferometer.catalog.stages import Kind
from inferometer_exporters.recorder.rightsize_report import list_prices, rightsize_report
from inferometer_exporters.rightsizing.market import Market
from inferometer_exporters.source import Reading, Sample

GB = 10**9


class Told:
    """A sampler whose readings a test sets."""

    def __init__(self):
        self.now = []

    def samples(self):
        return self.now

    def errors(self):
        return []


@pytest.fixture
def told():
    return Told()


@pytest.fixture
def day(tmp_path, bench, make, told):
    """A day in passes of ten minutes: a GPU and the host, 12 requests a pass in batches of 1 to 3."""
    made = type(bench)(tmp_path / "day", sampler=told)
    worker, ids = make.worker(pid=4242), make.ids()
    gpu, host = ("GPU-1",), ("box",)
    for number in range(24 * 6 + 3):
        now = made.clock.now
        size = 1 + number % 3
        spans = [next(ids) for _ in range(12)]
        begins = {span: now + (index // size) * 20 * make.SECOND for index, span in enumerate(spans)}
        told.now = [
            Sample(0, "nvml", (
                Reading(gpus.GPU_MEMORY_USED, gpu, (3 + number % 2) * GB),
                Reading(gpus.GPU_MEMORY_TOTAL, gpu, 40 * GB),
                Reading(gpus.GPU_TENSOR_ACTIVE, gpu, 0.004),
                Reading(gpus.GPU_DRAM_ACTIVE, gpu, 0.016),
                Reading(gpus.GPU_PROCESS_MEMORY, ("GPU-1", "4242"), 2 * GB),
                Reading(hosts.HOST_CPU_UTILIZATION, host, 0.1),
                Reading(hosts.HOST_MEMORY_USED, host, 2 * GB),
                Reading(hosts.HOST_MEMORY_TOTAL, host, 32 * GB),
            ), number),
        ]  # fmt: skip
        frame = worker.arrival(
            now + 600 * make.SECOND,
            requests=[
                make.request(span, begins[span], begins[span] + (1 + size) * make.SECOND, trace=span) for span in spans
            ],
            executes=[
                make.execute(
                    span, begins[span], begins[span] + (1 + size) * make.SECOND, device=4, size=size,
                    execute_id=begins[span] // make.MS, batch_id=begins[span] // make.MS, kind=int(Kind.DECODE),
                )
                for span in spans
            ],
        )  # fmt: skip
        made.do_pass(frame, seconds=600)
    yield made
    made.recorder.close()


def asked(bench, make, **more):
    cursor = bench.recorder.cursor()
    try:
        return rightsize_report(cursor, make.THRESHOLDS, **{"market": Market()} | more)
    finally:
        cursor.close()


@pytest.mark.slow
def test_the_evidence_of_a_day_is_what_happened(day, make):
    answer = asked(day, make)
    gpu = next(device for device in answer["devices"] if device["device"] == "GPU-1")

    assert gpu["requests"] == pytest.approx(12 * 24 * 6, abs=40)
    # In batches of 1, 2 and 3: 12 * 2, 6 * 3 and 4 * 4 seconds of ten minutes.
    assert gpu["busy_ratio"] == pytest.approx((24 + 18 + 16) / 3 / 600, rel=0.03)
    assert (gpu["memory_peak_bytes"], gpu["memory_total_bytes"]) == (4 * GB, 40 * GB)
    assert gpu["dram_active_while_busy"] == pytest.approx(0.016 / gpu["busy_ratio"], rel=1e-3)
    assert (gpu["bound"], gpu["prefill_ratio"]) == ("neither", 0.0)
    (model,) = gpu["models"]
    assert model["fit"]["t0_seconds"] == pytest.approx(1.0)
    assert model["fit"]["beta_seconds"] == pytest.approx(1.0)
    assert model["fit"]["r2"] == pytest.approx(1.0)
    assert (model["p95_seconds"], model["slo_seconds"]) == (4.0, 0.1)
    # What its process holds, not what the device does.
    assert model["memory_peak_bytes"] == 2 * GB


@pytest.mark.slow
def test_advice_of_a_day_names_what_it_rests_on(day, make):
    answer = asked(day, make)

    host = [one for one in answer["advice"] if one["rule"] == "smaller-host"]
    # Nothing ran on the host: it is unused, not too large.
    assert host == []
    unused = next(one for one in answer["advice"] if one["rule"] == "unused")
    assert (unused["devices"], unused["usd_per_month"]) == (["box"], pytest.approx(730 * 3.6))
    assert unused["confidence"] == "medium"
    assert answer["withheld"] == []


def test_less_than_a_day_is_withheld_and_anyway_is_low(bench, make):
    worker = make.worker()
    for _ in range(6):
        bench.do_pass(worker.arrival(bench.clock.now + 60 * make.SECOND), seconds=60)
    answer = asked(bench, make)

    assert (answer["advice"], answer["anyway"]) == ([], False)
    assert answer["withheld"] == [{"device": "box", "reason": "5 min are recorded, 24 h are needed"}]
    answer = asked(bench, make, anyway=True)
    assert [one["confidence"] for one in answer["advice"]] == ["low"]


def test_nothing_is_known_of_an_empty_recorder(bench, make):
    assert asked(bench, make) is None


def test_list_prices_are_those_of_the_price_book_with_source_and_date():
    offers = {offer.hardware: offer for offer in list_prices().offers}

    assert offers["NVIDIA L4"].usd_per_hour > 0
    assert "builtin:aws" in offers["NVIDIA L4"].source
