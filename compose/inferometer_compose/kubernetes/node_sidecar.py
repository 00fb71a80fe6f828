"""One sidecar for all pods of a node: the DaemonSet for nodes whose GPUs are shared."""

from typing import Final

from inferometer.fleet.model import Fleet
from inferometer_alerts.yaml_text import Yaml
from inferometer_compose.kubernetes.containers import LOCKED, of_field, secret_volumes, sidecar
from inferometer_compose.kubernetes.names import (
    NODE_SIDECAR,
    RUN,
    SCRAPE,
    STATE,
    USER,
    Manifest,
    image,
    metadata,
)
from inferometer_compose.kubernetes.settings import Settings

SETTINGS_NAME: Final = "inferometer-node"
"""ConfigMap of its thresholds.json."""


def daemon_set(fleet: Fleet, settings: Settings) -> Manifest:
    """The DaemonSet."""
    return {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": metadata(fleet, NODE_SIDECAR),
        "spec": {
            "selector": {"matchLabels": {"app": NODE_SIDECAR}},
            "template": {
                "metadata": {"labels": {"app": NODE_SIDECAR, **SCRAPE}, "annotations": settings.mark},
                "spec": _pod(fleet, settings),
            },
        },
    }


def _pod(fleet: Fleet, settings: Settings) -> Yaml:
    return {
        "serviceAccountName": NODE_SIDECAR,
        "automountServiceAccountToken": False,
        # Says which container a worker's process and a process on a GPU are of.
        "hostPID": True,
        "runtimeClassName": "nvidia",
        "nodeSelector": {"nvidia.com/gpu.present": "true"},
        "tolerations": [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}],
        "securityContext": {"fsGroup": USER},
        "volumes": [
            {"name": "inferometer-frames", "hostPath": {"path": RUN, "type": "DirectoryOrCreate"}},
            {"name": "inferometer-state", "hostPath": {"path": STATE, "type": "DirectoryOrCreate"}},
            {"name": "inferometer-tmp", "emptyDir": {"sizeLimit": "64Mi"}},
            {"name": "cgroup", "hostPath": {"path": "/sys/fs/cgroup", "type": "Directory"}},
            settings.volume,
            *secret_volumes(fleet),
        ],
        "initContainers": [_owner(fleet)],
        "containers": [_container(fleet)],
    }


def _owner(fleet: Fleet) -> Yaml:
    """The kubelet makes the folders for root; the socket in them is for one user alone."""
    return {
        "name": "owner",
        "image": image(fleet),
        "command": ["install", "-d", "-m", "0700", "-o", f"{USER}", "-g", f"{USER}", RUN, STATE],
        "resources": {"requests": {"cpu": "10m", "memory": "16Mi"}, "limits": {"memory": "64Mi"}},
        "securityContext": {
            **LOCKED,
            "runAsUser": 0,
            "capabilities": {"drop": ["ALL"], "add": ["CHOWN", "FOWNER"]},
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "volumeMounts": [
            {"name": "inferometer-frames", "mountPath": RUN},
            {"name": "inferometer-state", "mountPath": STATE},
        ],
    }


def _container(fleet: Fleet) -> Yaml:
    made = sidecar(
        fleet,
        arguments=["--gpu=nvml"],
        environment=[
            of_field("NODE_NAME", "spec.nodeName"),
            # The node is the billed host; no POD_NAME here: workers are in pods of their own.
            of_field("INFEROMETER_HOST", "spec.nodeName"),
            # All GPUs to read, none to compute on: that would take it from others.
            {"name": "NVIDIA_VISIBLE_DEVICES", "value": "all"},
            {"name": "NVIDIA_DRIVER_CAPABILITIES", "value": "utility"},
        ],
        memory=("256Mi", "1Gi"),
    )
    mounts = made["volumeMounts"]
    cgroup: Yaml = {"name": "cgroup", "mountPath": "/sys/fs/cgroup", "readOnly": True}
    return {**made, "volumeMounts": [*(mounts if isinstance(mounts, list) else []), cgroup]}
