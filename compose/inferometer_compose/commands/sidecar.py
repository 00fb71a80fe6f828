"""``inferometer sidecar``."""

import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from errno import EADDRINUSE
from pathlib import Path

from inferometer.access import Access, Certificates, Token
from inferometer.errors import RefusedError
from inferometer.fleet.devices import PriceKind
from inferometer.otlp.endpoint import Endpoint
from inferometer.settings import Settings
from inferometer_compose.beside.folders import state_folder
from inferometer_compose.commands.page_access import PageOptions, of_gpu_pages
from inferometer_compose.live import PAGES
from inferometer_exporters.engines.fleet import parse as engine_page
from inferometer_exporters.gpus.choice import GpuChoice
from inferometer_exporters.pages.fetch import PageUrl
from inferometer_exporters.ports import LOOPBACK, Address, Ports
from inferometer_exporters.prices import Placing
from inferometer_exporters.serving import run as run_sidecar
from inferometer_exporters.sidecar_settings import SidecarSettings

SOCKET_NAME = "sidecar.sock"
_OFF = "off"
_OTLP_GRPC, _OTLP_HTTP = 4317, 4318
_TAKEN = "perhaps by another sidecar: end it, or name other places with --metrics and --api"


@dataclass(frozen=True, slots=True, kw_only=True)
class PortOptions:
    """What the command line said of TCP ports."""

    otlp_grpc: str | None = None
    otlp_http: str | None = None
    frames_tcp: str | None = None
    token_file: Path | None = None
    tls_cert: Path | None = None
    tls_key: Path | None = None
    tls_client_ca: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the command line said; nothing where it said nothing."""

    socket: Path | None
    metrics: str
    api: str
    state: Path | None
    thresholds: Path | None
    otlp: str | None
    gpu: GpuChoice = GpuChoice.AUTO
    gpu_pages: Sequence[str] = ()
    gpu_access: PageOptions = field(default_factory=PageOptions)
    engine_pages: Sequence[str] = ()
    replay: Path | None
    ports: PortOptions = PortOptions()
    with_stdin: bool = False
    instance_type: str = ""
    price_kind: PriceKind = PriceKind.ON_DEMAND
    opencost: str | None = None


def run(options: Options) -> int:
    """Serve until SIGTERM or Ctrl-C; the exit status.

    Raises:
        RefusedError: an address is none, or somebody else has the socket, the state or a port.
        StateError: a file cannot be used.
    """
    logging.basicConfig(format="%(levelname)s %(name)s: %(message)s", level=logging.WARNING)
    try:
        run_sidecar(settings_of(options, os.environ), with_stdin=options.with_stdin, pages=PAGES)
    except RefusedError as error:
        if not isinstance(error.__cause__, OSError) or error.__cause__.errno != EADDRINUSE:
            raise
        raise RefusedError(f"{error}; {_TAKEN}") from error
    return 0


def settings_of(options: Options, environment: Mapping[str, str]) -> SidecarSettings:
    """The sidecar's settings; what was not said is where workers of the same user look for it.

    Raises:
        RefusedError: an address or a URL is none, or what pages ask for contradicts itself.
    """
    own = Settings.from_env(environment)
    runtime = own.runtime_dir
    gpu_pages = tuple(PageUrl.parse(url) for url in options.gpu_pages)
    return SidecarSettings(
        socket=options.socket or runtime / SOCKET_NAME,
        state=options.state or state_folder(environment),
        metrics=Address.parse(options.metrics),
        api=Address.parse(options.api),
        thresholds=options.thresholds,
        otlp=Endpoint.from_env(environment, options.otlp or ""),
        gpu=options.gpu,
        gpu_pages=gpu_pages,
        gpu_access=of_gpu_pages(options.gpu_access, gpu_pages),
        engine_pages=tuple(engine_page(text) for text in options.engine_pages),
        replay=options.replay,
        ports=ports_of(options.ports),
        region=own.region,
        host=own.host,
        pod=own.pod,
        placing=Placing(
            region=own.region,
            instance_type=options.instance_type,
            kind=options.price_kind,
            opencost=PageUrl.parse(options.opencost) if options.opencost else None,
        ),
    )


def ports_of(options: PortOptions) -> Ports:
    """The TCP ports: spans come in on loopback unless told otherwise, frames only where told.

    Raises:
        RefusedError: an address is none, or a token or a certificate is missing what it needs.
    """
    if options.tls_cert is None and (options.tls_key is not None or options.tls_client_ca is not None):
        raise RefusedError("--tls-key and --tls-client-ca are of no use without --tls-cert")
    certificates = None
    if options.tls_cert is not None:
        certificates = Certificates(
            certificate=options.tls_cert, key=options.tls_key, client_authority=options.tls_client_ca
        )
    token = None if options.token_file is None else Token.read(options.token_file)
    return Ports(
        otlp_grpc=_address(options.otlp_grpc, _OTLP_GRPC),
        otlp_http=_address(options.otlp_http, _OTLP_HTTP),
        frames_tcp=None if options.frames_tcp in {None, _OFF} else Address.parse(str(options.frames_tcp)),
        access=Access(token=token, certificates=certificates),
    )


def _address(said: str | None, usual: int) -> Address | None:
    if said is None:
        return Address(LOOPBACK, usual, is_optional=True)
    return None if said == _OFF else Address.parse(said)
