"""The patch of a service's Deployment: a sidecar beside the server, or the way to the one of its node."""

from typing import Final

from inferometer.fleet.autoscaling_checks import deployment
from inferometer.fleet.kubernetes import SidecarPlace
from inferometer.fleet.model import Fleet
from inferometer.fleet.service import Service
from inferometer_alerts.yaml_text import Yaml
from inferometer_compose.kubernetes import page_secrets
from inferometer_compose.kubernetes.containers import (
    AS_USER,
    POD,
    engine,
    of_field,
    secret_volumes,
    server,
    sidecar,
)
from inferometer_compose.kubernetes.names import METRICS_PORT, RUN, SCRAPE, USER, Manifest
from inferometer_compose.kubernetes.settings import Settings

_HOST: Final = "INFEROMETER_HOST"


def patch(fleet: Fleet, service: Service, settings: Settings) -> Manifest:
    """A strategic merge patch: it adds to what the Deployment has, and changes the pods' user and two labels."""
    in_pod = service.kubernetes.sidecar is SidecarPlace.POD
    template = _pod(fleet, service, settings) if in_pod else _on_node(service, settings)
    mark = settings.mark if in_pod or service.instrumented else {}
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
                    "annotations": {"traffic.sidecar.istio.io/excludeInboundPorts": f"{METRICS_PORT}", **mark},
                },
                "spec": template,
            }
        },
    }


def _pod(fleet: Fleet, service: Service, settings: Settings) -> Yaml:
    # The name of the billed CPU host: the same for the server and its sidecar.
    host = of_field(_HOST, "metadata.name")
    # The GPUs of a node are read once, by the node's own sidecar or by dcgm-exporter.
    beside = sidecar(
        fleet,
        arguments=["--gpu=off"],
        environment=[*POD, host],
        memory=("256Mi", "512Mi"),
        mounts=page_secrets.mounts(service),
    )
    # A foreign engine sends us no frames: it stays the user that its image is for.
    as_user = AS_USER if service.instrumented else {}
    return {
        # A large volume of weights is not handed over file by file at every start.
        "securityContext": {**as_user, "fsGroup": USER, "fsGroupChangePolicy": "OnRootMismatch"},
        "volumes": [
            {"name": "inferometer-frames", "emptyDir": {}},
            {"name": "inferometer-state", "emptyDir": {"sizeLimit": "4Gi"}},
            {"name": "inferometer-tmp", "emptyDir": {"sizeLimit": "64Mi"}},
            settings.volume,
            *secret_volumes(fleet),
            *page_secrets.volumes(service),
        ],
        # A native sidecar: there before the server, and gone after it has sent its last frame.
        "initContainers": [{**beside, "restartPolicy": "Always"}],
        "containers": [server(service, [host]) if service.instrumented else engine(service)],
    }


def _on_node(service: Service, settings: Settings) -> Yaml:
    if not service.instrumented:
        return {"containers": [engine(service)]}
    return {
        # The user of the node's sidecar: its socket is for nobody else.
        "securityContext": {**AS_USER},
        "volumes": [
            # A folder, not the socket in it: the sidecar makes that anew when it starts.
            {"name": "inferometer-frames", "hostPath": {"path": RUN, "type": "DirectoryOrCreate"}},
            settings.volume,
        ],
        "containers": [server(service, [of_field(_HOST, "spec.nodeName"), *POD])],
    }
