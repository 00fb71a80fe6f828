"""Who may do what: Prometheus finds our pods, and alone reaches our ports; nothing of ours talks to Kubernetes."""

from collections.abc import Iterator
from typing import Final

from inferometer.fleet.model import Fleet
from inferometer_alerts.yaml_text import Yaml
from inferometer_compose.kubernetes.names import METRICS_PORT, NODE_SIDECAR, PORT_NAME, Manifest, metadata

_ROLE: Final = "inferometer-scrape"
_LAST_PORT: Final = 65535
_OURS: Final = (METRICS_PORT, METRICS_PORT + 2)
"""Metrics, page and frames: 9464 to 9466."""


def scrape_role(fleet: Fleet) -> Iterator[Manifest]:
    """Lets Prometheus list the pods of the namespace, which is how it finds targets."""
    yield {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "Role",
        "metadata": metadata(fleet, _ROLE),
        "rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list", "watch"]}],
    }
    cluster = fleet.kubernetes
    yield {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": metadata(fleet, _ROLE),
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": _ROLE},
        "subjects": [
            {
                "kind": "ServiceAccount",
                "name": cluster.prometheus_account,
                "namespace": cluster.monitoring_namespace,
            }
        ],
    }


def service_account(fleet: Fleet) -> Manifest:
    """The node's sidecar has an account without rights, and no token of it."""
    return {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": metadata(fleet, NODE_SIDECAR),
        "automountServiceAccountToken": False,
    }


def pod_policy(fleet: Fleet, name: str, app: str) -> Manifest:
    """Our ports in a service's pods are Prometheus's; every other port stays as open as it was."""
    first, last = _OURS
    return _policy(
        fleet,
        f"{name}-inferometer",
        app,
        [
            _from_prometheus(fleet),
            {
                "ports": [
                    {"protocol": "TCP", "port": 1, "endPort": first - 1},
                    {"protocol": "TCP", "port": last + 1, "endPort": _LAST_PORT},
                    {"protocol": "UDP", "port": 1, "endPort": _LAST_PORT},
                ]
            },
        ],
    )


def node_policy(fleet: Fleet) -> Manifest:
    """The node's sidecar is reached by Prometheus alone; pods reach it through the socket."""
    return _policy(fleet, NODE_SIDECAR, NODE_SIDECAR, [_from_prometheus(fleet)])


def _policy(fleet: Fleet, name: str, app: str, ingress: list[Yaml]) -> Manifest:
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": metadata(fleet, name),
        "spec": {"podSelector": {"matchLabels": {"app": app}}, "policyTypes": ["Ingress"], "ingress": ingress},
    }


def _from_prometheus(fleet: Fleet) -> Yaml:
    return {
        "from": [
            {
                "namespaceSelector": {
                    "matchLabels": {"kubernetes.io/metadata.name": fleet.kubernetes.monitoring_namespace}
                },
                "podSelector": {"matchLabels": {"app.kubernetes.io/name": "prometheus"}},
            }
        ],
        "ports": [{"protocol": "TCP", "port": PORT_NAME}],
    }
