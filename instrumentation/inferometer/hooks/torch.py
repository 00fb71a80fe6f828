"""PyTorch: the outermost call of a module in inference is an execute; ``torch.load`` is a model load.

On a CPU its wall time; on CUDA the time between two events, read without waiting (`inferometer.hooks.device_runs`).
Inference is what runs without gradients. A training step is none, and neither is what it checkpoints inside. A module
without any state computes nothing of its own: what it calls counts, such as the sessions behind Optimum's classes.
"""

import os
from collections.abc import Callable
from types import ModuleType
from typing import Any, Final
from weakref import WeakKeyDictionary, ref

from inferometer.hooks.compute import PART, Runs, WallTime, What, first_array, inside, rows_of
from inferometer.hooks.loads import loading
from inferometer.hooks.model_names import of_checkpoint, of_file
from inferometer.hooks.patching import override, replace
from inferometer.hooks.torch_cuda import CudaRuns
from inferometer.recorder.executes import ExecuteMark
from inferometer.recorder.worker import Worker

Call = Callable[[Callable[..., Any], Any, tuple[Any, ...], dict[str, Any]], Any]
"""(function, module, positional, named arguments) -> what the function returns."""

_HOST: Final = frozenset({"cpu", "meta"})
_WRAPPERS: Final = 4
_IMAGE: Final = 3
"""Dimensions of an image: colours, height, width."""


def install(worker: Worker, module: ModuleType, hook: str) -> None:
    """Wrap the call of modules, the replay of CUDA graphs, and ``torch.load``."""
    modules = Modules(worker, hook, module)
    replace(worker, hook, module.nn.Module, "__call__", modules.call)
    cuda_graph = getattr(module.cuda, "CUDAGraph", None)
    if cuda_graph is not None:
        for name, make in (
            ("capture_begin", modules.cuda.capture_begin),
            ("capture_end", modules.cuda.capture_end),
            ("replay", modules.replay),
        ):
            override(worker, hook, cuda_graph, name, make)
    load = loading(worker, hook, lambda _, args, kwargs: _file_name(args[0] if args else kwargs["f"]))
    replace(worker, hook, module, "load", load)
    if vars(module.serialization).get("load") is module.load.__wrapped__:
        replace(worker, hook, module.serialization, "load", load)


def checkpoint_of(module: Any) -> str:
    """Name of the checkpoint that a module of transformers was loaded from; empty for other modules."""
    path = getattr(getattr(module, "config", None), "_name_or_path", "")
    return of_checkpoint(path) if isinstance(path, str) and path else ""


class TorchTime:
    """Wall time on a CPU, events on CUDA."""

    def __init__(self, worker: Worker, hook: str, torch: ModuleType) -> None:
        self.cuda = CudaRuns(worker, hook, torch)
        self._wall = WallTime(worker)

    def begin(self, what: What) -> Any:
        """A run begins, or is about to be launched."""
        return self.cuda.begin(what) if what.device.startswith("cuda") else self._wall.begin(what)

    def end(self, begun: Any) -> None:
        """It has ended, or was launched."""
        if isinstance(begun, ExecuteMark):
            self._wall.end(begun)
        else:
            begun.runs.launched(begun)


