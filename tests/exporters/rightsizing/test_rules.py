"""Each rule with figures that can be checked by hand, and each of its conditions broken once."""

import re
from dataclasses import replace

import pytest

from inferometer_exporters.rightsizing import datasheets, device_rules, fleet_rules
from inferometer_exporters.rightsizing.advice import Confidence
from inferometer_exporters.rightsizing.evidence import (
    FIVE_MINUTES_NS,
    HOUR_NS,
    DeviceEvidence,
    Fit,
    ModelEvidence,
    Stretch,
    quantile,
)
from inferometer_exporters.rightsizing.judge import judge
from inferometer_exporters.rightsizing.market import Market, Offer

DAY = 24 * HOUR_NS
GB = 10**9
A100, L4, T4 = "NVIDIA A100-SXM4-40GB", "NVIDIA L4", "Tesla T4"
MARKET = Market((Offer(L4, 0.8, "list"), Offer(T4, 0.53, "list"), Offer("NVIDIA H200", 7.9, "list")))
FIT = Fit(t0_seconds=0.010, beta_seconds=0.001, r2=0.9, runs=100, mean_size=2.0, largest=8)


def model(name="minilm", **more):
    values = {
        "service": "embedder", "model": name, "version": "v1", "device_ns": DAY // 10, "requests": 20_000,
        "p95_seconds": 0.05, "queue_ratio": 0.0, "codec_ratio": 0.0, "fit": None, "memory_peak_bytes": None,
        "slo_seconds": 1.0,
    }  # fmt: skip
    return ModelEvidence(**(values | more))


def device(name="GPU-1", *, busy=0.1, days=8, rate=1.0, **more):
    number = days * DAY // FIVE_MINUTES_NS
    values = {
        "device": name, "kind": "gpu", "hardware": A100, "usd_per_hour": 3.0, "price_kind": "reserved",
        "price_source": "contract", "observed_ns": days * DAY, "used_ns": int(busy * days * DAY), "requests": 100_000,
        "stretches": {n: Stretch(busy=busy, requests_per_second=rate) for n in range(number)},
        "memory_peak_bytes": 10 * GB, "memory_total_bytes": 40 * GB, "models": (model(),),
    }  # fmt: skip
    return DeviceEvidence(**(values | more))


def only(found, rule):
    advice = [one for one in found if one.rule == rule]
    assert len(advice) <= 1, advice
    return advice[0] if advice else None


def one_of(rule, evidence, market=MARKET):
    return only(list(rule(evidence, market)), next(iter([a.rule for a in rule(evidence, market)]), ""))


def test_a_device_on_which_nothing_ran_is_given_back():
    idle = device(busy=0.0, requests=0, models=())

    assert one_of(device_rules.unused, idle).usd_per_month == 730 * 3.0
    assert one_of(device_rules.unused, device()) is None
    assert one_of(device_rules.unused, replace(idle, usd_per_hour=None)).usd_per_month is None


@pytest.mark.parametrize(
    "more",
    [
        {"throttled_ratio": 0.06},
        {"models": (model(codec_ratio=0.31),)},
        {"models": (model(queue_ratio=2.1),)},
    ],
    ids=["throttled", "codec", "queue"],
)
def test_what_no_size_mends_comes_first_and_makes_other_advice_doubtful(more):
    sick = device("GPU-1", **more)

    assert one_of(device_rules.mend_first, sick)
    assert one_of(device_rules.mend_first, device(throttled_ratio=0.04)) is None
    borne = device().stretches | {0: Stretch(busy=0.1, requests_per_second=9.0)}
    well = [device(f"GPU-{n}", stretches=borne) for n in range(2, 7)]
    assert only(judge([sick, *well[1:]], Market()).advice, "fewer-replicas").confidence is Confidence.LOW
    assert only(judge(well, Market()).advice, "fewer-replicas").confidence is Confidence.HIGH


