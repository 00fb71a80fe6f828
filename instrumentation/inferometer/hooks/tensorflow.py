"""TensorFlow: a function of a loaded SavedModel is an execute, loading one a model load.

Only functions that came out of a SavedModel count: what a program compiles itself may as well be a training step.
"""

import sys
from types import ModuleType
from typing import Any
from weakref import WeakKeyDictionary

from inferometer.hooks.compute import Describe, What, measured, rows_of
from inferometer.hooks.keras import device
from inferometer.hooks.loads import loading
from inferometer.hooks.model_names import of_folder
from inferometer.hooks.patching import override, replace
from inferometer.recorder.worker import Worker


def install(worker: Worker, module: ModuleType, hook: str) -> None:
    """Wrap loading, and the call of what was loaded: signatures and other functions."""
    names: WeakKeyDictionary[Any, str] = WeakKeyDictionary()

    def name(loaded: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
        found = of_folder(str(args[0] if args else kwargs["export_dir"]))
        root = loaded["root"] if isinstance(loaded, dict) and "root" in loaded else loaded
        for function in (*getattr(root, "signatures", {}).values(), *vars(root).values()):
            if callable(function) and type(function).__module__.startswith("tensorflow."):
                names[function] = found
        return found

    replace(worker, hook, module, "load_partial", loading(worker, hook, name))
    call = measured(worker, hook, _describe(worker, names))
    override(worker, hook, module.function.ConcreteFunction, "__call__", call)
    override(worker, hook, module.function_deserialization.RestoredFunction, "__call__", call)


def _describe(worker: Worker, names: "WeakKeyDictionary[Any, str]") -> Describe:
    def describe(function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> What | None:
        name = names.get(function)
        if name is None or not sys.modules["tensorflow"].executing_eagerly():
            return None
        return What(device(worker.device), name, rows_of(args) or rows_of(kwargs))

    return describe
