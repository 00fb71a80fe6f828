"""How Kubernetes comes from metrics to replicas: the arithmetic of pkg/controller/podautoscaler, version 1.37."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

TOLERANCE = 0.1
"""Of the controller: nothing is done for less."""


@dataclass(frozen=True, slots=True)
class Metric:
    """What was read; None where it cannot be read. Thousandths, as the external metrics API carries them."""

    milli: int | None
    target_milli: int
    per_replica: bool

    @classmethod
    def of(cls, value: float | None, target: float, metric_type: str) -> "Metric":
        return cls(None if value is None else int(value * 1000), round(target * 1000), metric_type == "AverageValue")


def desired(metrics: Iterable[Metric], replicas: int, *, low: int, high: int) -> int:
    """Replicas that the controller asks for, before stabilization and policies."""
    asked, broken = [], False
    for metric in metrics:
        if metric.milli is None:
            broken = True
        else:
            asked.append(_of_metric(metric, replicas))
    most = max(asked, default=replicas)
    # computeReplicasForMetrics: while a metric is missing, the others may add replicas but take none away.
    if broken and most < replicas:
        most = replicas
    return min(max(most, low), high)


def _of_metric(metric: Metric, replicas: int) -> int:
    ratio = metric.milli / metric.target_milli
    if metric.per_replica:
        ratio /= replicas
    if 1 - TOLERANCE <= ratio <= 1 + TOLERANCE:
        return replicas
    return math.ceil(metric.milli / metric.target_milli) if metric.per_replica else math.ceil(ratio * replicas)
