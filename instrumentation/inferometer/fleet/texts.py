"""Names, addresses and paths, as fleet.yaml writes them."""

import re
from typing import Final

from inferometer.fleet.scalars import Kind, WrongValueError

_SLUG = re.compile(r"[a-z0-9][a-z0-9-]{0,62}", re.ASCII)


def _slug(text: str) -> str:
    if not _SLUG.fullmatch(text):
        raise WrongValueError(
            f"{text!r} is no name of this kind",
            "use lower-case letters, digits and hyphens, at most 63 of them: first-result",
        )
    return text


SLUG: Final = Kind(
    name="name",
    written_as=("text",),
    read=_slug,
    json={"type": "string", "pattern": f"^{_SLUG.pattern}$"},
    example="first-result",
)

LONGEST_TEXT = 200


def _text(text: str) -> str:
    if not text.strip() or len(text) > LONGEST_TEXT or not text.isprintable():
        raise WrongValueError(
            "the text is empty, too long or holds control characters",
            f"write 1 to {LONGEST_TEXT} printable characters",
        )
    return text


TEXT: Final = Kind(
    name="text",
    written_as=("text",),
    read=_text,
    json={"type": "string", "minLength": 1, "maxLength": LONGEST_TEXT},
    example="minilm",
)


def _url(text: str) -> str:
    if not re.fullmatch(r"https?://[^\s/?#]+[^\s]*", text):
        raise WrongValueError(f"{text!r} is no address", "write http:// or https:// and a host")
    return text.rstrip("/")


URL: Final = Kind(
    name="address",
    written_as=("text",),
    read=_url,
    json={"type": "string", "pattern": "^https?://"},
    example="http://127.0.0.1:3000",
)


def _header(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9-]+", text):
        raise WrongValueError(f"{text!r} is no name of an HTTP header", "write x-tenant, for instance")
    return text.lower()


HEADER: Final = Kind(
    name="name of an HTTP header",
    written_as=("text",),
    read=_header,
    json={"type": "string", "pattern": "^[A-Za-z0-9-]+$"},
    example="x-tenant",
)


def _file(text: str) -> str:
    if not text.startswith("/") or not text.isprintable():
        raise WrongValueError(f"{text!r} is no absolute path", "write /run/secrets/slack, for instance")
    return text


FILE: Final = Kind(
    name="absolute path of a file",
    written_as=("text",),
    read=_file,
    json={"type": "string", "pattern": "^/"},
    example="/run/secrets/slack",
)


_MAIL = re.compile(r"[^\s@<>,;]+@[A-Za-z0-9.-]+")


def _mail(text: str) -> str:
    if not _MAIL.fullmatch(text) or not text.isprintable():
        raise WrongValueError(f"{text!r} is no mail address", "write one address: oncall@example.com")
    return text


MAIL: Final = Kind(
    name="mail address",
    written_as=("text",),
    read=_mail,
    json={"type": "string", "pattern": "^[^\\s@<>,;]+@[A-Za-z0-9.-]+$"},
    example="oncall@example.com",
)


def _host_port(text: str) -> str:
    host, _, port = text.rpartition(":")
    if not re.fullmatch(r"[A-Za-z0-9.-]+", host) or not port.isdecimal() or not 0 < int(port) <= 0xFFFF:  # noqa: PLR2004 - the highest port
        raise WrongValueError(f"{text!r} is no host with a port", "write smtp.example.com:587, for instance")
    return text


HOST_PORT: Final = Kind(
    name="host with a port",
    written_as=("text",),
    read=_host_port,
    json={"type": "string", "pattern": "^[A-Za-z0-9.-]+:[0-9]+$"},
    example="smtp.example.com:587",
)
