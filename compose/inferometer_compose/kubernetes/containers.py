"""The sidecar's container, and what a server needs to send it its frames."""

from collections.abc import Sequence
from typing import Final

from inferometer.fleet.model import Fleet
from inferometer.fleet.service import Service
from inferometer_alerts.yaml_text import Yaml
from inferometer_compose.kubernetes.names import (
    METRICS_PORT,
    PORT_NAME,
    RUN,
    SETTINGS,
    SOCKET,
    STATE,
    THRESHOLDS,
    TLS,
    TOKEN,
    USER,
    Manifest,
    image,
    literal,
)

LOCKED: Final[Manifest] = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
}
AS_USER: Final[Manifest] = {
    "runAsUser": USER,
    "runAsGroup": USER,
    "runAsNonRoot": True,
    "seccompProfile": {"type": "RuntimeDefault"},
}


def of_field(name: str, path: str) -> Yaml:
    """A variable that the pod's own object says."""
    return {"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}}


POD: Final = (
    of_field("POD_NAME", "metadata.name"),
    of_field("POD_NAMESPACE", "metadata.namespace"),
    of_field("POD_UID", "metadata.uid"),
    of_field("NODE_NAME", "spec.nodeName"),
)


def sidecar(
    fleet: Fleet, *, arguments: list[str], environment: list[Yaml], memory: tuple[str, str], mounts: Sequence[Yaml] = ()
) -> Manifest:
    """The sidecar's container; *memory* is what it asks for and what it may have, *mounts* are more of them."""
    cluster = fleet.kubernetes
    asks, limit = memory
    secure = cluster.tls_secret is not None
    probe: dict[str, Yaml] = {"path": "/healthz", "port": PORT_NAME}
    if secure:
        probe["scheme"] = "HTTPS"
    return {
        "name": "inferometer",
        "image": image(fleet),
        "args": [
            "sidecar",
            f"--socket={SOCKET}",
            f"--state={STATE}",
            f"--metrics=0.0.0.0:{METRICS_PORT}",
            f"--thresholds={SETTINGS}/{THRESHOLDS}",
            *([f"--otlp={literal(cluster.otlp)}"] if cluster.otlp is not None else []),
            *([f"--token-file={TOKEN}"] if cluster.token_secret is not None else []),
            *([f"--tls-cert={TLS}/tls.crt", f"--tls-key={TLS}/tls.key"] if secure else []),
            *arguments,
        ],
        "env": environment,
        "ports": [{"name": PORT_NAME, "containerPort": METRICS_PORT, "protocol": "TCP"}],
        "startupProbe": {"httpGet": probe, "periodSeconds": 1, "failureThreshold": 30},
        "livenessProbe": {"httpGet": probe, "periodSeconds": 10, "failureThreshold": 3},
        "resources": {"requests": {"cpu": "100m", "memory": asks}, "limits": {"memory": limit}},
        "securityContext": {**AS_USER, **LOCKED},
        "volumeMounts": [
            {"name": "inferometer-frames", "mountPath": RUN},
            {"name": "inferometer-state", "mountPath": STATE},
            _settings_mount(),
            {"name": "inferometer-tmp", "mountPath": "/tmp"},  # noqa: S108 - a volume of its own
            *_secret_mounts(fleet),
            *mounts,
        ],
    }


def server(service: Service, environment: list[Yaml]) -> Manifest:
    """What a patch adds to the container that serves."""
    container = service.kubernetes.container
    return {
        "name": container,
        "env": [
            {"name": "OTEL_SERVICE_NAME", "value": literal(service.name)},
            {"name": "INFEROMETER_ENABLED", "value": "1"},
            {"name": "INFEROMETER_VERSION", "value": service.kubernetes.version},
            {"name": "INFEROMETER_SIDECAR", "value": f"unix://{SOCKET}"},
            {"name": "INFEROMETER_THRESHOLDS", "value": f"{SETTINGS}/{THRESHOLDS}"},
            {"name": "CONTAINER_NAME", "value": container},
            *environment,
        ],
        "volumeMounts": [{"name": "inferometer-frames", "mountPath": RUN}, _settings_mount()],
    }


def engine(service: Service) -> Manifest:
    """What a patch adds to the container of a foreign engine: the name under which its spans are known."""
    return {
        "name": service.kubernetes.container,
        "env": [{"name": "OTEL_SERVICE_NAME", "value": literal(service.name)}],
    }


def _settings_mount() -> Yaml:
    return {"name": "inferometer-settings", "mountPath": SETTINGS, "readOnly": True}


def secret_volumes(fleet: Fleet) -> list[Yaml]:
    """Volumes of the secrets that fleet.yaml names."""
    cluster = fleet.kubernetes
    named = {"inferometer-token": cluster.token_secret, "inferometer-tls": cluster.tls_secret}
    # Read by the group that fsGroup gives the files to, and by nobody else.
    return [
        {"name": name, "secret": {"secretName": secret, "defaultMode": 0o440}}
        for name, secret in named.items()
        if secret is not None
    ]


def _secret_mounts(fleet: Fleet) -> list[Yaml]:
    mounts: list[Yaml] = []
    if fleet.kubernetes.token_secret is not None:
        where = TOKEN.rpartition("/")[0]
        mounts.append({"name": "inferometer-token", "mountPath": where, "readOnly": True})
    if fleet.kubernetes.tls_secret is not None:
        mounts.append({"name": "inferometer-tls", "mountPath": TLS, "readOnly": True})
    return mounts
