"""Secrets of engines' pages that are not open to everybody: who mounts them, and what Prometheus is told of them.

Secrets are not in the manifests: where fleet.yaml names ``/run/secrets/llm-token``, these name the key ``llm-token`` of
one Secret, which somebody else makes.
"""

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Final
from urllib.parse import urlsplit

from inferometer.errors import RefusedError
from inferometer.fleet.autoscaling_checks import deployment
from inferometer.fleet.kubernetes import SidecarPlace, object_name
from inferometer.fleet.page_access import PageAccess
from inferometer.fleet.service import ScrapedBy, Service
from inferometer.fleet.thresholds import EnginePages
from inferometer_alerts.yaml_text import Yaml
from inferometer_compose.kubernetes.names import Manifest

MOUNT: Final = "/run/secrets/inferometer-page"
USERNAME: Final = "username"
"""Key of the user's name, as in Secrets of type kubernetes.io/basic-auth: the operator reads it from there, too."""
_VOLUME: Final = "inferometer-page"
_KEY: Final = re.compile(r"[A-Za-z0-9._-]{1,253}", re.ASCII)
_FILES: Final = ("token_file", "password_file", "ca_file", "cert_file", "key_file")


def secret_name(service: Service) -> str:
    """The Secret with what a service's pages ask for."""
    return service.kubernetes.access_secret or object_name(deployment(service), "page")


def check(service: Service) -> None:
    """Check that what a service's pages ask for can be said by one Secret, and one name of a certificate.

    Raises:
        RefusedError: two files would be one key, a name is no key, or pages have several names.
    """
    where = f"services.{service.name}"
    if service.kubernetes.access_secret is not None and not _files(service.access):
        raise RefusedError(f"{where}.kubernetes.access_secret is of no use: {where}.access names no file")
    keys: dict[str, str] = {}
    for file in _files(service.access).values():
        name = _key(file)
        if not _KEY.fullmatch(name):
            raise RefusedError(
                f"{where}.access: {file} cannot be a key of a Secret; let its name be of letters, digits, '.', '_', '-'"
            )
        if keys.setdefault(name, file) != file:
            raise RefusedError(
                f"{where}.access: {keys[name]} and {file} would be the same key of the Secret {secret_name(service)}; "
                "let their names differ"
            )
    hosts = {urlsplit(page).hostname for page in service.pages if urlsplit(page).scheme == "https"}
    if len(hosts) > 1 and (service.access is None or service.access.server_name is None):
        raise RefusedError(
            f"{where}: in Kubernetes pages are asked for by their pod's address, so one name must be in the "
            "certificates of all of them; write `access: {server_name: …}`"
        )


def in_pod(pages: EnginePages) -> PageAccess | None:
    """What the sidecar in the pod shows: files as they are mounted there, and the name that a certificate is for."""
    access = pages.access
    moved = {field: f"{MOUNT}/{_key(file)}" for field, file in _files(access).items()}
    name = _server_name(pages.pages, access)
    if access is None and name is None:
        return None
    return replace(access or PageAccess(), **moved, server_name=name)


def volumes(service: Service) -> list[Yaml]:
    """The volume of the files that the sidecar in a service's pods reads: these keys of the Secret, no others."""
    items: list[Yaml] = [{"key": key, "path": key} for key in _mounted(service)]
    if not items:
        return []
    # Read by the group that fsGroup gives the files to, and by nobody else.
    return [
        {
            "name": _VOLUME,
            "secret": {"secretName": secret_name(service), "defaultMode": 0o440, "items": items},
        }
    ]


def mounts(service: Service) -> list[Yaml]:
    """Where the sidecar finds them."""
    return [{"name": _VOLUME, "mountPath": MOUNT, "readOnly": True}] if _mounted(service) else []


def endpoint(service: Service) -> Manifest:
    """What Prometheus shows to a service's pages, as a PodMonitor's endpoint has it; nothing where they are open."""
    access = service.access or PageAccess()
    written: Manifest = {}
    if access.token_file is not None:
        written["authorization"] = {"type": "Bearer", "credentials": _of(service, _key(access.token_file))}
    if access.password_file is not None:
        written["basicAuth"] = {
            "username": _of(service, USERNAME),
            "password": _of(service, _key(access.password_file)),
        }
    if tls := dict(_tls(service, access)):
        written["tlsConfig"] = tls
    return written


def _tls(service: Service, access: PageAccess) -> Iterator[tuple[str, Yaml]]:
    if access.ca_file is not None:
        yield "ca", {"secret": _of(service, _key(access.ca_file))}
    if access.cert_file is not None:
        yield "cert", {"secret": _of(service, _key(access.cert_file))}
        yield "keySecret", _of(service, _key(access.key_file or access.cert_file))
    if (name := _server_name(service.pages, service.access)) is not None:
        yield "serverName", name


def _of(service: Service, key: str) -> Manifest:
    return {"name": secret_name(service), "key": key}


def _mounted(service: Service) -> list[str]:
    read_there = service.kubernetes.sidecar is SidecarPlace.POD and service.scraped_by is ScrapedBy.SIDECAR
    return sorted({_key(file) for file in _files(service.access).values()}) if read_there else []


def _files(access: PageAccess | None) -> dict[str, str]:
    said = {field: getattr(access, field, None) for field in _FILES}
    return {field: file for field, file in said.items() if file is not None}


def _key(file: str) -> str:
    return PurePosixPath(file).name


def _server_name(pages: tuple[str, ...], access: PageAccess | None) -> str | None:
    """The name in the certificate of pages: they are asked for by address, which changes."""
    if access is not None and access.server_name is not None:
        return access.server_name
    return next((parts.hostname for page in pages if (parts := urlsplit(page)).scheme == "https"), None)
