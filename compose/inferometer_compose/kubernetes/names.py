"""Names, labels and paths that several manifests must agree on."""

from typing import Final

from inferometer.fleet.model import Fleet
from inferometer.version import VERSION
from inferometer_alerts.yaml_text import Yaml

Manifest = dict[str, Yaml]

PART_OF: Final[Manifest] = {"app.kubernetes.io/part-of": "inferometer"}
SCRAPE: Final[Manifest] = {"inferometer.io/scrape": "true"}
"""On every pod whose sidecar Prometheus reads."""
NODE_SIDECAR: Final = "inferometer"
"""The DaemonSet, its service account and the value of its label `app`."""

METRICS_PORT: Final = 9464
PORT_NAME: Final = "metrics"
USER: Final = 10001
"""Server and sidecar run as the same user: the socket between them is for nobody else. The image's own user."""
RUN: Final = "/run/inferometer"
SOCKET: Final = f"{RUN}/sidecar.sock"
STATE: Final = "/var/lib/inferometer"
SETTINGS: Final = "/etc/inferometer"
THRESHOLDS: Final = "thresholds.json"
TOKEN: Final = "/run/secrets/inferometer/token"
TLS: Final = "/run/secrets/inferometer-tls"


def image(fleet: Fleet) -> str:
    """The sidecar's image."""
    return fleet.kubernetes.image or f"inferometer:{VERSION}"


def metadata(fleet: Fleet, name: str, **labels: str) -> Manifest:
    """Metadata of an object of ours."""
    release = {"release": fleet.kubernetes.release} if fleet.kubernetes.release is not None else {}
    return {"name": name, "namespace": fleet.kubernetes.namespace, "labels": {**PART_OF, **release, **labels}}


def literal(text: str) -> str:
    """A text as the value of a variable: Kubernetes puts other variables in place of ``$(NAME)``."""
    return text.replace("$(", "$$(")
