"""Autoscalers as Kubernetes reads them: KEDA's ScaledObject, or an HPA with the rules of prometheus-adapter."""

import re
from collections.abc import Iterable, Iterator
from decimal import Decimal
from math import ceil
from typing import Final

from inferometer.fleet.autoscaling import Autoscaler, Autoscaling
from inferometer.fleet.autoscaling_checks import Scaled, deployment, scaled
from inferometer.fleet.kubernetes import object_name
from inferometer.fleet.model import Fleet
from inferometer_alerts.autoscaling import Signal, signals
from inferometer_alerts.scale_to_zero import sentences, sleep
from inferometer_alerts.yaml_text import Yaml

POLL_SECONDS: Final = 15
_SECOND_NS: Final = 10**9
_DOWN_SECONDS: Final = 300
"""Kubernetes' own default: the most that was asked for in this time counts."""
_LONGEST_WINDOW: Final = 3600
_LONGEST_PERIOD: Final = 1800
"""The API's limits of a stabilization window and of a policy's period."""
_UP_SECONDS: Final = 60
_FAILURES: Final = 3
STATEMENT: Final = "inferometer.io/scale-to-zero"
"""Annotation: what sleep saves and costs."""
_TEMPLATE: Final = re.compile("<(?=<)")

Object = dict[str, Yaml]


def objects(fleet: Fleet, service: str) -> Iterator[Object]:
    """The autoscaler of a service, where one of its models declares one."""
    for model in scaled(fleet):
        if model.service.name == service:
            yield _keda(fleet, model) if model.autoscaling.kind is Autoscaler.KEDA else _hpa(fleet, model)


def adapter_rules(fleet: Fleet) -> Yaml:
    """Configuration of prometheus-adapter: an external metric for each signal of each plain HPA."""
    return {
        "externalRules": [
            {
                # One element that is always there tells the adapter that the metric exists.
                "seriesQuery": _template(signal.series.text),
                "resources": {"namespaced": False},
                "name": {"as": metric_name(model, signal)},
                "metricsQuery": _template(signal.query.text),
            }
            for model in scaled(fleet)
            if model.autoscaling.kind is Autoscaler.HPA
            for signal in signals(fleet, model)
        ]
    }


def metric_name(model: Scaled, signal: Signal) -> str:
    """Name of a signal in the external metrics API."""
    return object_name("inferometer", model.service.name, model.model.name, signal.name)


def _template(text: str) -> str:
    """A query in a Go template between << and >>, of which it holds none: the characters stand in strings only."""
    return _TEMPLATE.sub(r"\\u003c", text)


def _keda(fleet: Fleet, model: Scaled) -> Object:
    said = model.autoscaling
    name = object_name(model.service.name, model.model.name)
    return {
        "apiVersion": "keda.sh/v1alpha1",
        "kind": "ScaledObject",
        "metadata": _metadata(fleet, model, name),
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": deployment(model.service)},
            "minReplicaCount": said.min,
            "maxReplicaCount": said.max,
            "pollingInterval": POLL_SECONDS,
            # Shorter than a cold start, a sleep would cost more than it saves.
            "cooldownPeriod": max(_DOWN_SECONDS, _cold_seconds(said)),
            # While Prometheus is silent nobody is sent away.
            "fallback": {
                "failureThreshold": _FAILURES,
                "replicas": max(said.min, 1),
                "behavior": "currentReplicasIfHigher",
            },
            "advanced": {"horizontalPodAutoscalerConfig": {"name": name, "behavior": _behavior(said)}},
            "triggers": [
                {
                    "type": "prometheus",
                    "name": signal.name,
                    "metricType": signal.metric_type,
                    "metadata": {
                        "serverAddress": fleet.kubernetes.prometheus,
                        "query": signal.query.text,
                        "threshold": f"{signal.target.normalize():f}",
                        # KEDA's default takes an empty answer for 0: replicas go when Prometheus loses their series.
                        "ignoreNullValues": "false",
                    },
                }
                for signal in signals(fleet, model)
            ],
        },
    }


def _hpa(fleet: Fleet, model: Scaled) -> Object:
    said = model.autoscaling
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": _metadata(fleet, model, object_name(model.service.name, model.model.name)),
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": deployment(model.service)},
            "minReplicas": said.min,
            "maxReplicas": said.max,
            "behavior": _behavior(said),
            "metrics": [
                {
                    "type": "External",
                    "external": {"metric": {"name": metric_name(model, signal)}, "target": _target(signal)},
                }
                for signal in signals(fleet, model)
            ],
        },
    }


def _target(signal: Signal) -> Yaml:
    key = "averageValue" if signal.per_replica else "value"
    return {"type": signal.metric_type, key: _quantity(signal.target)}


def _quantity(value: Decimal) -> str:
    """A number as Kubernetes writes it: whole, or in thousandths."""
    return f"{int(value)}" if value == int(value) else f"{int(value * 1000)}m"


def _metadata(fleet: Fleet, model: Scaled, name: str) -> Yaml:
    found = sleep(fleet, model)
    metadata: Object = {
        "name": name,
        "namespace": fleet.kubernetes.namespace,
        "labels": {"app.kubernetes.io/part-of": "inferometer"},
    }
    if found is not None:
        told: Iterable[str] = sentences(found, sleeps=not model.autoscaling.min)
        metadata["annotations"] = {STATEMENT: " ".join(told)}
    return metadata


def _behavior(said: Autoscaling) -> Yaml:
    cold = _cold_seconds(said)
    # A new pod helps after its cold start: asking again before that asks for the same twice.
    period = min(max(_UP_SECONDS, cold), _LONGEST_PERIOD)
    return {
        "scaleUp": {
            "stabilizationWindowSeconds": 0,
            "selectPolicy": "Max",
            "policies": [
                {"type": "Percent", "value": 100, "periodSeconds": period},
                {"type": "Pods", "value": 4, "periodSeconds": period},
            ],
        },
        "scaleDown": {
            # What is taken away and wanted back costs a cold start.
            "stabilizationWindowSeconds": min(max(_DOWN_SECONDS, 2 * cold), _LONGEST_WINDOW),
            "selectPolicy": "Max",
            "policies": [
                {"type": "Percent", "value": 10, "periodSeconds": 120},
                {"type": "Pods", "value": 1, "periodSeconds": 120},
            ],
        },
    }


def _cold_seconds(said: Autoscaling) -> int:
    return ceil((said.cold_start_ns or 0) / _SECOND_NS)
