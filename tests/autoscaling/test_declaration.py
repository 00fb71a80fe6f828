"""``autoscaling`` in fleet.yaml: what cannot scale, or would break its own promise, is refused where it stands."""

import pytest
from scaled_fleet import SCALED, fleet_text

from inferometer.errors import FleetError
from inferometer.fleet.loader import loads

WRONG = {
    "an autoscaler that nobody knows": (
        "kind: keda, min: 1",
        "kind: kedda, min: 1",
        "services.embedder.models.minilm.autoscaling.kind: 'kedda' is no autoscaler",
        "did you mean 'keda'? known: keda, hpa",
    ),
    "more replicas than there may be": (
        "max: 8",
        "max: 0",
        "services.embedder.models.minilm.autoscaling: at most 0 replicas, but at least 1",
        "write max: 1 or more",
    ),
    "no number of replicas": (
        "max: 8",
        "max: -1",
        "services.embedder.models.minilm.autoscaling.max: '-1' is no number of replicas",
        "write 0 to 1000",
    ),
    "no signal": (
        "{queue: 2, in_flight: 8, p99: 250ms}",
        "{}",
        "services.embedder.models.minilm.autoscaling.target names no signal",
        "write one or more of queue, in_flight, kv_cache, time_to_first_token, p99",
    ),
    "a signal that never comes": (
        "queue: 2",
        "kv_cache: 80",
        "autoscaling.target.kv_cache: fastapi has no KV cache, so that the signal never comes",
        "remove it; queue and in_flight are known of every service",
    ),
    "a latency that the service never reaches": (
        "p99: 250ms",
        "p99: 30s",
        "services.embedder.models.minilm.autoscaling.target.p99: 30s is never reached, the service gives up after 30s",
        "write a time that users still like",
    ),
    "a plain autoscaler that shall sleep": (
        "kind: keda, min: 0",
        "kind: hpa, min: 0",
        "llama-8b.autoscaling is scaled by hpa, services.embedder.models.minilm.autoscaling by keda",
        "write one kind everywhere: only one of KEDA and prometheus-adapter can serve a cluster's external metrics",
    ),
    "sleep without a cold start": (
        "cold_start: 90s, ",
        "",
        "services.llm.models.llama-8b.autoscaling sleeps (min: 0), but lacks the key 'cold_start'",
        "add `cold_start: 40s`",
    ),
    "sleep from which nobody wakes": (
        ", wake: {service: gateway, model: /chat}",
        "",
        "llama-8b.autoscaling sleeps (min: 0), but lacks the key 'wake': nothing runs that could see a request",
        "add `wake: {service: gateway, model: /search}`: who is asked first",
    ),
    "a caller that is not there": (
        "service: gateway, model: /chat",
        "service: gatevay, model: /chat",
        "there is no service 'gatevay'",
        "did you mean 'gateway'? known: gateway, embedder, llm",
    ),
    "a caller's model that is not there": (
        "service: gateway, model: /chat",
        "service: gateway, model: /chats",
        "services.gateway has no model '/chats'",
        "did you mean '/chat'? known: /chat",
    ),
    "a sleeper that wakes itself": (
        "service: gateway, model: /chat",
        "service: llm, model: llama-8b",
        "services.llm.models.llama-8b.autoscaling.wake: services.llm sleeps itself",
        "name a service that always runs",
    ),
    "an alarm clock for one who never sleeps": (
        "min: 0",
        "min: 1",
        "services.llm.models.llama-8b.autoscaling.wake is for models that sleep",
        "remove it, or write min: 0",
    ),
    "a cold start that breaks the promise": (
        "cold_start: 90s",
        "cold_start: 8h",
        "autoscaling: one cold start takes up to 8h45s, but gateway-chat-available allows 7h12m in 30d",
        "write min: 1, or promise less",
    ),
    "a time without a unit": (
        "cold_start: 90s",
        "cold_start: 90",
        "services.llm.models.llama-8b.autoscaling.cold_start: '90' is no duration",
        "90 has no unit; write 90s, for instance",
    ),
    "a share above all": (
        "queue: 5",
        "kv_cache: 101",
        "services.llm.models.llama-8b.autoscaling.target.kv_cache: 101 is outside of 10 to 100",
        "write a percentage: 80",
    ),
}


@pytest.mark.parametrize(("right", "wrong", "message", "hint"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_is_pointed_at(right, wrong, message, hint):
    text = fleet_text()
    assert text.count(right) == 1

    with pytest.raises(FleetError) as caught:
        loads(text.replace(right, wrong))

    error = caught.value
    assert message in str(error)
    assert hint in str(error)
    line = text[: text.index(right)].count("\n") + 1
    assert f"fleet.yaml:{line}:" in str(error)


def test_a_plain_autoscaler_keeps_a_replica():
    text = fleet_text(embedder="{kind: hpa, min: 0, max: 2, target: {queue: 2}}")

    with pytest.raises(FleetError, match="a HorizontalPodAutoscaler keeps at least one replica"):
        loads(text)


def test_a_deployment_has_one_autoscaler():
    second = f"      other:\n        autoscaling: {SCALED['embedder']}\n  llm:\n"

    with pytest.raises(FleetError, match=r"services\.embedder is scaled by its model minilm already"):
        loads(fleet_text().replace("  llm:\n", second, 1))


def test_two_services_are_two_deployments():
    text = fleet_text().replace("  llm:\n", "  llm:\n    kubernetes: {deployment: embedder}\n", 1)

    with pytest.raises(FleetError, match=r"services\.llm and services\.embedder are both the Deployment 'embedder'"):
        loads(text)


@pytest.mark.parametrize("name", ["Embedder", "embed_der", "-embedder", "e" * 64, "embedder."])
def test_a_name_that_kubernetes_refuses_is_refused_here(name):
    text = fleet_text().replace("  llm:\n", f"  llm:\n    kubernetes: {{deployment: {name}}}\n", 1)

    with pytest.raises(FleetError, match="is no name in Kubernetes"):
        loads(text)
