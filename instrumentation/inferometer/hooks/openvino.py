"""OpenVINO: each inference is an execute, each compilation of a model a load.

Synchronous inferences of all kinds end in ``InferRequest.infer``. An asynchronous one ends by itself: it is asked for
when somebody waits for it, when its request or its queue starts the next one, before each frame, and when the request
that it is for ends; how long it took, OpenVINO says.
"""

import os
import threading
import time
from collections.abc import Callable
from functools import partial
from types import ModuleType
from typing import Any, Final
from weakref import WeakKeyDictionary

from inferometer.hooks.compute import What, inside, measured, rows_of
from inferometer.hooks.loads import loading
from inferometer.hooks.model_names import of_file
from inferometer.hooks.patching import override, replace
from inferometer.recorder.executes import ExecuteMark
from inferometer.recorder.worker import Worker

Key = tuple[int, ...]
"""Of an inference request: its id, or that of its queue and its place there."""

now = time.monotonic_ns
_NS_PER_MS: Final = 1e6


def install(worker: Worker, module: ModuleType, hook: str) -> None:
    """Wrap compilation, the making of inference requests, and inference itself."""
    models = _Models(worker)
    running = _Running(worker, hook)
    load = loading(worker, hook, models.loaded)
    for name in ("compile_model", "import_model"):
        replace(worker, hook, module.Core, name, load)
    replace(worker, hook, module.CompiledModel, "create_infer_request", partial(_made, worker, hook, models))
    override(worker, hook, module.AsyncInferQueue, "__init__", partial(_made_queue, worker, hook, models))
    replace(worker, hook, module.InferRequest, "infer", measured(worker, hook, models.what))
    replace(worker, hook, module.InferRequest, "start_async", partial(_start, worker, hook, models, running))
    replace(worker, hook, module.AsyncInferQueue, "start_async", partial(_queued, worker, hook, models, running))
    for owner, name in (
        (module.InferRequest, "wait"),
        (module.InferRequest, "wait_for"),
        (module.AsyncInferQueue, "wait_all"),
    ):
        override(worker, hook, owner, name, partial(_waited, running))


