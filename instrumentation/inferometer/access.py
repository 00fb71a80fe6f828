"""Who may speak to a TCP port of ours, and how it is kept from others: a bearer token and TLS, both from files."""

import hashlib
import hmac
import ssl
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import Final, Self

from inferometer.errors import RefusedError

FEWEST_CHARACTERS: Final = 16
"""Of a token. Fewer can be guessed over a network: 16 of base64 are 96 bits."""
_MOST_CHARACTERS: Final = 4096
_SCHEME: Final = "bearer"


@dataclass(frozen=True, slots=True)
class Token:
    """A secret that both sides read from a file of theirs; it is never an argument, which every process could read."""

    text: str = field(repr=False)

    @classmethod
    def read(cls, path: Path) -> Self:
        """The token in the first line of a file.

        Raises:
            RefusedError: the file cannot be read, or what it holds is no token; the message does not show it.
        """
        try:
            lines = path.read_text(encoding="ascii").splitlines()
        except OSError as error:
            raise RefusedError(f"cannot read the token in {path}: {error.strerror}") from error
        except UnicodeDecodeError:
            lines = [""]
        text = lines[0].strip() if lines else ""
        usable = text.isprintable() and " " not in text
        if not usable or not FEWEST_CHARACTERS <= len(text) <= _MOST_CHARACTERS:
            raise RefusedError(
                f"{path}, line 1: {len(text)} characters are no token; {FEWEST_CHARACTERS} to {_MOST_CHARACTERS} "
                "printable ones of ASCII without a space are right (openssl rand -hex 32)"
            )
        return cls(text)

    @property
    def header(self) -> str:
        """The value of ``Authorization`` that shows it."""
        return f"Bearer {self.text}"

    def is_shown_by(self, header: str) -> bool:
        """Whether the value of an ``Authorization`` header shows this token."""
        scheme, _, shown = header.strip().partition(" ")
        return scheme.lower() == _SCHEME and self.equals(shown.strip())

    def equals(self, shown: str) -> bool:
        """Whether *shown* is this token; takes as long whatever it is."""
        # Digests are of one length: neither the first difference nor the length can be measured.
        return hmac.compare_digest(_digest(shown), _digest(self.text))


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificates:
    """PEM files with which a port speaks TLS."""

    certificate: Path
    """Of the port, with what comes between it and its authority."""
    key: Path | None = None
    """Its key, where that is not in the same file."""
    client_authority: Path | None = None
    """Only who shows a certificate of this authority is heard; None: whoever comes."""

    def context(self) -> ssl.SSLContext:
        """What a server speaks TLS with.

        Raises:
            RefusedError: a file cannot be used; the message names it.
        """
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        # Connections stay open; a ticket would be a message that no client of ours waits for.
        context.num_tickets = 0
        try:
            context.load_cert_chain(self.certificate, self.key)
        except (OSError, ssl.SSLError) as error:
            raise RefusedError(f"cannot use the certificate {self.certificate}: {_said(error)}") from error
        if self.client_authority is not None:
            context.verify_mode = ssl.CERT_REQUIRED
            try:
                context.load_verify_locations(self.client_authority)
            except (OSError, ssl.SSLError) as error:
                raise RefusedError(f"cannot use the authority {self.client_authority}: {_said(error)}") from error
        return context


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """What every TCP port of a sidecar asks of those who connect."""

    token: Token | None = None
    certificates: Certificates | None = None

    def admits(self, authorization: str) -> bool:
        """Whether who shows this value of ``Authorization`` is heard."""
        return self.token is None or self.token.is_shown_by(authorization)

    @property
    def scheme(self) -> str:
        """How addresses of these ports begin."""
        return "http" if self.certificates is None else "https"


OPEN: Final = Access()
"""Everybody who can reach the port: right on loopback."""


def client_context(authority: Path | None, certificate: Path | None = None, key: Path | None = None) -> ssl.SSLContext:
    """What a client speaks TLS with.

    Args:
        authority: that vouches for the server; None: those of the system.
        certificate: with which the client shows who it is.
        key: of that certificate, where it is not in the same file.

    Raises:
        RefusedError: a file cannot be used; the message names it.
    """
    try:
        context = ssl.create_default_context(cafile=authority)
    except (OSError, ssl.SSLError) as error:
        raise RefusedError(f"cannot use the authority {authority}: {_said(error)}") from error
    if certificate is not None:
        try:
            context.load_cert_chain(certificate, key)
        except (OSError, ssl.SSLError) as error:
            raise RefusedError(f"cannot use the certificate {certificate}: {_said(error)}") from error
    return context


def is_loopback(host: str) -> bool:
    """Whether only this host can reach a server that listens on *host*."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _said(error: OSError) -> str:
    return error.strerror or str(error)
