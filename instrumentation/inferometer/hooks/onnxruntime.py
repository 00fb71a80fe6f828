"""ONNX Runtime: each ``InferenceSession.run`` is an execute, each session that is made a model load."""

import time
from collections.abc import Callable, Mapping
from pathlib import PurePath
from types import ModuleType
from typing import Any, Final
from weakref import WeakKeyDictionary

from inferometer.hooks.patching import replace
from inferometer.recorder.worker import Worker

# Exporters give every model one of these names; the folder says which model it is.
_GENERIC: Final = frozenset({"model", "models", "network", "onnx", "weights", "assets", "data"})
_SUFFIXES: Final = ("_quantized", "_int8", "_uint8", "_fp16", "_q4", "_q8", "_optimized", "_dynamic")
_GPU_PROVIDERS: Final = ("CUDAExecutionProvider", "TensorrtExecutionProvider", "ROCMExecutionProvider")


class _Session:
    """What is known of one session: the model's name and the device."""

    __slots__ = ("device", "model")

    def __init__(self, model: str, device: str) -> None:
        self.model = model
        self.device = device


def install(worker: Worker, module: ModuleType, hook: str) -> None:
    """Wrap ``run`` and the constructor of sessions."""
    sessions: WeakKeyDictionary[Any, _Session] = WeakKeyDictionary()
    replace(worker, hook, module.Session, "run", lambda original: _run(worker, hook, sessions, original))
    replace(worker, hook, module.InferenceSession, "__init__", lambda original: _load(worker, hook, original))


def _run(
    worker: Worker, hook: str, sessions: "WeakKeyDictionary[Any, _Session]", original: Callable[..., Any]
) -> Callable[..., Any]:
    begin, end = worker.executes.begin, worker.executes.end

    def run(self: Any, output_names: Any, input_feed: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            session = sessions.get(self)
            if session is None:
                session = sessions[self] = _Session(_model(self), _device(self, worker.device))
            mark = begin(session.device, model=session.model, rows=_rows(input_feed))
        except Exception as error:  # noqa: BLE001 - the edge: the model runs without us
            worker.hooks.failed(hook, error)
            return original(self, output_names, input_feed, *args, **kwargs)
        try:
            return original(self, output_names, input_feed, *args, **kwargs)
        finally:
            end(mark)

    return run


def _load(worker: Worker, hook: str, original: Callable[..., None]) -> Callable[..., None]:
    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:  # noqa: N807 - it becomes that method
        start = time.monotonic_ns()
        original(self, *args, **kwargs)
        try:
            worker.loaded(_model(self), time.monotonic_ns() - start)
        except Exception as error:  # noqa: BLE001 - the edge
            worker.hooks.failed(hook, error)

    return __init__


def model_name(path: str) -> str:
    """A model's name by its file: the stem, or where that is what every export is called, the folder's name."""
    parts = PurePath(path)
    for name in (parts.stem, *(folder.name for folder in list(parts.parents)[:3])):
        plain = name.lower()
        for suffix in _SUFFIXES:
            plain = plain.removesuffix(suffix)
        if name and plain not in _GENERIC:
            return name
    return parts.stem


def _model(session: Any) -> str:
    path = getattr(session, "_model_path", None)
    if isinstance(path, str) and path:
        return model_name(path)
    return str(session.get_modelmeta().graph_name or "")


def _device(session: Any, host: str) -> str:
    options: Mapping[str, Mapping[str, str]] = session.get_provider_options()
    for provider in session.get_providers():
        if provider in _GPU_PROVIDERS:
            return f"cuda:{options.get(provider, {}).get('device_id', '0')}"
    return host


def _rows(input_feed: Any) -> int:
    for value in input_feed.values():
        shape = getattr(value, "shape", None)
        return int(shape[0]) if shape else 0
    return 0
