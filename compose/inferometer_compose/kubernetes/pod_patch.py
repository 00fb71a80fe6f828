"""The patch of a service's Deployment: a sidecar beside the server, or the way to the one of its node."""

from typing import Final

from inferometer.fleet.autoscaling_checks import deployment
from inferometer.fleet.kubernetes import SidecarPlace
from inferometer.fleet.model import Fleet, Service
from inferometer_alerts.yaml_text import Yaml
from inferometer_compose.kubernetes.containers import (
    AS_USER,
    POD,
    engine,
    of_field,
    secret_volumes,
    server,
    settings_volume,
    sidecar,
)
from inferometer_compose.kubernetes.names import METRICS_PORT, RUN, SCRAPE, USER, Manifest

_HOST: Final = "INFEROMETER_HOST"


def settings_name(service: Service) -> str:
    """ConfigMap of a service's thresholds.json."""
    return f"{deployment(service)}-inferometer"


def patch(fleet: Fleet, service: Service) -> Manifest:
    """A strategic merge patch: it adds to what the Deployment has, and changes the pods' user and two labels."""
    in_pod = service.kubernetes.sidecar is SidecarPlace.POD
    template = _pod(fleet, service) if in_pod else _on_node(service)
    labels: dict[str, Yaml] = {"app": deployment(service), "version": service.kubernetes.version}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": deployment(service)},
        "spec": {
            "template": {
                "metadata": {
                    "labels": {**labels, **(SCRAPE if in_pod else {})},
                    # Prometheus is outside of the mesh: Istio's proxy would ask it for a certificate.
                    "annotations": {"traffic.sidecar.istio.io/excludeInboundPorts": f"{METRICS_PORT}"},
                },
                "spec": template,
            }
        },
    }


def _pod(fleet: Fleet, service: Service) -> Yaml:
    # The name of the billed CPU host: the same for the server and its sidecar.
    host = of_field(_HOST, "metadata.name")
    # The GPUs of a node are read once, by the node's own sidecar or by dcgm-exporter.
    beside = sidecar(fleet, arguments=["--gpu=off"], environment=[*POD, host], memory=("256Mi", "512Mi"))
    # A foreign engine sends us no frames: it stays the user that its image is for.
    as_user = AS_USER if service.instrumented else {}
    return {
        # A large volume of weights is not handed over file by file at every start.
        "securityContext": {**as_user, "fsGroup": USER, "fsGroupChangePolicy": "OnRootMismatch"},
        "volumes": [
            {"name": "inferometer-frames", "emptyDir": {}},
            {"name": "inferometer-state", "emptyDir": {"sizeLimit": "4Gi"}},
            {"name": "inferometer-tmp", "emptyDir": {"sizeLimit": "64Mi"}},
            settings_volume(settings_name(service)),
            *secret_volumes(fleet),
        ],
        # A native sidecar: there before the server, and gone after it has sent its last frame.
        "initContainers": [{**beside, "restartPolicy": "Always"}],
        "containers": [server(service, [host]) if service.instrumented else engine(service)],
    }


def _on_node(service: Service) -> Yaml:
    if not service.instrumented:
        return {"containers": [engine(service)]}
    return {
        # The user of the node's sidecar: its socket is for nobody else.
        "securityContext": {**AS_USER},
        "volumes": [
            # A folder, not the socket in it: the sidecar makes that anew when it starts.
            {"name": "inferometer-frames", "hostPath": {"path": RUN, "type": "DirectoryOrCreate"}},
            settings_volume(settings_name(service)),
        ],
        "containers": [server(service, [of_field(_HOST, "spec.nodeName"), *POD])],
    }
