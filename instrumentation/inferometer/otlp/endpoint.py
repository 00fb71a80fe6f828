"""Where traces go: OpenTelemetry's ``OTEL_EXPORTER_OTLP_…`` variables, read as its specification says."""

import logging
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from importlib.util import find_spec
from pathlib import Path
from typing import Final, Self, TypeVar
from urllib.parse import unquote, urlsplit

from inferometer.errors import RefusedError

_log = logging.getLogger(__name__)
T = TypeVar("T")

TIMEOUT_SECONDS: Final = 10.0
_TRACES_PATH: Final = "/v1/traces"
_PREFIX: Final = "OTEL_EXPORTER_OTLP_"
_SIGNAL: Final = "OTEL_EXPORTER_OTLP_TRACES_"
_SECONDS_BELOW: Final = 100
"""The specification counts milliseconds, OpenTelemetry's Python SDK seconds; nobody means so few milliseconds."""
_LONGEST_MS: Final = 600_000
_GRPC_PORT: Final = 4317
_HTTP_PORT: Final = 80
_SECURE_PORT: Final = 443
_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HOST_PORT: Final = re.compile(r"[^/\s:]+(:\d{1,5})?|\[[0-9a-fA-F:]+\](:\d{1,5})?")


class Protocol(StrEnum):
    """How traces travel."""

    HTTP = "http/protobuf"
    GRPC = "grpc"


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """A receiver of OTLP and how it is spoken to."""

    url: str
    """Whole URL over HTTP, such as ``http://127.0.0.1:4318/v1/traces``; over gRPC its path does not count."""
    protocol: Protocol = Protocol.HTTP
    headers: Mapping[str, str] = field(default_factory=dict)
    """Sent with every request."""
    timeout_seconds: float = TIMEOUT_SECONDS
    compressed: bool = True
    """Whether bodies are compressed with gzip."""
    certificate: Path | None = None
    """PEM file of the authorities that may vouch for the receiver; None: those of the system."""
    client_certificate: Path | None = None
    """PEM file with which we show who we are."""
    client_key: Path | None = None
    """PEM file of its key, where it is not in the same."""

    def __post_init__(self) -> None:
        """Check the URL.

        Raises:
            RefusedError: it is no http or https URL.
        """
        parts = urlsplit(self.url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise RefusedError(f"cannot send traces to {self.url!r}: an http or https URL is right")

    @property
    def host(self) -> str:
        """Of the receiver."""
        return urlsplit(self.url).hostname or ""

    @property
    def port(self) -> int:
        """Of the receiver; where the URL has none, the protocol's own."""
        default = _GRPC_PORT if self.protocol is Protocol.GRPC else _SECURE_PORT if self.is_secure else _HTTP_PORT
        return urlsplit(self.url).port or default

    @property
    def is_secure(self) -> bool:
        """Whether TLS is spoken."""
        return urlsplit(self.url).scheme == "https"

    @classmethod
    def from_env(cls, environ: Mapping[str, str], url: str = "") -> Self | None:
        """The endpoint that the environment names; None without one, or with one that cannot be used.

        What is wrong gets one warning that says what would be right, and the default.

        Args:
            environ: of the process.
            url: a receiver that was named in another way, in place of the environment's.
        """
        endpoint, wrong = cls.read(environ, url)
        if wrong and endpoint is not None:
            _log.warning("settings that are ignored, defaults are used instead: %s", "; ".join(wrong))
        elif wrong:
            _log.warning("%s; no trace is exported", "; ".join(wrong))
        return endpoint

    @classmethod
    def read(cls, environ: Mapping[str, str], url: str = "") -> tuple[Self | None, Sequence[str]]:
        """The same without a warning: what is wrong comes back beside it."""
        reading = _Reading(environ)
        made = reading.endpoint(url)
        if made is None:
            return None, []
        try:
            return cls(**made), reading.wrong  # type: ignore[arg-type]  # each parser returns its field's type
        except RefusedError as error:
            return None, [str(error)]


class _Reading:
    """Reads variables, the one of traces before the one of all signals, and collects what is wrong."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self.wrong: list[str] = []

    def endpoint(self, url: str) -> dict[str, object] | None:
        """Fields of the endpoint; None where nobody names one."""
        protocol = self._value("PROTOCOL", _protocol, Protocol.HTTP)
        of_traces = self._environ.get(_SIGNAL + "ENDPOINT", "").strip()
        base = self._environ.get(_PREFIX + "ENDPOINT", "").strip()
        if url:
            found = url if urlsplit(url).path.strip("/") else url.rstrip("/") + _TRACES_PATH
        elif of_traces or not base:
            found = of_traces
        else:
            found = base.rstrip("/") + _TRACES_PATH
        if not found:
            return None
        if protocol is Protocol.GRPC:
            found = self._with_scheme(found if url else of_traces or base)
        return {
            "url": found,
            "protocol": protocol,
            "headers": self._value("HEADERS", _headers, dict[str, str]()),
            "timeout_seconds": self._value("TIMEOUT", _timeout, TIMEOUT_SECONDS),
            "compressed": self._value("COMPRESSION", _compression, False),  # noqa: FBT003 - a default
            "certificate": self._value("CERTIFICATE", _file, None),
            "client_certificate": self._value("CLIENT_CERTIFICATE", _file, None),
            "client_key": self._value("CLIENT_KEY", _file, None),
        }

    def _with_scheme(self, target: str) -> str:
        """A gRPC target may come without a scheme; then ``INSECURE`` says whether TLS is spoken."""
        if not _HOST_PORT.fullmatch(target):
            return target
        insecure = self._value("INSECURE", _switch, False)  # noqa: FBT003 - a default
        return f"{'http' if insecure else 'https'}://{target}"

    def _value(self, name: str, parse: Callable[[str], T], default: T) -> T:
        for variable in (_SIGNAL + name, _PREFIX + name):
            text = self._environ.get(variable, "").strip()
            if text:
                try:
                    return parse(text)
                except ValueError as error:
                    # Headers carry secrets; a log is no place for them.
                    shown = "…" if name == "HEADERS" else repr(text)
                    self.wrong.append(f"{variable}={shown}: {error}")
                    return default
        return default


def _protocol(text: str) -> Protocol:
    try:
        protocol = Protocol(text.lower())
    except ValueError:
        raise ValueError("http/protobuf or grpc is right") from None
    if protocol is Protocol.GRPC and find_spec("grpc") is None:
        raise ValueError(
            'this needs the package grpcio: pip install "inferometer[grpc] @ file:///path/to/the/checkout"; '
            "http/protobuf goes without"
        )
    return protocol


def _headers(text: str) -> dict[str, str]:
    headers: dict[str, str] = {}
    for pair in text.split(","):
        name, equals, value = pair.partition("=")
        name, value = unquote(name.strip()), unquote(value.strip())
        if not pair.strip():
            continue
        if not equals or not _TOKEN.fullmatch(name) or not value.isprintable() or not value.isascii():
            raise ValueError("name=value pairs, separated by commas and percent-encoded, are right")
        headers[name.lower()] = value
    return headers


def _timeout(text: str) -> float:
    hint = f"milliseconds up to {_LONGEST_MS} (or less than {_SECONDS_BELOW} seconds) are right"
    try:
        value = float(text)
    except ValueError:
        raise ValueError(hint) from None
    if not 0 < value <= _LONGEST_MS:
        raise ValueError(hint)
    return value if value < _SECONDS_BELOW else value / 1000


def _compression(text: str) -> bool:
    if text.lower() not in {"gzip", "none"}:
        raise ValueError("gzip or none is right")
    return text.lower() == "gzip"


def _switch(text: str) -> bool:
    if text.lower() not in {"true", "false"}:
        raise ValueError("true or false is right")
    return text.lower() == "true"


def _file(text: str) -> Path:
    path = Path(text)
    if not path.is_file():
        raise ValueError("a file is right")
    return path
