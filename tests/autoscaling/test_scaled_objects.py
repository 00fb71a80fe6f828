"""Autoscalers as Kubernetes reads them: KEDA's objects, plain ones, and the rules of prometheus-adapter."""

import re

import promql_parser
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inferometer.fleet.autoscaling_checks import scaled
from inferometer.fleet.loader import loads
from inferometer_alerts import scaled_objects
from inferometer_alerts.autoscaling import signals
from inferometer_alerts.scaled_objects import _template

HPA = "{kind: hpa, min: 1, max: 8, target: {queue: 2.5, p99: 250ms}, cold_start: 20s}"
PLAIN = "{kind: hpa, min: 2, max: 4, target: {in_flight: 5}}"


def only(fleet, service):
    (found,) = scaled_objects.objects(fleet, service)
    return found


def test_keda_never_takes_silence_for_zero(fleet):
    for service in ("embedder", "llm"):
        spec = only(fleet, service)["spec"]
        assert all(trigger["metadata"]["ignoreNullValues"] == "false" for trigger in spec["triggers"])
        assert spec["fallback"] == {"failureThreshold": 3, "replicas": 1, "behavior": "currentReplicasIfHigher"}


def test_keda_gets_each_signal_with_its_threshold(fleet, models):
    triggers = only(fleet, "embedder")["spec"]["triggers"]

    assert [(one["name"], one["metricType"], one["metadata"]["threshold"]) for one in triggers] == [
        ("queue", "AverageValue", "2"),
        ("in-flight", "AverageValue", "8"),
        ("p99", "Value", "1"),
        ("burning", "Value", "1"),
    ]
    assert [one["metadata"]["query"] for one in triggers] == [
        signal.query.text for signal in signals(fleet, models["embedder"])
    ]


def test_bounds_and_deployment_are_those_of_the_file(fleet):
    spec = only(fleet, "llm")["spec"]

    assert (spec["minReplicaCount"], spec["maxReplicaCount"]) == (0, 4)
    assert spec["scaleTargetRef"] == {"apiVersion": "apps/v1", "kind": "Deployment", "name": "llm"}


def test_a_service_without_autoscaling_has_none(fleet):
    assert list(scaled_objects.objects(fleet, "gateway")) == []


@pytest.mark.parametrize(
    ("cold", "up", "down", "cooldown"), [("20s", 60, 300, 300), ("4m", 240, 480, 300), ("45m", 1800, 3600, 2700)]
)
def test_the_longer_a_cold_start_the_slower_it_scales(make, cold, up, down, cooldown):
    fleet = make(embedder=f"{{kind: keda, min: 1, max: 8, target: {{queue: 2}}, cold_start: {cold}}}")
    spec = only(fleet, "embedder")["spec"]
    behavior = spec["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]

    assert {policy["periodSeconds"] for policy in behavior["scaleUp"]["policies"]} == {up}
    assert behavior["scaleDown"]["stabilizationWindowSeconds"] == down
    assert spec["cooldownPeriod"] == cooldown


def test_a_plain_autoscaler_reads_what_the_adapter_offers(make):
    fleet = make(embedder=HPA, llm=PLAIN)
    rules = {rule["name"]["as"]: rule for rule in scaled_objects.adapter_rules(fleet)["externalRules"]}
    asked = {
        metric["external"]["metric"]["name"]: metric["external"]["target"]
        for service in ("embedder", "llm")
        for metric in only(fleet, service)["spec"]["metrics"]
    }

    assert asked.keys() == rules.keys()
    assert asked["inferometer-embedder-minilm-queue"] == {"type": "AverageValue", "averageValue": "2500m"}
    assert asked["inferometer-embedder-minilm-p99"] == {"type": "Value", "value": "1"}
    assert asked["inferometer-llm-llama-8b-in-flight"] == {"type": "AverageValue", "averageValue": "5"}
    for rule in rules.values():
        assert rule["resources"] == {"namespaced": False}
        promql_parser.parse(rule["seriesQuery"])
        promql_parser.parse(rule["metricsQuery"])


def test_the_adapter_offers_nothing_to_keda(fleet):
    assert scaled_objects.adapter_rules(fleet) == {"externalRules": []}


def unescaped(text: str) -> str:
    return re.sub(r"\\u003c", "<", text)


@given(st.text(alphabet="<a ", max_size=12))
def test_a_query_holds_no_bracket_of_the_adapter_s_template_and_stays_the_same_query(name):
    written = _template(f'up{{job="{name}"}}')

    assert "<<" not in written
    assert unescaped(written) == f'up{{job="{name}"}}'
    promql_parser.parse(written)


def test_the_same_fleet_gives_the_same_objects(text):
    first, second = loads(text()), loads(text())

    assert [list(scaled_objects.objects(first, model.service.name)) for model in scaled(first)] == [
        list(scaled_objects.objects(second, model.service.name)) for model in scaled(second)
    ]
