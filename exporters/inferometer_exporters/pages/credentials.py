"""What is shown to a page that is not open to everybody; read from its files for each page, and never written down."""

import base64
import ssl
from pathlib import Path
from typing import Final

from inferometer.access import client_context
from inferometer.errors import RefusedError, SourceError
from inferometer.fleet.page_access import PageAccess

MOST_SECRET_BYTES: Final = 16 << 10
"""Of a file with a secret; tokens of service accounts have about a thousand."""


def authorization(access: PageAccess) -> str | None:
    """The value of the header ``Authorization``; None where nothing is shown.

    Raises:
        SourceError: a file cannot be read, or what it holds cannot be shown; the message has no part of it.
    """
    if access.token_file is not None:
        token = _secret(access.token_file, "token")
        if not token.isascii() or " " in token:
            raise SourceError(f"{access.token_file} holds no token: printable ASCII without a blank is right")
        return f"Bearer {token}"
    if access.username is not None and access.password_file is not None:
        shown = f"{access.username}:{_secret(access.password_file, 'password')}"
        return f"Basic {base64.b64encode(shown.encode()).decode()}"
    return None


def tls(access: PageAccess) -> ssl.SSLContext:
    """What TLS is spoken with.

    Raises:
        SourceError: a file of a certificate or a key cannot be used; the message names it.
    """
    authority, certificate, key = (
        None if file is None else Path(file) for file in (access.ca_file, access.cert_file, access.key_file)
    )
    try:
        return client_context(authority, certificate, key)
    except RefusedError as error:
        raise SourceError(str(error)) from error


def _secret(file: str, what: str) -> str:
    """What a file holds without blanks around it, as Prometheus reads it, too."""
    try:
        with Path(file).open("rb") as opened:
            content = opened.read(MOST_SECRET_BYTES + 1)
        text = content.decode().strip()
    except OSError as error:
        raise SourceError(f"cannot read the {what} in {file}: {error.strerror}") from error
    except UnicodeDecodeError:
        text = ""
    if not text or not text.isprintable() or len(content) > MOST_SECRET_BYTES:
        raise SourceError(f"{file} holds no {what}: one line of printable text is right")
    return text
