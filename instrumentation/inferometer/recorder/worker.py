"""One serving process: everything that its requests share, started late, made new after a fork."""

import atexit
import os
import threading
import time
from collections.abc import Callable
from typing import Final

from inferometer.fleet.timeouts import DEFAULT_TIMEOUT_NS
from inferometer.recorder import process
from inferometer.recorder.buffers import Buffers
from inferometer.recorder.cold_start import ColdStart
from inferometer.recorder.destination import Destination, Elect
from inferometer.recorder.executes import Executes
from inferometer.recorder.flusher import Flusher
from inferometer.recorder.fork_mark import wiped_in_children
from inferometer.recorder.hook_states import HookStates
from inferometer.recorder.ids import Ids
from inferometer.recorder.listening import Listening
from inferometer.recorder.loop_lag import LoopLag
from inferometer.recorder.proxy_wait import ProxyClock
from inferometer.recorder.request import OpenRequest, current
from inferometer.recorder.sender import READ_HEADERS
from inferometer.recorder.shapes import Shapes
from inferometer.recorder.thread_pool import ThreadPool
from inferometer.recorder.tracing import Tracing, Untraced
from inferometer.settings import Policy, Settings
from inferometer.version import VERSION
from inferometer.wire.message import Hello

ASGI_HOOK: Final = "asgi"
"""The hook that errors on a request's own path are counted for."""
_MAX_LOADS: Final = 100


def _usual_timeout(_: str) -> int:
    return DEFAULT_TIMEOUT_NS