class Modules:
    """Calls of modules: which of them are runs, and what is told of them."""

    def __init__(self, worker: Worker, hook: str, torch: ModuleType) -> None:
        self._worker = worker
        self._grad = torch.is_grad_enabled
        self._is_traced = _traced(torch)
        self._plain = vars(torch.nn.Module).get("_wrapped_call_impl")
        timer = TorchTime(worker, hook, torch)
        self.cuda = timer.cuda
        self.run: Call = Runs(worker, hook, timer, self._what).call
        """Calls a module, or a function of it, as an execute."""
        self._replay = Runs(worker, hook, timer, self.cuda.captured).call
        self._known: WeakKeyDictionary[Any, _Known] = WeakKeyDictionary()

    def call(self, original: Callable[..., Any]) -> Callable[..., Any]:
        """A module's ``__call__`` that tells of a run where it is one. The calls inside a run pass at once."""
        is_grad_enabled, is_traced, plain = self._grad, self._is_traced, original is self._plain

        def __call__(module: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: N807 - it becomes that method
            around = inside.around
            if around is PART:
                # What the original does next; its frame alone would be as much as all of ours.
                if plain and module._compiled_call_impl is None:  # noqa: SLF001 - the library has no public name for it
                    return module._call_impl(*args, **kwargs)  # noqa: SLF001 - the library has no public name for it
                return original(module, *args, **kwargs)
            if is_traced():
                return original(module, *args, **kwargs)
            if not is_grad_enabled():
                return self.run(original, module, args, kwargs)
            if not module.training:
                return original(module, *args, **kwargs)
            inside.around = PART
            try:
                return original(module, *args, **kwargs)
            finally:
                inside.around = around

        return __call__

    def replay(self, original: Callable[..., Any]) -> Callable[..., Any]:
        """A CUDA graph's ``replay`` that is a run of the module which was captured."""

        def replay(graph: Any) -> Any:
            return self._replay(original, graph, (), {})

        return replay

    def _what(self, module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> What | None:
        known = self._known.get(module)
        if known is None:
            known = self._known[module] = _Known(module)
        if not known.has_state:
            return None
        place = known.parameter(module)
        if place is None:
            place = first_array((args, kwargs), 3)
        device = getattr(place, "device", None)
        where = self._worker.device if device is None or device.type in _HOST else str(device)
        return What(where, known.name, _rows(module, args, kwargs))


def _traced(torch: ModuleType) -> Callable[[], bool]:
    """Make what says whether a call is only followed to be compiled or exported: it is no run then."""
    is_compiling, is_tracing = torch.compiler.is_compiling, torch.jit.is_tracing

    def is_traced() -> bool:
        return bool(is_compiling() or is_tracing())

    return is_traced


class _Known:
    """What is looked up once of a module."""

    __slots__ = ("_parameter", "has_state", "name")

    def __init__(self, module: Any) -> None:
        self.name = name_of(module)
        parameter = next(module.parameters(), None)
        self.has_state = parameter is not None or bool(module.state_dict())
        """Whether it has parameters, buffers or what a quantized module keeps instead."""
        self._parameter = None if parameter is None else ref(parameter)

    def parameter(self, module: Any) -> Any:
        """Its first parameter, which moves along with it; None where it has none."""
        if self._parameter is None:
            return None
        parameter = self._parameter()
        if parameter is None:  # they were replaced
            parameter = next(module.parameters(), None)
            self._parameter = None if parameter is None else ref(parameter)
        return parameter


def _rows(module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> int:
    first = args[0] if args else None
    if isinstance(first, list) and first and len(getattr(first[0], "shape", ())) == _IMAGE:
        return len(first)  # detectors take images of different sizes
    if args or not kwargs:
        return rows_of(args)
    # transformers names the argument that is the input; others, such as positions, have no dimension for the batch.
    main = kwargs.get(getattr(module, "main_input_name", ""))
    if main is None:
        main = next((value for value in kwargs.values() if len(getattr(value, "shape", ())) > 1), kwargs)
    return rows_of(main)


def name_of(module: Any) -> str:
    """What a module is called: its checkpoint, else its class; wrappers of PyTorch are looked through."""
    for _ in range(_WRAPPERS):
        inner = getattr(module, "_orig_mod", None)  # torch.compile
        if inner is None and type(module).__name__ in {"DataParallel", "DistributedDataParallel"}:
            inner = module.module
        if inner is None:
            break
        module = inner
    scripted = getattr(module, "original_name", None)
    return checkpoint_of(module) or (scripted if isinstance(scripted, str) else type(module).__name__)


def _file_name(file: Any) -> str:
    path = file if isinstance(file, str | bytes | os.PathLike) else getattr(file, "name", None)
    return of_file(os.fsdecode(path)) if isinstance(path, str | bytes | os.PathLike) else ""
