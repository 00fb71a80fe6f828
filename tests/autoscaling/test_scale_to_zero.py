"""What sleep saves, and what a cold start costs: figures against their definition, and in words."""

from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st
from scaled_fleet import fleet_text

from inferometer.fleet import durations
from inferometer.fleet.autoscaling import NOTICE_NS
from inferometer.fleet.autoscaling_checks import scaled
from inferometer.fleet.loader import loads
from inferometer_alerts import scaled_objects
from inferometer_alerts.scale_to_zero import sentences, sleep
from inferometer_alerts.scaled_objects import STATEMENT

SECOND_NS = 10**9


def test_the_bill_of_a_replica_is_that_of_all_its_gpus(fleet, models):
    assert sleep(fleet, models["llm"]).usd_per_hour == Fraction("5.98")
    assert sleep(fleet, models["embedder"]).usd_per_hour == Fraction("0.20")


def test_a_device_without_a_price_is_not_guessed(text):
    fleet = loads(text().replace("NVIDIA H100 80GB", "NVIDIA L4 24GB"))
    (model,) = (model for model in scaled(fleet) if model.service.name == "llm")
    found = sleep(fleet, model)

    assert found.usd_per_hour is None
    assert sentences(found, sleeps=True)[0] == "What a replica costs is not known: no entry of devices matches it."


def test_without_a_cold_start_nothing_is_said(make):
    fleet = make(embedder="{kind: keda, min: 1, max: 8, target: {queue: 2}}")
    model = next(scaled(fleet))

    assert sleep(fleet, model) is None
    (made,) = scaled_objects.objects(fleet, "embedder")
    assert "annotations" not in made["metadata"]


def test_a_measured_cold_start_counts_before_the_declared_one(fleet, models):
    found = sleep(fleet, models["llm"], cold_start_ns=200 * SECOND_NS)

    assert found.cold_start_ns == 200 * SECOND_NS
    assert found.waits_ns == 200 * SECOND_NS + NOTICE_NS


@settings(max_examples=25)
@given(
    target=st.decimals("90", "99.5", places=2),
    days=st.integers(1, 90),
    cold=st.integers(1, 60),
)
def test_a_budget_pays_for_as_many_cold_starts_as_fit_into_it(target, days, cold):
    fleet = loads(
        fleet_text(llm=f"{{kind: keda, min: 1, max: 4, target: {{queue: 5}}, cold_start: {cold}s}}").replace(
            "target: 99, window: 30d", f"target: {target:f}, window: {days}d"
        )
    )
    (model,) = (model for model in scaled(fleet) if model.service.name == "llm")
    found = sleep(fleet, model)
    share = 1 - Fraction(target) / 100
    (toll,) = found.tolls

    assert toll.slo == "llm-llama-8b-available"
    assert toll.per_requests * share >= 1 > (toll.per_requests - 1) * share
    assert toll.most * found.waits_ns <= share * toll.window_ns < (toll.most + 1) * found.waits_ns
    assert toll.window_ns == durations.parse(f"{days}d")


def test_it_is_said_on_the_object_itself(fleet):
    (made,) = scaled_objects.objects(fleet, "llm")

    assert made["metadata"]["annotations"][STATEMENT] == (
        "An hour asleep saves $5.98, at most $4,365.40 a month (reserved, contract, 2026-10-01). "
        "A cold start is billed too: $0.15 for 1m30s, so a shorter sleep costs more than it saves. "
        "A request that finds nobody there waits up to 2m15s. "
        "gateway-chat-available pays for one cold start per 100 requests, and for at most 192 of them in 30d. "
        "llm-llama-8b-available pays for one cold start per 100 requests, and for at most 192 of them in 30d."
    )
