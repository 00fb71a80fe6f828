"""Where frames go: the sidecar, or the Intake of the worker that was elected, possibly this one."""

import os
import socket
import stat
from pathlib import Path
from typing import Final, Protocol

from inferometer.errors import RefusedError
from inferometer.settings import Settings

SIDECAR_SOCKET: Final = "sidecar.sock"
INTAKE_SOCKET: Final = "intake.sock"
CONNECT_SECONDS: Final = 1.0


class LocalIntake(Protocol):
    """The Intake that this process holds."""

    def close(self) -> None:
        """Make what was taken in durable, stop listening, and give up the lock."""

    def close_after_fork(self) -> None:
        """In a forked child: close the copies of what the parent holds."""


class Elect(Protocol):
    """Contends for the Intake of this user and host."""

    def __call__(self, runtime_dir: Path) -> LocalIntake | None:
        """Hold the Intake from now on; None where another process holds it."""


def connect(address: str, settings: Settings | None = None) -> socket.socket | None:
    """A connection to ``unix:///path``, ``tcp://host:port`` or ``tls://host:port``; None where nobody listens.

    Args:
        address: whom to.
        settings: have the files of TLS.

    Raises:
        RefusedError: over TLS one of both does not trust the other, or a file of it cannot be used.
    """
    scheme, _, rest = address.partition("://")
    try:
        if scheme in {"tcp", "tls"}:
            host, _, port = rest.rpartition(":")
            sock = socket.create_connection((host.strip("[]"), int(port)), CONNECT_SECONDS)
            return sock if scheme == "tcp" else _encrypted(sock, host.strip("[]"), settings or Settings())
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    except OSError:
        return None
    try:
        sock.settimeout(CONNECT_SECONDS)
        sock.connect("/" + rest.lstrip("/"))
    except OSError:
        sock.close()
        return None
    return sock


def _encrypted(sock: socket.socket, host: str, settings: Settings) -> socket.socket:
    import ssl  # noqa: PLC0415 - a process whose sidecar is on its host does without

    from inferometer.access import client_context  # noqa: PLC0415 - the same

    try:
        context = client_context(
            settings.sidecar_certificate, settings.sidecar_client_certificate, settings.sidecar_client_key
        )
        return context.wrap_socket(sock, server_hostname=host)
    except RefusedError:
        sock.close()
        raise
    except ssl.SSLError as error:
        sock.close()
        why = getattr(error, "verify_message", "") or error.reason or str(error)
        raise RefusedError(f"no TLS with the sidecar at {host}: {why}") from error


def shown_token(settings: Settings) -> str:
    """The token that the configured sidecar's TCP port asks for; empty where there is none to show.

    It is read each time, so that a new one needs no restart.

    Raises:
        RefusedError: the file cannot be read.
    """
    if settings.sidecar_token_file is None or not settings.sidecar.startswith(("tcp://", "tls://")):
        return ""
    from inferometer.access import Token  # noqa: PLC0415 - few processes need one

    return Token.read(settings.sidecar_token_file).text


def private_directory(path: Path) -> Path:
    """The runtime directory, made with mode 0700 where it is missing.

    Raises:
        RefusedError: somebody else owns it, or others may enter: frames of ours must not be theirs to read or fake.
    """
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = path.lstat()
    except OSError as error:
        raise RefusedError(f"the runtime directory {path} cannot be made: {error}") from error
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or stat.S_IMODE(found.st_mode) & 0o077:
        mode = stat.S_IMODE(found.st_mode)
        raise RefusedError(
            f"the runtime directory {path} is owned by uid {found.st_uid} with mode {mode:04o}; "
            f"uid {os.getuid()} and 0700 are right (INFEROMETER_RUNTIME_DIR names another)"
        )
    return path


class Destination:
    """Finds whom to send to, and holds the Intake where this process was elected."""

    def __init__(self, settings: Settings, elect: Elect | None) -> None:
        self._settings = settings
        self._elect = elect
        self._local: LocalIntake | None = None
        self.is_sidecar = False
        """Whether the last connection is to a sidecar."""

    def open(self) -> socket.socket | None:
        """A connection to who takes frames now, or None.

        Raises:
            RefusedError: the runtime directory is not ours alone, or TLS does not come about.
        """
        if self._settings.sidecar:
            self.is_sidecar = True
            return connect(self._settings.sidecar, self._settings)
        directory = private_directory(self._settings.runtime_dir)
        sock = self.sidecar()
        if sock is None:
            sock = connect(f"unix://{directory / INTAKE_SOCKET}")
        if sock is None and self._local is None and self._elect is not None:
            self._local = self._elect(directory)
            if self._local is not None:
                sock = connect(f"unix://{directory / INTAKE_SOCKET}")
        return sock

    def token(self) -> str:
        """What to show the last connection's other side; empty where it asks for nothing.

        Raises:
            RefusedError: the file of it cannot be read.
        """
        return shown_token(self._settings) if self.is_sidecar else ""

    def sidecar(self) -> socket.socket | None:
        """A connection to the sidecar of the runtime directory, or None."""
        sock = connect(f"unix://{self._settings.runtime_dir / SIDECAR_SOCKET}")
        self.is_sidecar = sock is not None
        return sock

    def give_up_intake(self) -> None:
        """Close the Intake that this process holds, if it does: a sidecar is there, or the process ends."""
        local, self._local = self._local, None
        if local is not None:
            local.close()

    def after_fork(self) -> None:
        """The parent holds its Intake; a child has none, and closes its copies of the sockets."""
        local, self._local = self._local, None
        if local is not None:
            local.close_after_fork()
