"""Whom Kubernetes gave a GPU: the labels that dcgm-exporter puts on a device's lines."""

from collections.abc import Iterable, Mapping
from typing import Final

from inferometer.catalog import gpus
from inferometer_exporters.gpus.facts import MAX_TEXT, Facts

# Prometheus renames the exporter's own to `exported_…` where it puts the exporter's pod in their place, so they come
# first; dcgm-exporter up to 2.x, and later ones with `--use-old-namespace`, wrote `pod_name` and its like.
_PODS: Final = ("exported_pod", "pod", "pod_name")
_NAMESPACES: Final = ("exported_namespace", "namespace", "pod_namespace")
_CONTAINERS: Final = ("exported_container", "container", "container_name")


def pods(found: Facts, lines: Iterable[tuple[str, Mapping[str, str]]]) -> None:
    """Add the containers that have each device, and how many pods they are.

    A device without a pod is not given to anybody, if the page speaks of pods at all.

    Args:
        found: takes them.
        lines: (device, labels).
    """
    owners: dict[str, set[tuple[str, str, str]]] = {}
    told = False
    for device, labels in lines:
        of_device = owners.setdefault(device, set())
        name = next((name for name in _PODS if name in labels), None)
        if name is None:
            continue
        told = True
        if labels[name]:
            # The three labels of one line are of one kind: names of both kinds would be of two pods.
            at = _PODS.index(name)
            namespace, container = labels.get(_NAMESPACES[at], ""), labels.get(_CONTAINERS[at], "")
            of_device.add((namespace[:MAX_TEXT], labels[name][:MAX_TEXT], container[:MAX_TEXT]))
    if not told:
        return
    for device, containers in owners.items():
        found.put(gpus.GPU_PODS, (device,), len({owner[:2] for owner in containers}))
        for owner in sorted(containers):
            found.put(gpus.GPU_POD_INFO, (device, *owner), 1)
