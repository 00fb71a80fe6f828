"""Every setting of the SDK: one frozen object, read from the environment once."""

import logging
import os
import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Final

from inferometer import setting_texts
from inferometer.wire.pod import Pod

log = logging.getLogger("inferometer")

_MIB: Final = 1 << 20

# Probes and scrapes are no inference: they would be most of the requests of a quiet service.
PROBES: Final = frozenset(
    {
        "/health", "/healthz", "/livez", "/metrics", "/ping", "/readyz", "/ready",
        "/v2/health/live", "/v2/health/ready",
    }
)  # fmt: skip


def _runtime_dir(environ: Mapping[str, str]) -> Path:
    given = environ.get("XDG_RUNTIME_DIR")
    return Path(given) / "inferometer" if given else Path("/tmp") / f"inferometer-{os.getuid()}"  # noqa: S108 - owner and mode are checked before use


class Policy(StrEnum):
    """Whose the spans of requests are."""

    OWN = "own"
    """Ours: traces leave through our own pipeline, and other instrumentation of servers is passed by."""
    AUGMENT = "augment"
    """The user's: our stages become children of the user's SERVER span, in the user's OpenTelemetry pipeline."""
    OFF = "off"
    """No spans from us; metrics as always."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How this process records and where it sends; each field names its variable and unit."""

    enabled: bool | None = None
    """INFEROMETER_ENABLED: 1 records without a code change, 0 does not record even where the code says so; without it
    the code decides."""
    service: str = "app"
    """OTEL_SERVICE_NAME: name of the service; without it the application's module."""
    service_named: bool = False
    """Whether OTEL_SERVICE_NAME was set; no variable of its own."""
    version: str = ""
    """INFEROMETER_VERSION: version of the model where nobody annotates one."""
    region: str = ""
    """INFEROMETER_REGION: where this host is; the label ``region`` of every series."""
    host: str = field(default_factory=socket.gethostname)
    """INFEROMETER_HOST: name of this host, and of its CPU as a billed device; without it the host's own."""
    pod_name: str = ""
    """POD_NAME: name of the Kubernetes pod that this process runs in, from the downward API as the next ones."""
    pod_namespace: str = ""
    """POD_NAMESPACE: namespace of the pod."""
    pod_uid: str = ""
    """POD_UID: UID of the pod."""
    node_name: str = ""
    """NODE_NAME: node of the pod."""
    container_name: str = ""
    """CONTAINER_NAME: name of the container in the pod."""
    sidecar: str = ""
    """INFEROMETER_SIDECAR: ``unix:///path``, ``tcp://host:port`` or, with TLS, ``tls://host:port``; empty means: find
    one, or elect an Intake."""
    sidecar_token_file: Path | None = None
    """INFEROMETER_SIDECAR_TOKEN_FILE: file of the token that the sidecar's TCP ports ask for; commands show it, too."""
    sidecar_certificate: Path | None = None
    """INFEROMETER_SIDECAR_CERTIFICATE: PEM file of the authority that vouches for the sidecar; else the system's."""
    sidecar_client_certificate: Path | None = None
    """INFEROMETER_SIDECAR_CLIENT_CERTIFICATE: PEM file with which this process shows who it is."""
    sidecar_client_key: Path | None = None
    """INFEROMETER_SIDECAR_CLIENT_KEY: PEM file of its key, where it is not in the same."""
    metrics: str = "127.0.0.1:9464"
    """INFEROMETER_METRICS: ``host:port`` of ``/metrics`` where there is no sidecar; port 0 is a free one."""
    runtime_dir: Path = field(default_factory=lambda: _runtime_dir(os.environ))
    """INFEROMETER_RUNTIME_DIR: where the sockets of this user's processes on this host are; without it
    ``inferometer`` in XDG_RUNTIME_DIR, else ``/tmp/inferometer-UID``."""
    tenant_header: str = "x-tenant"
    """INFEROMETER_TENANT_HEADER: header that names the tenant of a request."""
    class_header: str = ""
    """INFEROMETER_CLASS_HEADER: names the request class; empty means only `annotate` does."""
    excluded_paths: frozenset[str] = PROBES
    """INFEROMETER_EXCLUDED_PATHS: exact paths, comma separated, that are not recorded."""
    flush_seconds: float = 0.25
    """INFEROMETER_FLUSH_SECONDS: time between frames, seconds."""
    exit_seconds: float = 2.0
    """INFEROMETER_EXIT_SECONDS: longest wait for the last frame at exit, seconds."""
    traces: Policy | None = None
    """INFEROMETER_TRACES: whose the spans of requests are: own, augment or off; without it ``augment`` where the
    process has a TracerProvider of OpenTelemetry, whenever it is set, else ``own``."""
    log_correlation: bool = False
    """INFEROMETER_LOG_CORRELATION: 1 gives each record of ``logging`` the attributes ``trace_id`` and ``span_id``."""
    nvtx: bool = False
    """INFEROMETER_NVTX: 1 shows stages and executes as NVTX ranges, by which Nsight names them."""
    thresholds: Path | None = None
    """INFEROMETER_THRESHOLDS: what `inferometer generate` wrote; the service's timeout is in it."""
    buffered_requests: int = 32_768
    """INFEROMETER_BUFFERED_REQUESTS: finished requests that wait for a frame; more are dropped and counted."""
    frame_bytes: int = 32 * _MIB
    """INFEROMETER_FRAME_BYTES: frames that wait for an acknowledgement, bytes; beyond it no frame is made."""

    @property
    def pod(self) -> Pod:
        """The Kubernetes pod that this process runs in, as far as its environment says."""
        return Pod(
            namespace=self.pod_namespace,
            name=self.pod_name,
            uid=self.pod_uid,
            node=self.node_name,
            container=self.container_name,
        )

    @classmethod
    def from_env(cls, environ: Mapping[str, str] = os.environ) -> "Settings":
        """Read the environment; what is wrong gets one warning that says what would be right, and the default."""
        settings, wrong = cls.read(environ)
        if wrong:
            log.warning("settings that are ignored, defaults are used instead: %s", "; ".join(wrong))
        return settings

    @classmethod
    def read(cls, environ: Mapping[str, str]) -> "tuple[Settings, Sequence[str]]":
        """Settings, and what is wrong in the environment: variable, value, and what would be right."""
        values: dict[str, object] = {"runtime_dir": _runtime_dir(environ)}
        wrong: list[str] = []
        for variable, (name, parse) in _VARIABLES.items():
            text = environ.get(variable, "").strip()
            if not text:
                continue
            try:
                values[name] = parse(text)
            except ValueError as error:
                wrong.append(f"{variable}={text!r}: {error}")
        values["service_named"] = "service" in values
        return cls(**values), wrong  # type: ignore[arg-type]  # each parser returns its field's type


