"""CUDA through PyTorch: its runtime as `inferometer.hooks.device_runs` needs it, and the captures of graphs."""

import os
import threading
from collections.abc import Callable
from types import ModuleType
from typing import Any
from weakref import WeakKeyDictionary

from inferometer.hooks.compute import What
from inferometer.hooks.cuda_devices import uuid
from inferometer.hooks.device_clock import Event
from inferometer.hooks.device_runs import Captures, DeviceRuns, Run
from inferometer.recorder.worker import Worker


class TorchCuda:
    """``torch.cuda`` as a `inferometer.hooks.device_clock.Runtime`."""

    def __init__(self, cuda: Any) -> None:
        self._cuda = cuda
        self._idle: dict[int, Any] = {}

    def event(self) -> Event:
        """An event that can be timed."""
        made: Event = self._cuda.Event(enable_timing=True)
        return made

    def stream(self, device: int) -> Any:
        """The current stream of *device* in this thread."""
        return self._cuda.current_stream(device)

    def idle_stream(self, device: int) -> Any:
        """One stream of our own per device."""
        stream = self._idle.get(device)
        if stream is None:
            stream = self._idle[device] = self._cuda.Stream(device)
        return stream

    def capturing(self, device: int) -> bool:
        """Whether the current stream of *device* captures."""
        if device == self._cuda.current_device():
            return bool(self._cuda.is_current_stream_capturing())
        with self._cuda.device(device):
            return bool(self._cuda.is_current_stream_capturing())


class _Capturing(threading.local):
    """The graph that this thread captures."""

    graph: Any = None


class CudaRuns:
    """Runs on all CUDA devices of this process, and the graphs that are captured from them."""

    def __init__(self, worker: Worker, hook: str, torch: ModuleType) -> None:
        self._worker = worker
        self._hook = hook
        self._torch = torch
        self._captures = Captures()
        self._runtime = TorchCuda(torch.cuda)
        self._devices: dict[int, DeviceRuns] = {}
        self._making = threading.Lock()
        self._capturing = _Capturing()
        self._graphs: WeakKeyDictionary[Any, What] = WeakKeyDictionary()
        worker.executes.devices.append(self._read)
        os.register_at_fork(after_in_child=self._after_fork)

    def begin(self, what: What) -> Run | None:
        """A run is about to be launched on ``cuda:N``; None where it is not measured, since it is captured, say."""
        graph = self._capturing.graph
        if graph is not None:
            self._graphs.setdefault(graph, what)
            return None
        number = int(what.device.rpartition(":")[2] or 0)
        device = self._devices.get(number)
        if device is None:
            device = self._made(number)
        return None if device is None else device.launch(what)

    def captured(self, graph: Any, _args: tuple[Any, ...], _kwargs: dict[str, Any]) -> What:
        """What a graph runs, as far as a module was called while it was captured."""
        what = self._graphs.get(graph)
        return what or What(f"cuda:{self._torch.cuda.current_device()}", "", 0)

    def capture_begin(self, original: Callable[..., Any]) -> Callable[..., Any]:
        """A graph's ``capture_begin``, before which we stop asking events."""

        def capture_begin(graph: Any, *args: Any, **kwargs: Any) -> Any:
            self._captures.begin()
            try:
                result = original(graph, *args, **kwargs)
            except BaseException:
                self._captures.end()
                raise
            self._capturing.graph = graph
            return result

        return capture_begin

    def capture_end(self, original: Callable[..., Any]) -> Callable[..., Any]:
        """A graph's ``capture_end``, after which we ask again."""

        def capture_end(graph: Any, *args: Any, **kwargs: Any) -> Any:
            try:
                return original(graph, *args, **kwargs)
            finally:
                self._capturing.graph = None
                self._captures.end()

        return capture_end

    def _made(self, number: int) -> DeviceRuns | None:
        with self._making:
            device = self._devices.get(number)
            # Nothing may be made on a device while a graph is captured.
            if device is None and not self._captures.running:
                device = DeviceRuns(self._worker.executes, self._runtime, self._captures, number, failed=self._failed)
                self._devices[number] = device
                # Its number means something in this process only; what it is called from now on means it everywhere.
                self._worker.shapes.alias(f"cuda:{number}", uuid(self._torch.cuda, number))
        return device

    def _read(self) -> None:
        for device in list(self._devices.values()):
            device.read()

    def _after_fork(self) -> None:
        # What the parent launched is its own to tell, and a child cannot ask events that it did not make.
        self._devices.clear()
        self._captures = Captures()
        self._making = threading.Lock()

    def _failed(self, error: BaseException) -> None:
        self._worker.hooks.failed(self._hook, error)
