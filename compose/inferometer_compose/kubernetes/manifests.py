"""All files of a fleet in Kubernetes; nothing is read or written here.

``base`` is for the whole fleet, ``components/SERVICE`` for a service that runs there, ``node`` where GPUs are shared.
"""

from collections.abc import Iterable, Mapping
from typing import Final

from inferometer.fleet import summary
from inferometer.fleet.autoscaling import Autoscaler
from inferometer.fleet.autoscaling_checks import deployment, scaled
from inferometer.fleet.kubernetes import SidecarPlace, object_name
from inferometer.fleet.model import Fleet
from inferometer.fleet.service import Service
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
from inferometer_compose.kubernetes.names import Manifest, metadata
from inferometer_compose.kubernetes.settings import Settings

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
    whole = summary.thresholds(fleet)
    for service in fleet.services:
        settings = Settings.of_pod(whole, service)
        objects = _service(fleet, service, scale, settings)
        patch = {"patch": pod_patch.patch(fleet, service, settings)}
        made |= _folder(
            f"components/{object_name(service.name)}", {**objects, **patch}, _component(service, objects), comment
        )
    if on_node := [service for service in fleet.services if service.kubernetes.sidecar is SidecarPlace.NODE]:
        objects = _node(fleet, Settings.of_services(node_sidecar.SETTINGS_NAME, whole, on_node))
        made |= _folder("node", objects, _kustomization(objects), comment)
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


def _service(fleet: Fleet, service: Service, scale: TimeScale, settings: Settings) -> dict[str, Manifest]:
    name = deployment(service)
    in_pod = service.kubernetes.sidecar is SidecarPlace.POD
    made: dict[str, Manifest] = {}
    if in_pod or service.instrumented:
        made["settings"] = settings.config_map(fleet)
    if in_pod:
        made["network-policy"] = access.pod_policy(fleet, name, name)
    for monitor in engine_pages.monitors(fleet, service, scale):
        made["engine-monitor"] = monitor
    for scaler in scaled_objects.objects(fleet, service.name):
        made["autoscaler"] = scaler
    return made


def _component(service: Service, objects: Iterable[str]) -> dict[str, Yaml]:
    target: Yaml = {"kind": "Deployment", "name": deployment(service)}
    patches: dict[str, Yaml] = {"patches": [{"path": "patch.yaml", "target": target}]}
    return _kustomization(objects, kind="Component") | patches


def _node(fleet: Fleet, settings: Settings) -> dict[str, Manifest]:
    return {
        "daemon-set": node_sidecar.daemon_set(fleet, settings),
        "service-account": access.service_account(fleet),
        "network-policy": access.node_policy(fleet),
        "settings": settings.config_map(fleet),
    }


def _kustomization(objects: Iterable[str], *, kind: str = "Kustomization") -> dict[str, Yaml]:
    version = "v1alpha1" if kind == "Component" else "v1beta1"
    listed = sorted(f"{name}.yaml" for name in objects)
    head: dict[str, Yaml] = {"apiVersion": f"kustomize.config.k8s.io/{version}", "kind": kind}
    return {**head, "resources": listed} if listed else head


def _folder(folder: str, objects: Mapping[str, Manifest], kustomization: Yaml, comment: str) -> dict[str, bytes]:
    made = {f"{folder}/{name}.yaml": dump(manifest, comment=comment) for name, manifest in objects.items()}
    return {**made, f"{folder}/{KUSTOMIZATION}": dump(kustomization, comment=comment)}