def _policy(text: str) -> Policy:
    try:
        return Policy(text.lower())
    except ValueError:
        raise ValueError(f"{', '.join(Policy)} are right") from None


_VARIABLES: Final[dict[str, tuple[str, Callable[[str], object]]]] = {
    "INFEROMETER_ENABLED": ("enabled", setting_texts.switch),
    "OTEL_SERVICE_NAME": ("service", setting_texts.printable),
    "INFEROMETER_VERSION": ("version", setting_texts.printable),
    "INFEROMETER_REGION": ("region", setting_texts.printable),
    "INFEROMETER_HOST": ("host", setting_texts.printable),
    "POD_NAME": ("pod_name", setting_texts.printable),
    "POD_NAMESPACE": ("pod_namespace", setting_texts.printable),
    "POD_UID": ("pod_uid", setting_texts.printable),
    "NODE_NAME": ("node_name", setting_texts.printable),
    "CONTAINER_NAME": ("container_name", setting_texts.printable),
    "INFEROMETER_SIDECAR": ("sidecar", setting_texts.address),
    "INFEROMETER_SIDECAR_TOKEN_FILE": ("sidecar_token_file", setting_texts.absolute_path),
    "INFEROMETER_SIDECAR_CERTIFICATE": ("sidecar_certificate", setting_texts.absolute_path),
    "INFEROMETER_SIDECAR_CLIENT_CERTIFICATE": ("sidecar_client_certificate", setting_texts.absolute_path),
    "INFEROMETER_SIDECAR_CLIENT_KEY": ("sidecar_client_key", setting_texts.absolute_path),
    "INFEROMETER_METRICS": ("metrics", setting_texts.host_port),
    "INFEROMETER_RUNTIME_DIR": ("runtime_dir", setting_texts.absolute_path),
    "INFEROMETER_TENANT_HEADER": ("tenant_header", setting_texts.header),
    "INFEROMETER_CLASS_HEADER": ("class_header", setting_texts.header),
    "INFEROMETER_EXCLUDED_PATHS": ("excluded_paths", setting_texts.url_paths),
    "INFEROMETER_FLUSH_SECONDS": ("flush_seconds", setting_texts.seconds(0.01, 10)),
    "INFEROMETER_EXIT_SECONDS": ("exit_seconds", setting_texts.seconds(0, 60)),
    "INFEROMETER_TRACES": ("traces", _policy),
    "INFEROMETER_LOG_CORRELATION": ("log_correlation", setting_texts.switch),
    "INFEROMETER_NVTX": ("nvtx", setting_texts.switch),
    "INFEROMETER_THRESHOLDS": ("thresholds", setting_texts.absolute_path),
    "INFEROMETER_BUFFERED_REQUESTS": ("buffered_requests", setting_texts.count(1, 10_000_000)),
    "INFEROMETER_FRAME_BYTES": ("frame_bytes", setting_texts.count(_MIB, 4096 * _MIB)),
}

VARIABLES: Final[Mapping[str, str]] = {name: variable for variable, (name, _) in _VARIABLES.items()}
"""Field of `Settings` -> the variable that sets it."""