class _Models:
    """Names and devices of compiled models, of their inference requests and of queues of those."""

    def __init__(self, worker: Worker) -> None:
        self._host = worker.device
        self._names: WeakKeyDictionary[Any, str] = WeakKeyDictionary()
        self._known: WeakKeyDictionary[Any, What] = WeakKeyDictionary()

    def loaded(self, compiled: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
        """A model was compiled, by this name."""
        given = args[1] if len(args) > 1 else kwargs.get("model", "")
        friendly = getattr(given, "friendly_name", None)
        name = str(friendly) if friendly else "" if isinstance(given, bytes) else of_file(str(given))
        self._names[compiled] = name
        return name

    def made(self, runner: Any, compiled: Any) -> None:
        """An inference request of a compiled model was made, or a queue of some."""
        self._known[runner] = self._of(compiled)

    def what(self, runner: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> What | None:
        """What a request or a queue is about to infer; None for a queue that was made before the hook."""
        known = self._known.get(runner)
        if known is None:
            if not hasattr(runner, "get_compiled_model"):
                return None
            known = self._known[runner] = self._of(runner.get_compiled_model())
        inputs = args[0] if args else kwargs.get("inputs")
        if inputs is None:
            inputs = getattr(runner, "input_tensors", ())
        return known._replace(rows=rows_of(inputs))

    def _of(self, compiled: Any) -> What:
        name = self._names.get(compiled) or str(compiled.get_property("NETWORK_NAME"))
        devices = [str(device) for device in compiled.get_property("EXECUTION_DEVICES")]
        device = self._host if not devices or devices[0].startswith("CPU") else devices[0].strip("()").lower()
        return What(device, name, 0)


class _Running:
    """Asynchronous inferences that nobody has seen the end of."""

    def __init__(self, worker: Worker, hook: str) -> None:
        self._worker = worker
        self._hook = hook
        self._lock = threading.Lock()
        self._marks: dict[Key, tuple[Any, ExecuteMark]] = {}
        worker.executes.devices.append(self.ask_all)
        os.register_at_fork(after_in_child=self._after_fork)

    def start(self, key: Key, request: Any, what: What | None) -> None:
        """An inference is about to be started; what the same *request* did before has ended."""
        self.ask(key)
        if what is None:
            return
        mark = self._worker.executes.begin(what.device, model=what.model, rows=what.rows)
        mark.ask = partial(self.ask, key)
        with self._lock:
            self._marks[key] = (request, mark)

    def ask(self, key: Key) -> None:
        """Tell of the inference *key* if it has ended."""
        with self._lock:
            found = self._marks.get(key)
            if found is None or not _is_done(found[0]):
                return
            del self._marks[key]
        request, mark = found
        try:
            took = round(request.latency * _NS_PER_MS)
        except Exception:  # noqa: BLE001 - one that failed has no latency
            took = 0
        mark.ask = None
        self._worker.executes.end(mark, min(mark.start + took, now()) if took > 0 else 0)

    def ask_all(self) -> None:
        """Tell of all that have ended."""
        try:
            for key in list(self._marks):
                self.ask(key)
        except Exception as error:  # noqa: BLE001 - the edge: a frame must not fail by this
            self._worker.hooks.failed(self._hook, error)

    def _after_fork(self) -> None:
        self._lock = threading.Lock()
        self._marks.clear()


def _is_done(request: Any) -> bool:
    try:
        waited = getattr(type(request).wait_for, "__wrapped__", type(request).wait_for)
        return bool(waited(request, 0))
    except Exception:  # noqa: BLE001 - it is told to who waits for it; that it has ended is enough for us
        return True


def _made(worker: Worker, hook: str, models: _Models, original: Callable[..., Any]) -> Callable[..., Any]:
    def create_infer_request(self: Any, *args: Any, **kwargs: Any) -> Any:
        request = original(self, *args, **kwargs)
        try:
            models.made(request, self)
        except Exception as error:  # noqa: BLE001 - the edge
            worker.hooks.failed(hook, error)
        return request

    return create_infer_request


def _made_queue(worker: Worker, hook: str, models: _Models, original: Callable[..., Any]) -> Callable[..., Any]:
    def __init__(self: Any, compiled: Any, *args: Any, **kwargs: Any) -> None:  # noqa: N807 - it becomes that method
        original(self, compiled, *args, **kwargs)
        try:
            models.made(self, compiled)
        except Exception as error:  # noqa: BLE001 - the edge
            worker.hooks.failed(hook, error)

    return __init__


def _start(
    worker: Worker, hook: str, models: _Models, running: _Running, original: Callable[..., Any]
) -> Callable[..., Any]:
    def start_async(self: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            key = (id(self),)
            if inside.around is None:
                running.start(key, self, models.what(self, args, kwargs))
        except Exception as error:  # noqa: BLE001 - the edge: it infers without us
            worker.hooks.failed(hook, error)
        return original(self, *args, **kwargs)

    return start_async


def _queued(
    worker: Worker, hook: str, models: _Models, running: _Running, original: Callable[..., Any]
) -> Callable[..., Any]:
    def start_async(self: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            if inside.around is None:
                # It waits for an idle request, as the original would; that one is taken then.
                place = self.get_idle_request_id()
                running.start((id(self), place), self[place], models.what(self, args, kwargs))
        except Exception as error:  # noqa: BLE001 - the edge: it infers without us
            worker.hooks.failed(hook, error)
        return original(self, *args, **kwargs)

    return start_async


def _waited(running: _Running, original: Callable[..., Any]) -> Callable[..., Any]:
    def wait(self: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            return original(self, *args, **kwargs)
        finally:
            running.ask_all()

    return wait
