"""What is asked for each model, and how many replicas an answer means."""

from decimal import Decimal

import promql_parser
import pytest
from hpa import Metric, desired

from inferometer.fleet.autoscaling_checks import scaled
from inferometer.fleet.loader import loads
from inferometer.promql import quote
from inferometer_alerts import autoscaling_rules
from inferometer_alerts.autoscaling import signals
from inferometer_alerts.rule import Rule
from inferometer_alerts.time_scale import TimeScale


def shared(value, target):
    return Metric.of(value, target, "AverageValue")


def multiple(value):
    return Metric.of(value, 1, "Value")


def by_name(fleet, model):
    return {signal.name: signal for signal in signals(fleet, model)}


def test_every_declared_signal_and_the_guard_become_one_question_each(fleet, models):
    assert [signal.name for signal in signals(fleet, models["embedder"])] == ["queue", "in-flight", "p99", "burning"]
    assert [signal.name for signal in signals(fleet, models["llm"])] == ["queue", "first-token", "burning", "wanted"]


def test_every_question_is_promql_with_one_answer(fleet, models):
    for model in models.values():
        for signal in signals(fleet, model):
            parsed = promql_parser.parse(signal.query.text)
            assert isinstance(parsed, promql_parser.AggregateExpr)
            assert signal.query.labels == (), "KEDA refuses an answer of two elements"


def test_every_series_that_is_asked_for_is_recorded(fleet, models):
    (group,) = autoscaling_rules.groups(fleet, TimeScale(1))
    recorded = {rule.series.name for rule in group.rules if isinstance(rule, Rule)}

    asked = {signal.series.family.name for model in models.values() for signal in signals(fleet, model)}
    assert asked == recorded


def test_a_fleet_without_autoscaling_records_nothing_for_it(text):

    lines = [line for line in text().splitlines() if "autoscaling:" not in line]

    assert autoscaling_rules.groups(loads("\n".join(lines)), TimeScale(1)) == ()


def test_queues_are_shared_by_replicas_and_latencies_are_multiples(fleet, models):
    found = by_name(fleet, models["embedder"])

    assert (found["queue"].metric_type, found["queue"].target) == ("AverageValue", Decimal(2))
    assert (found["in-flight"].metric_type, found["in-flight"].target) == ("AverageValue", Decimal(8))
    assert (found["p99"].metric_type, found["p99"].target) == ("Value", Decimal(1))
    assert "/ 0.25, 2)" in found["p99"].query.text, "in multiples of 250ms, at most twice"


def test_only_a_model_that_sleeps_may_be_silent(fleet, models):
    awake, sleeper = by_name(fleet, models["embedder"])["queue"], by_name(fleet, models["llm"])["queue"]

    assert "model:wanted:any" not in awake.query.text
    assert '(model:wanted:any{service="llm", model="llama-8b"} == 0)' in sleeper.query.text


@pytest.mark.parametrize("name", ['a"b', "a\\b", "{x}", "a<<b", "$(HOME)", "ü", "a|b.*"])
def test_names_are_escaped(text, name):
    written = "'" + name + "'"
    fleet = loads(text().replace("minilm:", f"{written}:"))
    model = next(model for model in scaled(fleet) if model.service.name == "embedder")

    for signal in signals(fleet, model):
        promql_parser.parse(signal.query.text)
        assert quote(name) in signal.query.text


@pytest.mark.parametrize(
    ("milli", "target", "per_replica", "replicas", "means"),
    [
        (12_000, 2_000, True, 3, 6),
        (12_000, 2_000, True, 6, 6),
        (0, 2_000, True, 6, 1),
        (13_100, 2_000, True, 6, 6),  # within a tenth
        (13_300, 2_000, True, 6, 7),
        (2_000, 1_000, False, 3, 6),
        (1_000, 1_000, False, 3, 3),
        (400, 1_000, False, 3, 2),
    ],
)
def test_kubernetes_arithmetic(milli, target, per_replica, replicas, means):
    assert desired([Metric(milli, target, per_replica)], replicas, low=1, high=8) == means


def test_the_guard_keeps_replicas_and_never_adds_one():
    idle, burning, calm = shared(0, 2), multiple(1), multiple(0)

    assert desired([idle, burning], 5, low=1, high=8) == 5
    assert desired([idle, calm], 5, low=1, high=8) == 1


def test_a_signal_that_is_lost_takes_no_replica_away():
    idle, lost = shared(0, 2), multiple(None)

    assert desired([idle, lost], 5, low=1, high=8) == 5
    assert desired([shared(16, 2), lost], 5, low=1, high=8) == 8
