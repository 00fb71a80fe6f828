"""Where a fleet runs in Kubernetes: what ``kubernetes`` in fleet.yaml says."""

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Final

from inferometer.fleet import scalars, texts
from inferometer.fleet.scalars import Kind, WrongValueError
from inferometer.fleet.schema import Key

_LABEL: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?", re.ASCII)
_VALUE: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?", re.ASCII)
_OTHER: Final = re.compile(r"[^a-z0-9]+")
LONGEST_NAME: Final = 63


def object_name(*parts: str) -> str:
    """A name that Kubernetes takes, of parts of which it may not take some: ``/search`` of gateway: gateway-search."""
    words = (_OTHER.sub("-", part.lower()).strip("-") for part in parts)
    return "-".join(word for word in words if word)[:LONGEST_NAME].strip("-") or "unnamed"


def _name(text: str) -> str:
    if not _LABEL.fullmatch(text):
        raise WrongValueError(
            f"{text!r} is no name in Kubernetes",
            "use lower-case letters, digits and hyphens, at most 63, a letter or digit first and last: embedder",
        )
    return text


NAME: Final = Kind(
    name="name in Kubernetes",
    written_as=("text",),
    read=_name,
    json={"type": "string", "pattern": f"^{_LABEL.pattern}$"},
    example="inference",
)


def _value(text: str) -> str:
    if not _VALUE.fullmatch(text):
        raise WrongValueError(
            f"{text!r} is no value of a label in Kubernetes",
            "use letters, digits, '.', '_' and '-', at most 63, a letter or digit first and last: v1",
        )
    return text


VALUE: Final = Kind(
    name="value of a label",
    written_as=("text", "number"),
    read=_value,
    json={"type": "string", "pattern": f"^{_VALUE.pattern}$"},
    example="v1",
)

_IMAGE: Final = re.compile(r"[a-z0-9][A-Za-z0-9._/:@-]{0,254}", re.ASCII)


def _image(text: str) -> str:
    if not _IMAGE.fullmatch(text):
        raise WrongValueError(f"{text!r} is no image", "write registry.example/inferometer:0.1.0, for instance")
    return text


IMAGE: Final = Kind(
    name="image",
    written_as=("text",),
    read=_image,
    json={"type": "string", "pattern": f"^{_IMAGE.pattern}$"},
    example="inferometer:0.1.0",
)


class SidecarPlace(StrEnum):
    """Where the sidecar of a service runs."""

    POD = "pod"
    """In each of its pods."""
    NODE = "node"
    """Once on each node, for all pods there: where they share GPUs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """A service's Deployment."""

    deployment: Annotated[str | None, Key(NAME, "Its name; the service's unless said.")] = None
    container: Annotated[str, Key(NAME, "Container that serves.")] = "server"
    version: Annotated[str, Key(VALUE, "Value of the pods' label `version`, which Istio and Kiali read.")] = "v1"
    sidecar: Annotated[SidecarPlace, Key(scalars.choice(SidecarPlace, "place"), "Where its sidecar runs.")] = (
        SidecarPlace.POD
    )
    access_secret: Annotated[
        str | None,
        Key(
            NAME,
            "Secret of `access`: a key for each file that it names, by the file's name; DEPLOYMENT-page unless said.",
        ),
    ] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """The cluster: namespaces, Prometheus, secrets by name."""

    namespace: Annotated[str, Key(NAME, "Namespace of the fleet.")] = "inference"
    image: Annotated[str | None, Key(IMAGE, "Image of the sidecar; inferometer's own of this version.")] = None
    prometheus: Annotated[str, Key(texts.URL, "Prometheus, as KEDA reaches it.")] = (
        "http://prometheus-operated.monitoring.svc:9090"
    )
    monitoring_namespace: Annotated[str, Key(NAME, "Namespace of Prometheus.")] = "monitoring"
    prometheus_account: Annotated[str, Key(NAME, "Prometheus's service account.")] = "prometheus-k8s"
    release: Annotated[
        str | None, Key(VALUE, "Value of the label `release`, by which the operator of a Helm chart selects.")
    ] = None
    otlp: Annotated[str | None, Key(texts.URL, "Where kept traces go: http://jaeger-collector.tracing.svc:4318.")] = (
        None
    )
    token_secret: Annotated[str | None, Key(NAME, "Secret whose key `token` every TCP port asks for.")] = None
    tls_secret: Annotated[str | None, Key(NAME, "Secret of type kubernetes.io/tls, with ca.crt, of every port.")] = None
    receivers_secret: Annotated[
        str, Key(NAME, "Secret of the receivers: a key for each file that they name, by the file's name.")
    ] = "inferometer-receivers"


USUAL_WORKLOAD: Final = Workload()
USUAL_CLUSTER: Final = Cluster()
"""Where fleet.yaml says nothing of them."""
