"""Keras: the outermost call or prediction of a model is an execute, ``load_model`` is a model load.

Training and evaluation are none, and neither is a call that is only followed to make a graph. On a device other than
the host's CPU the time is that of the call: exact for ``predict``, which returns when the result is there.
Keras 2 and 3 have the same methods, in modules of other names.
"""

import sys
from collections.abc import Callable
from functools import partial
from types import ModuleType
from typing import Any, Final
from weakref import WeakKeyDictionary

from inferometer.hooks.compute import PART, Describe, What, first_array, inside, measured, rows_of
from inferometer.hooks.cuda_devices import visible
from inferometer.hooks.loads import loading
from inferometer.hooks.model_names import of_file
from inferometer.hooks.patching import override, replace
from inferometer.recorder.worker import Worker

_TRAINING: Final = ("fit", "evaluate", "train_on_batch", "test_on_batch")
_loaded_from: Final[WeakKeyDictionary[Any, str]] = WeakKeyDictionary()


def install(worker: Worker, module: ModuleType, hook: str) -> None:
    """Wrap the ways to run a model, and those that train one."""
    run = measured(worker, hook, _describe(worker))
    override(worker, hook, module.Model, "__call__", partial(_called, run))
    for name in ("predict", "predict_on_batch"):
        override(worker, hook, module.Model, name, run)
    for name in _TRAINING:
        override(worker, hook, module.Model, name, _apart)


def install_loads(worker: Worker, module: ModuleType, hook: str) -> None:
    """Wrap the loading of a model from a file; *module* loads one format."""
    name = "load_model" if hasattr(module, "load_model") else "load_model_from_hdf5"
    replace(worker, hook, module, name, loading(worker, hook, _loaded))


def _loaded(model: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
    name = of_file(str(args[0] if args else kwargs["filepath"]))
    _loaded_from[model] = name
    return name


def _called(run: Callable[[Any], Any], original: Callable[..., Any]) -> Callable[..., Any]:
    """A call, which trains where it says so."""
    runs, trains = run(original), _apart(original)

    def __call__(self: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: N807 - it becomes that method
        return (trains if kwargs.get("training") else runs)(self, *args, **kwargs)

    return __call__


def _apart(original: Callable[..., Any]) -> Callable[..., Any]:
    """What trains or evaluates: nothing inside is told."""

    def train(self: Any, *args: Any, **kwargs: Any) -> Any:
        around = inside.around
        inside.around = PART
        try:
            return original(self, *args, **kwargs)
        finally:
            inside.around = around

    return train


def _describe(worker: Worker) -> Describe:
    def describe(model: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> What | None:
        given = args or kwargs
        array = first_array(given, 3)
        if type(array).__name__ == "KerasTensor" or _making_a_graph():
            return None
        return What(device(worker.device), _loaded_from.get(model) or str(model.name), rows_of(given))

    return describe


def _making_a_graph() -> bool:
    tensorflow = sys.modules.get("tensorflow")
    return tensorflow is not None and not tensorflow.executing_eagerly()


def device(host: str) -> str:
    """The device that TensorFlow computes on by default: its first GPU, else *host*."""
    tensorflow = sys.modules.get("tensorflow")
    return visible(0) if tensorflow is not None and tensorflow.config.list_logical_devices("GPU") else host
