"""All files of a fleet in Kubernetes; nothing is read or written here.

``base`` is for the whole fleet, ``components/SERVICE`` for a service that runs there, ``node`` where GPUs are shared.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Final

from inferometer.fleet import summary, thresholds
from inferometer.fleet.autoscaling import Autoscaler
from inferometer.fleet.autoscaling_checks import deployment, scaled
from inferometer.fleet.kubernetes import SidecarPlace, object_name
from inferometer.fleet.model import Fleet, Service
from inferometer_alerts import engine_scraping, scaled_objects
from inferometer_alerts.generation import HEADER
from inferometer_alerts.time_scale import TimeScale
from inferometer_alerts.yaml_text import Yaml, dump
from inferometer_compose.kubernetes import (
    access,
    alertmanager_config,
    dashboards,
    engine_pages,
    monitoring,
    node_sidecar,
    pod_patch,
)
from inferometer_compose.kubernetes.names import THRESHOLDS, Manifest, metadata

KUSTOMIZATION: Final = "kustomization.yaml"


def files(fleet: Fleet, *, time_scale: int = 1) -> dict[str, bytes]:
    """Content by path below the output folder.

    Raises:
        RefusedError: the fleet needs what Kubernetes' objects cannot say.
    """
    engine_pages.check(fleet)
    scale = TimeScale(time_scale)
    comment = f"{HEADER}\n{scale.note.strip()}" if scale.note else HEADER
    made = _folder("base", _base(fleet, scale), _kustomization(_base(fleet, scale)), comment)
    settings = summary.thresholds(fleet)
    for service in fleet.services:
        objects = _service(fleet, service, scale)
        folder = f"components/{object_name(service.name)}"
        kustomization = _component(fleet, service, objects)
        made |= _folder(folder, {**objects, "patch": pod_patch.patch(fleet, service)}, kustomization, comment)
        made[f"{folder}/{THRESHOLDS}"] = _thresholds(settings, (service,))
    on_node = [service for service in fleet.services if service.kubernetes.sidecar is SidecarPlace.NODE]
    if on_node:
        objects = _node(fleet)
        kustomization = _kustomization(objects) | _settings(fleet, node_sidecar.SETTINGS_NAME)
        made |= _folder("node", objects, kustomization, comment)
        made[f"node/{THRESHOLDS}"] = _thresholds(settings, on_node)
    return made


def _base(fleet: Fleet, scale: TimeScale) -> dict[str, Manifest]:
    role, binding = access.scrape_role(fleet)
    made = {
        "pod-monitor": monitoring.pod_monitor(fleet, scale),
        "alertmanager-config": alertmanager_config.manifest(fleet, scale),
        "scrape-role": role,
        "scrape-role-binding": binding,
    }
    made |= {f"rules-{name}": rules for name, rules in monitoring.rules(fleet, scale)}
    made |= {f"board-{uid}": board for uid, board in dashboards.config_maps(fleet, scale)}
    if (of_engines := engine_pages.rules(fleet, scale)) is not None:
        made[f"rules-{engine_scraping.FILE}"] = of_engines
    if any(model.autoscaling.kind is Autoscaler.HPA for model in scaled(fleet)):
        made["prometheus-adapter"] = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": metadata(fleet, "inferometer-prometheus-adapter"),
            "data": {"config.yaml": dump(scaled_objects.adapter_rules(fleet)).decode()},
        }
    return made


def _service(fleet: Fleet, service: Service, scale: TimeScale) -> dict[str, Manifest]:
    name = deployment(service)
    made: dict[str, Manifest] = {}
    if service.kubernetes.sidecar is SidecarPlace.POD:
        made["network-policy"] = access.pod_policy(fleet, name, name)
    for monitor in engine_pages.monitors(fleet, service, scale):
        made["engine-monitor"] = monitor
    for scaler in scaled_objects.objects(fleet, service.name):
        made["autoscaler"] = scaler
    return made


def _component(fleet: Fleet, service: Service, objects: Iterable[str]) -> dict[str, Yaml]:
    target: Yaml = {"kind": "Deployment", "name": deployment(service)}
    patches: dict[str, Yaml] = {"patches": [{"path": "patch.yaml", "target": target}]}
    settings = _settings(fleet, pod_patch.settings_name(service))
    return _kustomization(objects, kind="Component") | patches | settings


def _node(fleet: Fleet) -> dict[str, Manifest]:
    return {
        "daemon-set": node_sidecar.daemon_set(fleet),
        "service-account": access.service_account(fleet),
        "network-policy": access.node_policy(fleet),
    }


def _kustomization(objects: Iterable[str], *, kind: str = "Kustomization") -> dict[str, Yaml]:
    version = "v1alpha1" if kind == "Component" else "v1beta1"
    listed = sorted(f"{name}.yaml" for name in objects)
    head: dict[str, Yaml] = {"apiVersion": f"kustomize.config.k8s.io/{version}", "kind": kind}
    return {**head, "resources": listed} if listed else head


def _settings(fleet: Fleet, name: str) -> dict[str, Yaml]:
    return {
        "configMapGenerator": [{"name": name, "namespace": fleet.kubernetes.namespace, "files": [THRESHOLDS]}],
    }


def _thresholds(settings: thresholds.Thresholds, services: Iterable[Service]) -> bytes:
    """What a sidecar needs of its services only: a promise of another one starts no pod anew."""
    names = {service.name for service in services}
    own = replace(
        settings,
        objectives=tuple(objective for objective in settings.objectives if objective.service in names),
        timeouts_ns={name: timeout for name, timeout in settings.timeouts_ns.items() if name in names},
        engines=tuple(engine_pages.in_pod(pages) for pages in settings.engines if pages.service in names),
    )
    return thresholds.dumps(own).encode()


def _folder(folder: str, objects: Mapping[str, Manifest], kustomization: Yaml, comment: str) -> dict[str, bytes]:
    made = {f"{folder}/{name}.yaml": dump(manifest, comment=comment) for name, manifest in objects.items()}
    return {**made, f"{folder}/{KUSTOMIZATION}": dump(kustomization, comment=comment)}