def test_gaps_are_worth_stopping_for_unless_the_first_request_would_be_late():
    sleepy = device(idle_saved_per_month=800.0, cold_start_seconds=0.5, cold_start_said=True, idle_gaps=9)
    advice = one_of(device_rules.scale_to_zero, sleepy)

    assert (advice.usd_per_month, advice.confidence) == (800.0, Confidence.MEDIUM)
    guessed = one_of(device_rules.scale_to_zero, replace(sleepy, cold_start_said=False))
    assert guessed.confidence is Confidence.LOW
    assert "starting the machine comes on top" in guessed.preconditions[-1]
    for broken in ({"cold_start_seconds": 1.5}, {"idle_saved_per_month": 100.0}, {"cold_start_seconds": None}):
        assert one_of(device_rules.scale_to_zero, replace(sleepy, **broken)) is None


def test_a_smaller_gpu_holds_the_model_and_does_the_work_in_time():
    advice = one_of(device_rules.smaller_gpu, device())

    # Bandwidth is 4.86 times lower, throughput 4.8 times: without phases the worse counts.
    assert advice.does.startswith("move it to one Tesla T4 ($0.53/h")
    assert advice.figures["slowdown"] == pytest.approx(1555 / 320)
    assert advice.usd_per_month == pytest.approx(730 * 2.47)
    assert advice.confidence is Confidence.LOW
    assert datasheets.NOTE in advice.preconditions
    prefilling = one_of(device_rules.smaller_gpu, device(prefill_ratio=1.0))
    assert prefilling.figures["slowdown"] == pytest.approx(312 / 65)


@pytest.mark.parametrize(
    "broken",
    [
        {"busy": 0.2},
        {"memory_peak_bytes": 22 * GB},
        {"models": (model(p95_seconds=0.3),)},
        {"hardware": "a GPU of tomorrow"},
        {"usd_per_hour": 0.5},
        {"memory_peak_bytes": None},
    ],
    ids=["too busy", "no room", "too late", "unknown", "already cheap", "memory unknown"],
)
def test_no_smaller_gpu_where_a_condition_is_not_met(broken):
    assert one_of(device_rules.smaller_gpu, device(**broken)) is None


def test_a_host_is_halved_as_often_as_cpu_and_memory_allow():
    host = device(
        "box", kind="cpu", hardware="a CPU", usd_per_hour=0.4, utilization_p95=0.15, memory_peak_bytes=4 * GB,
        memory_total_bytes=32 * GB,
    )  # fmt: skip

    assert one_of(device_rules.smaller_host, host).usd_per_month == pytest.approx(730 * 0.4 * 0.75)
    assert "1/4" in one_of(device_rules.smaller_host, host).does
    assert one_of(device_rules.smaller_host, replace(host, utilization_p95=0.4)) is None
    assert one_of(device_rules.smaller_host, replace(host, memory_peak_bytes=20 * GB)) is None
    assert one_of(device_rules.smaller_host, replace(host, kind="gpu")) is None


