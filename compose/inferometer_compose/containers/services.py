"""What Docker Compose says of its services, and what is in the way of them."""

import json
import socket
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from inferometer.errors import RefusedError
from inferometer_compose.containers.program import Compose

NEEDED_BYTES: Final = 4 * 10**9
"""What the engine should have: the limits of all services together are about 8 GB, what they use about 1.5."""
LEAST_BYTES: Final = 2 * 10**9
"""With less the stack does not come up: the kernel kills one service after the other."""
_KILLED: Final = 137
"""Exit status of what was killed (128 + SIGKILL), which in a container nearly always is its memory's limit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A container as it stands.

    Attributes:
        name: Of the service.
        state: ``running``, ``exited``, ``created`` …
        health: ``healthy``, ``unhealthy``, ``starting``; empty without a check.
        exit_code: Of one that ended.
        ports: Published, as ``address:port``.
    """

    name: str
    state: str
    health: str
    exit_code: int
    ports: tuple[str, ...]

    @property
    def well(self) -> bool:
        """It runs and is healthy as far as anybody asks, or did its work and ended."""
        if self.state == "exited":
            return self.exit_code == 0
        return self.state == "running" and self.health in {"", "healthy"}

    @property
    def failed(self) -> bool:
        """It ended with an error, and maybe was started again, or says that it is not well."""
        ended = self.state in {"dead", "restarting"} or (self.state == "exited" and self.exit_code != 0)
        return ended or self.health == "unhealthy"

    @property
    def says(self) -> str:
        """One word of how it is."""
        if self.state == "exited":
            return "done" if self.exit_code == 0 else f"failed with {self._code}"
        if self.state == "restarting":
            return f"fails with {self._code} and is started again"
        return self.health or self.state

    @property
    def _code(self) -> str:
        return f"{self.exit_code} (killed, likely for its memory)" if self.exit_code == _KILLED else f"{self.exit_code}"


def services(compose: Compose) -> tuple[Service, ...]:
    """Every container of the stack, by name.

    Raises:
        RefusedError: Docker Compose does not answer, or not what it documents.
    """
    text = compose.ask("ps", "--all", "--format", "json")
    # One document a line since 2.21, an array before.
    documents = json.loads(text) if text.startswith("[") else [json.loads(line) for line in text.splitlines()]
    try:
        return tuple(sorted((_service(one) for one in documents), key=lambda one: one.name))
    except (KeyError, TypeError) as error:
        raise RefusedError(f"docker compose ps: an answer without {error}") from error


def _service(document: Mapping[str, Any]) -> Service:
    published = document.get("Publishers") or ()
    return Service(
        name=document["Service"],
        state=document["State"],
        health=document["Health"],
        exit_code=document["ExitCode"],
        ports=tuple(sorted({f"{one['URL']}:{one['PublishedPort']}" for one in published if one["PublishedPort"]})),
    )


def memory_warning(memory_bytes: int | None) -> str:
    """What is to be said of an engine with little memory; empty where it has enough or does not say.

    Raises:
        RefusedError: it has too little to begin with.
    """
    if memory_bytes is None or memory_bytes >= NEEDED_BYTES:
        return ""
    said = f"the Docker engine has {memory_bytes / 1e9:.1f} GB of memory, {NEEDED_BYTES / 1e9:.0f} GB are right"
    if memory_bytes < LEAST_BYTES:
        raise RefusedError(f"{said}; give it more, or run `inferometer demo`, which needs no engine")
    return f"{said}: services may be killed; --profile mine leaves the demo fleet out"


@dataclass(frozen=True, slots=True)
class Wanted:
    """A port that a service is to be published on."""

    service: str
    address: str
    port: int


def wanted(compose: Compose) -> tuple[Wanted, ...]:
    """The ports that the chosen profiles publish.

    Raises:
        RefusedError: the configuration is wrong, such as a variable that is none of an address.
    """
    document = json.loads(compose.ask("config", "--format", "json"))
    return tuple(
        Wanted(name, port.get("host_ip", ""), int(port["published"]))
        for name, service in document["services"].items()
        for port in service.get("ports", ())
    )


def taken(ports: Iterable[Wanted], running: Iterable[Service]) -> tuple[Wanted, ...]:
    """Those that somebody else listens on."""
    held = {port.rpartition(":")[2] for service in running for port in service.ports}
    return tuple(one for one in ports if str(one.port) not in held and not _is_free(one))


def _is_free(port: Wanted) -> bool:
    try:
        with socket.create_server((port.address, port.port)):
            return True
    except OSError:
        return False
