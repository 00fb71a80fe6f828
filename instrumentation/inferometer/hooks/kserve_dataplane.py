"""KServe's data plane: decoding requests and encoding answers, of both protocols."""

import time
from collections.abc import Callable
from types import ModuleType
from typing import Any

from inferometer.catalog.stages import Stage
from inferometer.hooks.patching import replace, require
from inferometer.recorder.request import current
from inferometer.recorder.worker import Worker

now = time.monotonic_ns


def install(worker: Worker, module: ModuleType, hook: str) -> None:
    """Wrap ``decode`` and ``encode``.

    Raises:
        UnsupportedError: they are not there.
    """
    require(module.DataPlane, "decode", "encode")
    replace(worker, hook, module.DataPlane, "decode", lambda original: _timed(Stage.DESERIALIZE, original))
    replace(worker, hook, module.DataPlane, "encode", lambda original: _timed(Stage.SERIALIZE, original))


def _timed(stage: Stage, original: Callable[..., Any]) -> Callable[..., Any]:
    def timed(self: Any, *args: Any, **kwargs: Any) -> Any:
        request = current()
        if request is None:
            return original(self, *args, **kwargs)
        begun = now()
        try:
            return original(self, *args, **kwargs)
        finally:
            request.add_interval(begun, now(), stage)

    return timed
