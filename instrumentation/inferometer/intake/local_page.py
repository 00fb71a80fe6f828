"""``/metrics`` of an elected worker: served as soon as its address is free, and written down where others look."""

import json
import logging
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final

from inferometer.aggregate import Exposition, PageServer
from inferometer.errors import RefusedError

_log = logging.getLogger(__name__)

DEFAULT_METRICS: Final = "127.0.0.1:9464"
_LAST_PORT: Final = 65535
RETRY_SECONDS: Final = 5.0
"""How often an address that was taken is tried again: a server that is replaced by another frees it soon."""


class LocalPage:
    """The page, or the wait for its address.

    Records are taken in all the same, and another port would be one that nobody scrapes.

    Args:
        exposition: what ``/metrics`` answers.
        healthy: what ``/healthz`` answers.
        address: ``host:port``; what is no address is said, and the default is used.
        where: file that tells others who holds the Intake and where its page is.
        retry_seconds: pause between two attempts.
    """

    def __init__(
        self,
        exposition: Exposition,
        *,
        healthy: Callable[[], bool],
        address: str,
        where: Path,
        retry_seconds: float = RETRY_SECONDS,
    ) -> None:
        self._exposition = exposition
        self._healthy = healthy
        self._host, self._port = _host_port(address)
        self._where = where
        self._retry_seconds = retry_seconds
        self._page: PageServer | None = None
        self._closing = threading.Event()
        self._waiting: threading.Thread | None = None

    @property
    def port(self) -> int | None:
        """The port that it listens on; None while that is taken."""
        return self._page.port if self._page is not None else None

    def start(self) -> None:
        """Serve the page, now or as soon as that is possible."""
        try:
            self._open()
        except RefusedError as error:
            _log.warning("%s; it is tried again (INFEROMETER_METRICS names another address)", error)
            self._tell()
            self._waiting = threading.Thread(target=self._wait, name="inferometer-metrics-wait", daemon=True)
            self._waiting.start()
        else:
            self._tell()

    def close(self) -> None:
        """Stop serving, or waiting."""
        self._closing.set()
        if self._waiting is not None:
            self._waiting.join()
        if self._page is not None:
            self._page.close()
        self._where.unlink(missing_ok=True)

    def close_after_fork(self) -> None:
        """In a forked child: close the copy of the parent's socket; its threads are not in this process."""
        if self._page is not None:
            self._page.close_after_fork()

    def _open(self) -> None:
        page = PageServer(self._exposition, healthy=self._healthy, host=self._host, port=self._port)
        page.start()
        self._page = page

    def _wait(self) -> None:
        while not self._closing.wait(self._retry_seconds):
            try:
                self._open()
            except RefusedError:
                continue
            _log.warning("/metrics is served on %s:%s now", self._host, self.port)
            self._tell()
            return

    def _tell(self) -> None:
        # Others read it at any time: they see the old text or the new one, never a part.
        written = self._where.with_suffix(".next")
        written.write_text(json.dumps({"pid": os.getpid(), "metrics_port": self.port}) + "\n", encoding="ascii")
        written.replace(self._where)


def _host_port(address: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    if not port.isascii() or not port.isdecimal() or int(port) > _LAST_PORT:
        _log.warning("INFEROMETER_METRICS=%r: host:port is right; %s is used", address, DEFAULT_METRICS)
        host, _, port = DEFAULT_METRICS.rpartition(":")
    return host.strip("[]") or "127.0.0.1", int(port)
