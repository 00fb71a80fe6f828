"""The Intake of a worker: one per user and host, elected by a file lock, for hosts without a sidecar."""

import fcntl
import logging
import os
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from inferometer.aggregate import Aggregator, Exposition, exact_bounds
from inferometer.errors import InferometerError, RefusedError, StateError
from inferometer.fleet import thresholds_file
from inferometer.fleet.thresholds import NOTHING, Thresholds
from inferometer.intake.keep import BASELINE_RATIO
from inferometer.intake.listeners import listen_unix
from inferometer.intake.local_page import DEFAULT_METRICS, LocalPage
from inferometer.intake.local_pipeline import LocalPipeline
from inferometer.intake.passes import Intake, boot_id
from inferometer.intake.server import Server
from inferometer.intake.state import StateFile, Step, nothing
from inferometer.otlp.endpoint import Endpoint
from inferometer.otlp.sender import Sender
from inferometer.otlp.writer import TraceWriter

_log = logging.getLogger(__name__)

LOCK_NAME: Final = "intake.lock"
SOCKET_NAME: Final = "intake.sock"
STATE_NAME: Final = "intake.state"
WHERE_NAME: Final = "intake.json"
_CLOSE_SECONDS: Final = 2.0


# Locks of fcntl belong to a process: a second one of the same file is granted, and closing it gives up both.
_held: dict[Path, int] = {}


class LocalIntake:
    """An Intake in a thread of this process; made by `start`."""

    def __init__(
        self,
        lock: "_Lock",
        intake: Intake,
        server: Server,
        *,
        page: LocalPage,
        sender: Sender | None,
    ) -> None:
        self._lock = lock
        self._intake = intake
        self._page = page
        self._sender = sender
        self._server = server
        self._pid = os.getpid()
        self._thread = threading.Thread(target=intake.run, name="inferometer-intake", daemon=True)
        if sender is not None:
            sender.start()
        page.start()
        self._thread.start()

    @property
    def metrics_port(self) -> int | None:
        """The port of ``/metrics``; None while it is taken."""
        return self._page.port

    @property
    def waiting_traces(self) -> int:
        """Kept traces that are not exported yet."""
        return self._sender.waiting if self._sender is not None else 0

    def close(self) -> None:
        """Make what was taken in durable, stop listening, and give up the lock."""
        if os.getpid() != self._pid:
            return
        self._intake.stop()
        self._thread.join(_CLOSE_SECONDS)
        self._page.close()
        if self._sender is not None:
            self._sender.close(seconds=_CLOSE_SECONDS / 4)
        if not self._thread.is_alive():
            self._intake.close()
        self._lock.give_up()

    def close_after_fork(self) -> None:
        """In a forked child: close the copies of what the parent holds.

        The lock itself stays the parent's: locks of fcntl are a process's own, closing our copy gives up none.
        """
        self._server.close_after_fork()
        self._page.close_after_fork()
        self._lock.give_up()


def start(
    runtime_dir: Path, *, environ: Mapping[str, str] = os.environ, after_step: Step = nothing
) -> LocalIntake | None:
    """Hold the Intake of this user and host; None where another process does.

    Settings: ``INFEROMETER_METRICS`` (``host:port`` of ``/metrics``, default 127.0.0.1:9464),
    ``INFEROMETER_BASELINE_RATIO`` (share of all traces that are kept whatever they are, default 0.02),
    ``INFEROMETER_THRESHOLDS`` (what ``inferometer generate`` wrote), ``OTEL_EXPORTER_OTLP_TRACES_ENDPOINT`` or
    ``OTEL_EXPORTER_OTLP_ENDPOINT`` (where kept traces go; nowhere without) and the other variables of
    `inferometer.otlp.endpoint`.

    Raises:
        RefusedError: the folder cannot hold a lock and a socket.
    """
    lock = _lock(runtime_dir / LOCK_NAME)
    if lock is None:
        return None
    try:
        return _start(lock, runtime_dir, environ, after_step)
    except (InferometerError, OSError):
        lock.give_up()
        raise


class _Lock:
    """The election's lock, held by this process."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self._path = path
        self._descriptor = descriptor
        _held[path] = os.getpid()

    def give_up(self) -> None:
        """Let another process be elected; in a forked child it only closes the copy."""
        os.close(self._descriptor)
        if _held.get(self._path) == os.getpid():
            del _held[self._path]


def _lock(path: Path) -> _Lock | None:
    path = path.resolve()
    if _held.get(path) == os.getpid():
        return None
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise RefusedError(f"cannot open {path}: {error.strerror}") from error
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return None
    return _Lock(path, descriptor)


def _start(lock: _Lock, runtime_dir: Path, environ: Mapping[str, str], after_step: Step) -> LocalIntake:
    known = _thresholds(environ)
    sender = _sender(environ)
    ratio = _baseline_ratio(environ)
    boot = boot_id()
    server = Server([listen_unix(runtime_dir / SOCKET_NAME)], boot_id=boot)
    state = StateFile(runtime_dir / STATE_NAME)

    def made() -> tuple[LocalPipeline, Intake]:
        aggregator = Aggregator(extra_bounds=exact_bounds(known))
        writer = TraceWriter(sender) if sender is not None else None
        pipeline = LocalPipeline(aggregator, known, writer, baseline_ratio=ratio)
        return pipeline, Intake(server, pipeline, state, boot_id=boot, after_step=after_step)

    try:
        pipeline, intake = _restored(made)
    except InferometerError:
        server.close()
        raise
    page = LocalPage(
        Exposition(lambda: pipeline.snapshot),
        healthy=intake.healthy,
        address=environ.get("INFEROMETER_METRICS", "") or DEFAULT_METRICS,
        where=runtime_dir / WHERE_NAME,
    )
    return LocalIntake(lock, intake, server, page=page, sender=sender)


def _restored(made: Callable[[], tuple[LocalPipeline, Intake]]) -> tuple[LocalPipeline, Intake]:
    """Pipeline and Intake with the last state; where that is of no use it was set aside, and they begin anew."""
    pipeline, intake = made()
    try:
        intake.restore()
    except StateError:
        pipeline, intake = made()
        intake.restore()
    return pipeline, intake


def _thresholds(environ: Mapping[str, str]) -> Thresholds:
    path = environ.get("INFEROMETER_THRESHOLDS", "")
    if not path:
        return NOTHING
    try:
        return thresholds_file.read(Path(path))
    except StateError as error:
        _log.warning("%s; no objective is counted", error)
        return NOTHING


def _sender(environ: Mapping[str, str]) -> Sender | None:
    endpoint = Endpoint.from_env(environ)
    try:
        return Sender(endpoint) if endpoint is not None else None
    except RefusedError as error:
        _log.warning("%s; no trace is exported", error)
        return None


def _baseline_ratio(environ: Mapping[str, str]) -> float:
    text = environ.get("INFEROMETER_BASELINE_RATIO", "").strip()
    try:
        ratio = float(text) if text else BASELINE_RATIO
    except ValueError:
        ratio = -1.0
    if not 0 <= ratio <= 1:
        _log.warning("INFEROMETER_BASELINE_RATIO=%r: a number from 0 to 1 is right; %g is used", text, BASELINE_RATIO)
        return BASELINE_RATIO
    return ratio
