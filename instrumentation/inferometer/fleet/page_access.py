"""How a page that is not open to everybody is asked for; secrets are named by their files, never written down.

The paths are of whoever reads the page: the sidecar or Prometheus. Both read the files anew for each page, so that a
secret may be replaced while they run.
"""

import re
from dataclasses import dataclass
from typing import Annotated, Final

from inferometer.fleet import texts
from inferometer.fleet.scalars import Kind, WrongValueError
from inferometer.fleet.schema import Key

_HOST: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?", re.ASCII)
_USER: Final = re.compile(r"[!-9;-~]{1,200}", re.ASCII)


def _host(text: str) -> str:
    if not _HOST.fullmatch(text):
        raise WrongValueError(f"{text!r} is no name of a host", "write llm.example.com, for instance")
    return text


def _user(text: str) -> str:
    # HTTP basic authentication divides name and password at the first colon.
    if not _USER.fullmatch(text):
        raise WrongValueError(f"{text!r} is no user name", "write printable ASCII without a blank or a colon")
    return text


HOST: Final = Kind(
    name="name of a host",
    written_as=("text",),
    read=_host,
    json={"type": "string", "pattern": f"^{_HOST.pattern}$"},
    example="llm.example.com",
)
USER: Final = Kind(
    name="user name",
    written_as=("text",),
    read=_user,
    json={"type": "string", "pattern": f"^{_USER.pattern}$"},
    example="prometheus",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PageAccess:
    """What a page asks for, and who vouches for it."""

    token_file: Annotated[str | None, Key(texts.FILE, "File that holds the token of `Authorization: Bearer`.")] = None
    username: Annotated[str | None, Key(USER, "User of HTTP basic authentication.")] = None
    password_file: Annotated[str | None, Key(texts.FILE, "File that holds the user's password.")] = None
    ca_file: Annotated[
        str | None, Key(texts.FILE, "PEM file of the authority that vouches for the page; else the system's.")
    ] = None
    server_name: Annotated[
        str | None, Key(HOST, "Name in the page's certificate, where that is not the host of its address.")
    ] = None
    cert_file: Annotated[
        str | None, Key(texts.FILE, "PEM file of the certificate with which the reader shows who it is.")
    ] = None
    key_file: Annotated[str | None, Key(texts.FILE, "PEM file of its key, where it is not in the same.")] = None

    @property
    def is_tls(self) -> bool:
        """Whether it says anything that only TLS has."""
        return any((self.ca_file, self.server_name, self.cert_file, self.key_file))
