"""Where a process with these settings would send its records, and who listens there now."""

import json
import os
import secrets
import socket
import stat
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from inferometer.errors import InferometerError
from inferometer.intake.local import WHERE_NAME
from inferometer.recorder import process
from inferometer.recorder.connection import Connection
from inferometer.recorder.destination import INTAKE_SOCKET, SIDECAR_SOCKET, connect, shown_token
from inferometer.settings import Settings
from inferometer.version import VERSION
from inferometer.wire.message import Hello

_ANSWER_SECONDS: Final = 0.5
"""A refusal comes at once; so long the doctor waits for one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """Where records go."""

    kind: str
    """``sidecar``, ``worker`` (another process of this user holds the intake) or ``election`` (nobody does yet)."""
    address: str
    """Of the socket."""
    says: str
    """The same for a person."""
    problems: list[str] = field(default_factory=list)


def look(settings: Settings) -> Destination:
    """Where records go. Tries to connect, changes nothing."""
    return _configured(settings) if settings.sidecar else _found(settings)


def _configured(settings: Settings) -> Destination:
    address = settings.sidecar
    says = f"the sidecar at {address}, which listens"
    try:
        problems = _refused(settings)
    except (InferometerError, OSError) as error:
        problems = [f"{error}: records wait in memory, bounded"]
    if problems:
        says = f"the sidecar at {address}, as INFEROMETER_SIDECAR says"
    return Destination(kind="sidecar", address=address, says=says, problems=problems)


def _refused(settings: Settings) -> list[str]:
    """Why the configured sidecar takes no records; nothing where it hears us."""
    sock = connect(settings.sidecar, settings)
    if sock is None:
        return [f"nobody listens at {settings.sidecar}: records wait in memory, bounded, until a sidecar runs there"]
    hello = Hello(
        worker_id=secrets.token_bytes(16),
        pid=os.getpid(),
        service=settings.service,
        sdk_version=VERSION,
        boot_id=process.boot_id(),
        host=settings.host,
        start_ns=time.monotonic_ns(),
        monotonic_ns=time.monotonic_ns(),
        token=shown_token(settings),
    )
    connection = Connection(sock, hello)
    try:
        # Who is not refused hears nothing: an acknowledgement follows a frame.
        connection.read(_ANSWER_SECONDS)
    finally:
        connection.close()
    return []


def _found(settings: Settings) -> Destination:
    folder = settings.runtime_dir
    sidecar, intake = f"unix://{folder / SIDECAR_SOCKET}", f"unix://{folder / INTAKE_SOCKET}"
    problems = _not_private(folder)
    if _listens(sidecar):
        return Destination(kind="sidecar", address=sidecar, says=f"the sidecar at {sidecar}", problems=problems)
    if _listens(intake):
        return Destination(kind="worker", address=intake, says=_holder(folder), problems=problems)
    says = f"no sidecar: the first worker that starts shows all of this user's on http://{settings.metrics}/metrics"
    if not _free(settings.metrics):
        problems.append(f"{settings.metrics} is taken: there would be no /metrics; INFEROMETER_METRICS names another")
    return Destination(kind="election", address=intake, says=says, problems=problems)


def _listens(address: str) -> bool:
    sock = connect(address)
    if sock is None:
        return False
    sock.close()
    return True


def _holder(folder: Path) -> str:
    """Who holds the intake, as far as it says."""
    try:
        where = json.loads((folder / WHERE_NAME).read_text(encoding="ascii"))
        pid, port = int(where["pid"]), where["metrics_port"]
    except (OSError, ValueError, KeyError, TypeError):
        return "another worker of this user, which holds the intake"
    page = f"port {port} has /metrics" if port else "without /metrics, its port was taken"
    return f"process {pid} ({_command(pid)}), a worker that holds the intake; {page}"


def _command(pid: int) -> str:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[:-1]
    except OSError:
        return "not to be seen from here"
    return b" ".join(words).decode(errors="replace")[:60]


def _not_private(folder: Path) -> list[str]:
    try:
        found = folder.lstat()
    except OSError:
        # It is made when it is needed.
        return []
    if stat.S_ISDIR(found.st_mode) and not stat.S_IMODE(found.st_mode) & 0o077:
        return []
    return [f"{folder} is not a folder of mode 0700: nothing is sent; INFEROMETER_RUNTIME_DIR names another"]


def _free(address: str) -> bool:
    host, _, port = address.rpartition(":")
    try:
        with socket.create_server((host.strip("[]"), int(port))):
            return True
    except OSError:
        return False