def test_a_larger_batch_shares_the_fixed_part_of_a_run():
    waiting = device(models=(model(fit=FIT, queue_ratio=0.5, device_ns=8 * DAY // 10),))
    advice = one_of(device_rules.bigger_batch, waiting)

    # (10 + 16) * 2 / ((10 + 2) * 16) of the time remain.
    assert advice.figures["saved_ratio"] == pytest.approx(1 - 26 * 2 / (12 * 16))
    assert advice.usd_per_month == pytest.approx(730 * 3.0 * 0.1 * advice.figures["saved_ratio"])
    for broken in ({"queue_ratio": 0.05}, {"slo_seconds": 0.013}, {"fit": replace(FIT, r2=0.4)}, {"fit": None}):
        bent = replace(waiting, models=(replace(waiting.models[0], **broken),))
        assert one_of(device_rules.bigger_batch, bent) is None


def test_the_smallest_mig_slice_that_holds_model_and_work():
    assert one_of(device_rules.mig_slice, device(memory_peak_bytes=4 * GB)).figures["slices"] == 1
    advice = one_of(device_rules.mig_slice, device(busy=0.2, memory_peak_bytes=4 * GB))
    assert (advice.figures["slices"], advice.usd_per_month) == (2, pytest.approx(730 * 3.0 * 5 / 7))
    for broken in ({"busy": 0.6}, {"memory_peak_bytes": 30 * GB}, {"hardware": L4}, {"name": "MIG-1"}):
        assert one_of(device_rules.mig_slice, device(**broken)) is None


def test_decoding_that_waits_for_memory_is_quantised_or_capped():
    decoding = device(busy=0.5, dram_active=0.4, tensor_active=0.05, prefill_ratio=0.2, power_watts=300.0)

    assert (decoding.bound, decoding.while_busy(0.4)) == ("memory", 0.8)
    assert one_of(device_rules.quantise, decoding).usd_per_month == pytest.approx(730 * 3.0 * 0.8 * 0.5 / 2)
    assert one_of(device_rules.power_cap, decoding).usd_per_month is None
    for broken in ({"dram_active": 0.3}, {"dram_active": None}):
        assert one_of(device_rules.quantise, replace(decoding, **broken)) is None
        assert one_of(device_rules.power_cap, replace(decoding, **broken)) is None
    assert one_of(device_rules.quantise, replace(decoding, prefill_ratio=0.6)) is None
    assert one_of(device_rules.power_cap, replace(decoding, tensor_active=0.2)) is None


def test_what_limits_a_device_is_said_only_where_somebody_read_it():
    assert device().bound == ""
    assert device(busy=0.5, tensor_active=0.45, dram_active=0.2).bound == "compute"
    assert device(busy=0.5, tensor_active=0.1, dram_active=0.1).bound == "neither"
    assert device(busy=0.01, tensor_active=0.01, dram_active=0.01).bound == ""


def test_replicas_beyond_the_load_and_one_to_spare_are_given_back():
    four = [device(f"GPU-{n}", busy=0.3, rate=2.0) for n in range(4)]
    four[0] = replace(four[0], stretches=four[0].stretches | {0: Stretch(busy=0.6, requests_per_second=8.0)})
    (advice,) = fleet_rules.replicas(four)

    # 1.2 devices are busy and 8 requests a second come; one has borne 8: 2 for the busy time, and one to spare.
    assert advice.does == "serve with 3 of the 4"
    assert advice.usd_per_month == pytest.approx(730 * 3.0)
    assert list(fleet_rules.replicas(four[:3])) == []
    late = [replace(one, models=(model(p95_seconds=2.0),)) for one in four]
    assert list(fleet_rules.replicas(late)) == []
    other = [*four[:3], replace(four[3], models=(model("other"),))]
    assert list(fleet_rules.replicas(other)) == []


def test_two_models_share_a_device_where_their_peaks_do_not_meet():
    one = device("GPU-1", busy=0.3)
    other = device("GPU-2", busy=0.3, models=(model("other"),))
    (advice,) = fleet_rules.consolidate([one, other])

    assert (advice.devices, advice.usd_per_month) == (("GPU-1", "GPU-2"), pytest.approx(730 * 3.0))
    assert advice.figures["joint_busy_p95"] == pytest.approx(0.6)
    for broken in (
        {"memory_peak_bytes": 30 * GB},
        {"used_ns": int(0.4 * 8 * DAY)},
        {"models": (model(),)},
        {"hardware": L4},
        {"stretches": {n: Stretch(busy=0.5, requests_per_second=1.0) for n in one.stretches}},
    ):
        assert list(fleet_rules.consolidate([one, replace(other, **broken)])) == []


def test_spot_and_reservations_are_for_what_is_paid_on_demand():
    two = [device(f"GPU-{n}", price_kind="on_demand") for n in range(2)]

    assert [advice.devices for advice in fleet_rules.spot(two)] == [("GPU-0", "GPU-1")]
    assert list(fleet_rules.spot([device("GPU-0"), device("GPU-1")])) == []
    assert list(fleet_rules.spot(two[:1])) == []
    (advice,) = fleet_rules.commit(two[:1])
    assert "less than 100 % of the price on demand" in advice.does
    night = {n: Stretch(busy=0.0 if n // 12 % 2 else 0.5, requests_per_second=1.0) for n in two[0].stretches}
    assert list(fleet_rules.commit([replace(two[0], stretches=night)])) == []


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"observed_ns": HOUR_NS * 23}, "23.0 h are recorded, 24 h are needed"),
        ({"requests": 999}, "999 requests are recorded, 1,000 are needed"),
    ],
    ids=["a day", "a thousand requests"],
)
def test_nothing_is_advised_from_little_unless_asked_and_then_it_is_of_low_confidence(more, reason):
    some = device("box", kind="cpu", utilization_p95=0.1, **more)
    judgement = judge([some], Market())

    assert (judgement.advice, judgement.withheld) == ([], [("box", reason)])
    anyway = judge([some], Market(), anyway=True)
    assert anyway.advice
    assert {advice.confidence for advice in anyway.advice} == {Confidence.LOW}
    assert anyway.withheld == []


def test_a_day_is_worth_less_than_a_week_and_what_saves_most_comes_first():
    host = device("box", kind="cpu", hardware="", utilization_p95=0.1)
    assert judge([replace(host, observed_ns=DAY)], Market()).advice[0].confidence is Confidence.MEDIUM
    found = judge([host, device("GPU-9", busy=0.0, requests=0, models=())], Market()).advice

    saved = [advice.usd_per_month or 0.0 for advice in found]
    assert saved == sorted(saved, reverse=True)
    assert found[0].rule == "unused"
    assert found[0].confidence is Confidence.HIGH


def computed(formula):
    """What the part of a formula that is money comes to."""
    (money,) = [part for part in formula.split("; ") if part.startswith("730 h")]
    return eval(re.sub(r"\bh\b|\$|busy|decoding", "", money), {"__builtins__": {}})  # noqa: S307 - ours, and figures only


def test_who_computes_a_formula_again_gets_the_saving():
    """With prices of four decimals and busy times of a few in a thousand, as they are."""
    found = [
        *device_rules.unused(device(busy=0.0, requests=0, models=(), usd_per_hour=2.7447), MARKET),
        *device_rules.smaller_gpu(device(busy=0.00433, usd_per_hour=2.7447), Market((Offer(L4, 0.8048, "list"),))),
        *device_rules.smaller_host(device("box", kind="cpu", usd_per_hour=0.3336, utilization_p95=0.1), MARKET),
        *device_rules.mig_slice(device(usd_per_hour=2.7447, memory_peak_bytes=4 * GB), MARKET),
        *device_rules.bigger_batch(device(models=(model(fit=FIT, queue_ratio=0.5),)), MARKET),
        *device_rules.quantise(device(busy=0.185, dram_active=0.18, prefill_ratio=0.14), MARKET),
        *fleet_rules.replicas([device(f"GPU-{n}", rate=1.0 + 9 * (n == 0)) for n in range(5)]),
        *fleet_rules.consolidate([device("GPU-1"), device("GPU-2", models=(model("other"),))]),
    ]

    assert {one.rule for one in found} == {
        "unused", "smaller-gpu", "smaller-host", "mig-slice", "bigger-batch", "quantise", "fewer-replicas",
        "consolidate",
    }  # fmt: skip
    for one in found:
        assert computed(one.formula) == pytest.approx(one.usd_per_month, rel=0.005), one.formula
        assert not re.search(r"\b0 %", one.because), one.because


def test_a_quantile_is_a_value_that_was_there():
    assert quantile([], 0.95) is None
    assert quantile([3.0, 1.0, 2.0], 0.5) == 2.0
    assert quantile([float(n) for n in range(1, 101)], 0.95) == 95.0
