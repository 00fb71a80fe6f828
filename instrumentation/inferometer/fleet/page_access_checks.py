"""Whether what fleet.yaml says of access to pages fits together, and the pages that it is for."""

from collections.abc import Iterator
from dataclasses import replace
from urllib.parse import urlsplit

from inferometer.fleet.document import Mapping, Sequence, Value, at, wrong
from inferometer.fleet.model import Fleet
from inferometer.fleet.page_access import PageAccess
from inferometer.fleet.service import Service

_TLS = ("ca_file", "server_name", "cert_file", "key_file")


def check(fleet: Fleet, root: Mapping) -> None:
    """Check access to engines' pages and to the sidecars' own.

    Raises:
        FleetError: two ways to say who asks, half of one, a secret in an address, or TLS for a page that has none.
    """
    for service in fleet.services:
        written = at(root, "services", service.name)
        for item, page in _written_pages(service, written):
            if "@" in urlsplit(page).netloc:
                # The line is not shown: there may be a password on it.
                hidden = replace(item, place=replace(item.place, source=""))
                raise wrong(hidden, "an address with a user before @", "write access: {username: …, password_file: …}")
        if service.access is not None:
            access = at(written, "access")
            _check_whole(service.access, access, f"services.{service.name}.access")
            _check_tls(service, access)
    if fleet.sidecar is not None:
        place = at(root, "sidecar")
        _check_whole(fleet.sidecar, place, "sidecar")
        if fleet.sidecar.username is not None:
            raise wrong(
                at(place, "username"), "sidecars know no users", "write token_file, as their --token-file has it"
            )


def _written_pages(service: Service, written: Value) -> Iterator[tuple[Value, str]]:
    place = at(written, "pages")
    items = place.items if isinstance(place, Sequence) else ()
    yield from zip(items, service.pages, strict=False)


def _check_whole(access: PageAccess, place: Value, what: str) -> None:
    if access == PageAccess():
        raise wrong(place, f"{what} says nothing", "write token_file: /run/secrets/token, or remove it")
    if access.token_file is not None and (access.username or access.password_file):
        raise wrong(at(place, "token_file"), f"{what} has a token and a user", "write one of the two")
    for one, other in (("username", "password_file"), ("password_file", "username"), ("key_file", "cert_file")):
        if getattr(access, one) is not None and getattr(access, other) is None:
            raise wrong(at(place, one), f"{what}.{one} is of no use without {other}", f"add {other}")


def _check_tls(service: Service, place: Value) -> None:
    said = next((name for name in _TLS if service.access and getattr(service.access, name) is not None), None)
    plain = next((page for page in service.pages if page.startswith("http:")), None)
    if said is not None and plain is not None:
        raise wrong(
            at(place, said),
            f"services.{service.name}.access.{said} is for pages over TLS, and {plain} is not",
            "write https:// there, or make two services of it",
        )
