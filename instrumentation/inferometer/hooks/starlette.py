"""Starlette: every application's requests, by its class, so that existing and pickled ones are covered too."""

from types import ModuleType

from inferometer.hooks.patching import replace
from inferometer.recorder.asgi import recording
from inferometer.recorder.worker import Worker


def install(worker: Worker, module: ModuleType, hook: str) -> None:
    """Wrap ``Starlette.__call__``."""
    replace(worker, hook, module.Starlette, "__call__", lambda original: recording(worker, original))
