"""Sockets that listen for workers: a Unix socket for this user, or TCP; one owner each."""

import fcntl
import os
import socket
import ssl
import stat
from pathlib import Path
from typing import Final

from inferometer.errors import RefusedError

_BACKLOG: Final = 128


class Listener:
    """A socket that listens, with what must be released with it."""

    def __init__(
        self,
        sock: socket.socket,
        *,
        path: Path | None = None,
        lock: int | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.sock = sock
        self.path = path
        self.tls = tls
        """What connections speak TLS with; None: without."""
        self._lock = lock

    @property
    def is_tcp(self) -> bool:
        """Whether it has no file whose mode says who may connect."""
        return self.path is None

    def close(self) -> None:
        """Stop listening and remove the socket's file."""
        self.sock.close()
        if self.path is not None:
            self.path.unlink(missing_ok=True)
        self.release()

    def release(self) -> None:
        """Let go of the descriptors only: in a forked child the file still belongs to the parent."""
        self.sock.close()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def listen_unix(path: Path) -> Listener:
    """Listen on a Unix socket, for this user only; the file of a dead listener is replaced.

    Raises:
        RefusedError: somebody listens there, or the path cannot be used.
    """
    lock = None
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        lock = os.open(path.with_name(f"{path.name}.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        # The lock closes the gap between looking for a listener and taking its place.
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        _remove_stale(path)
        sock.bind(str(path))
        path.chmod(0o600)
        sock.listen(_BACKLOG)
    except (OSError, RefusedError) as error:
        sock.close()
        if lock is not None:
            os.close(lock)
        if isinstance(error, BlockingIOError):
            raise RefusedError(f"another intake listens on {path}") from error
        if isinstance(error, OSError):
            raise RefusedError(f"cannot listen on {path}: {error.strerror or error}") from error
        raise
    sock.settimeout(0.0)
    return Listener(sock, path=path, lock=lock)


def _remove_stale(path: Path) -> None:
    try:
        if not stat.S_ISSOCK(path.lstat().st_mode):
            raise RefusedError(f"{path} is there and is no socket")
    except FileNotFoundError:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink()
            return
    raise RefusedError(f"another program listens on {path}")


def listen_tcp(host: str, port: int, *, tls: ssl.SSLContext | None = None) -> Listener:
    """Listen on a TCP address, with TLS where *tls* is given.

    Raises:
        RefusedError: the address is taken or none of this host's.
    """
    try:
        sock = socket.create_server((host, port), backlog=_BACKLOG)
    except OSError as error:
        raise RefusedError(f"cannot listen on {host}:{port}: {error.strerror}") from error
    sock.settimeout(0.0)
    return Listener(sock, tls=tls)