class Worker:
    """What the requests of this process share. Public attributes are for the path of a request, which calls little."""

    def __init__(
        self, settings: Settings, *, elect: Elect | None = None, timeout_of: Callable[[str], int] | None = None
    ) -> None:
        """Prepare; nothing is started.

        Args:
            settings: of this process.
            elect: contends for the Intake where there is no sidecar; without it frames wait for one.
            timeout_of: a service's timeout in ns; without it that of services which fleet.yaml does not name.
        """
        self.settings = settings
        self.hooks = HookStates()
        self.buffers = Buffers(settings.buffered_requests)
        self.shapes = Shapes(settings.service, settings.region)
        self.open: dict[int, OpenRequest] = {}
        """Requests that have not ended, by span id."""
        self.making = threading.Lock()
        """Held while a request makes what it has none of yet: its threads may want that at once."""
        self.loop_lag = LoopLag()
        self.thread_pool = ThreadPool()
        self.listening = Listening()
        self.proxy_clock = ProxyClock()
        self.version = settings.version
        self.device = settings.host
        """Name under which this host's CPU is billed."""
        self._timeout_of = timeout_of or _usual_timeout
        self.timeout_ns = self._timeout_of(settings.service)
        """A request that was cancelled after this time timed out."""
        self.tenant_header = settings.tenant_header.encode()
        self.class_header = settings.class_header.encode()
        self.excluded_paths = settings.excluded_paths
        self.wanted_headers = frozenset({*READ_HEADERS, self.tenant_header, self.class_header} - {b""})
        self.tracing: Tracing | None = Untraced() if settings.traces is Policy.OFF else None
        """Asked where spans are not our pipeline's business alone; None: they are."""
        self.running = wiped_in_children()
        """``running[0]`` is 1 where frames leave: `started`, for the path of a request."""
        self._pid = os.getpid()
        self.frames = 0
        """Frames made so far: what may be asked once per frame is asked when it changes."""
        self._ids = Ids()
        self.bits: Callable[[int], int] = self._ids.bits
        """``bits(n)`` is a random integer of n bits."""
        self.draw()
        self.executes = Executes(self.shapes, self.buffers, self.bits, current)
        self.worker_id = os.urandom(16)
        self._queues: dict[int, Callable[[], tuple[str, int]]] = {}
        self._loads: list[tuple[str, int, str]] = []
        self._start_ns = process.start_ns()
        self.cold_start = ColdStart(self._start_ns)
        self._destination = Destination(settings, elect)
        self._flusher: Flusher | None = None
        self._starting = threading.Lock()
        self._exit_by: float | None = None

    @property
    def started(self) -> bool:
        """Whether frames leave; False in a forked child until it starts too, even where the fork was made in C."""
        return self.running[0] == 1

    @started.setter
    def started(self, value: bool) -> None:
        self.running[0] = value

    def start(self, *, ready: bool = True) -> None:
        """Start sending, once; called when a server starts in this process, never at import.

        Args:
            ready: whether the server is ready now; not where a request is the first that is seen of it.
        """
        if self.settings.enabled is False:
            return
        self._look_for_fork()
        if ready:
            self.cold_start.ready()
        with self._starting:
            if self._flusher is None:
                self._flusher = Flusher(self, self._destination)
                self._flusher.start()
                atexit.register(self.close)
        self._exit_by = None
        self.started = True
        if self.loop_lag.watch():
            self.thread_pool.watch()

    def flush(self, seconds: float) -> bool:
        """Send what is buffered and wait, up to *seconds*, until it is durable; False where that did not succeed."""
        self._look_for_fork()
        flusher = self._flusher
        return flusher.flush(seconds) if flusher is not None else not len(self.buffers)

    def flush_at_exit(self) -> None:
        """Flush because a server ends; all such calls together take no longer than settings give to an exit."""
        self.cold_start.ends()
        self.flush(self._left())

    def close(self) -> None:
        """Flush and stop, within the time that settings give to an exit."""
        self._look_for_fork()
        self.cold_start.ends()
        flusher, self._flusher = self._flusher, None
        self.started = False
        if flusher is not None:
            atexit.unregister(self.close)
            flusher.close(self._left())

    def _left(self) -> float:
        if self._exit_by is None:
            self._exit_by = time.monotonic() + self.settings.exit_seconds
        return max(self._exit_by - time.monotonic(), 0.0)

    def failed(self, error: BaseException) -> None:
        """Our code on a request's own path raised."""
        self.hooks.failed(ASGI_HOOK, error)

    def ask_again(self) -> None:
        """What is asked once per frame is to be asked now: something that it depends on has changed."""
        self.frames += 1

    def draw(self) -> None:
        """Draw the upper half of the ids of traces that begin here until the next frame; the lower is each one's own.

        So a request draws 64 bits, and two of them are alike only within a quarter of a second.
        """
        self.trace_hi = self.bits(64)

    def answering(self, request: OpenRequest) -> None:
        """A request that somebody else may trace, too, is answered."""
        if self.tracing is not None:
            self.tracing.answering(request)

    def calling(self, request: OpenRequest) -> None:
        """A request that somebody else may trace, too, calls another service."""
        if self.tracing is not None:
            self.tracing.calling(request)

    def name_service(self, name: str) -> None:
        """Take the application's module for the service, where OTEL_SERVICE_NAME is not set."""
        if not self.settings.service_named and name and not self.shapes.numbers:
            self.shapes.service = name
            self.timeout_ns = self._timeout_of(name)

    def hello(self, token: str = "") -> Hello:
        """The first message on a connection, with the token that the other side asks for."""
        return Hello(
            worker_id=self.worker_id,
            pid=os.getpid(),
            service=self.shapes.service,
            sdk_version=VERSION,
            boot_id=process.boot_id(),
            host=self.settings.host,
            start_ns=self._start_ns,
            names=self.shapes.all(),
            monotonic_ns=time.monotonic_ns(),
            pod=self.settings.pod,
            token=token,
        )

    def add_queue(self, key: int, depth: Callable[[], tuple[str, int]]) -> None:
        """*depth* says (model, requests that wait) of a batch queue."""
        self._queues[key] = depth

    def queue_depths(self) -> dict[str, int]:
        """Model -> requests that wait in batch queues now."""
        depths: dict[str, int] = {}
        for depth in list(self._queues.values()):
            model, waiting = depth()
            depths[model] = depths.get(model, 0) + waiting
        return depths

    def loaded(self, model: str, duration_ns: int, device: str = "") -> None:
        """A model was loaded, just now, to *device*; empty where that is not known."""
        now = time.monotonic_ns()
        self.cold_start.loaded(model, now - duration_ns, now)
        if len(self._loads) < _MAX_LOADS:
            self._loads.append((model, duration_ns, device))

    def take_loads(self) -> tuple[tuple[str, int, str], ...]:
        """(model, ns, device) of the loads since the last call."""
        loads = tuple(self._loads)
        del self._loads[: len(loads)]
        return loads

    def _look_for_fork(self) -> None:
        if self._pid != os.getpid():
            # Forked in C, without a word to Python.
            self.after_fork()

    def after_fork(self) -> None:
        """In a forked child: another worker, that has recorded nothing, sends nothing and has no thread yet."""
        self._pid = os.getpid()
        self.worker_id = os.urandom(16)
        self._ids.reseed()
        self.draw()
        # A thread of the parent's that held one is not here.
        self._starting, self.making = threading.Lock(), threading.Lock()
        if self._flusher is not None:
            self._flusher.abandon()
            self._flusher = None
        self.started = False
        self._start_ns = process.start_ns()
        self.cold_start.after_fork(self._start_ns)
        self.open.clear()
        self._loads.clear()
        if self.tracing is not None:
            self.tracing.after_fork()
        for part in (
            self.buffers, self.shapes, self.executes, self.hooks, self.loop_lag, self.thread_pool, self.listening,
            self.proxy_clock, self._destination,
        ):  # fmt: skip
            part.after_fork()
