"""MLServer: which model answers, over REST and gRPC, and that it executes where it runs in the server's own process.

Requests are those of FastAPI and of grpc.aio. A name counts when the server has such a model: clients ask for others.
"""

import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import PurePath
from types import ModuleType
from typing import Any, Final

from inferometer.hooks.patching import replace, require
from inferometer.recorder.predict import Predict
from inferometer.recorder.request import current
from inferometer.recorder.worker import Worker

_Context = Callable[..., AbstractAsyncContextManager[Any]]
_PROGRAM: Final = "mlserver"
_ELSEWHERE: Final = "ParallelModel"
"""Class of a model that stands for one in a worker's process."""
_BATCHED: Final = "__adaptive_batching__"
"""Attribute of a model whose requests are batched."""


def install(worker: Worker, module: ModuleType, hook: str) -> None:
    """Wrap the data plane, which both protocols go through.

    Raises:
        UnsupportedError: this MLServer has another one.
    """
    if PurePath(sys.argv[0]).name == _PROGRAM:
        # The line may be in the model's module, which is loaded when everything else is made.
        worker.name_service(_PROGRAM)
    require(module.DataPlane, "__init__", "_infer_contextmanager")
    replace(worker, hook, module.DataPlane, "__init__", lambda original: _named(worker, hook, original))
    replace(
        worker, hook, module.DataPlane, "_infer_contextmanager", lambda original: _inferring(worker, hook, original)
    )


def _named(worker: Worker, hook: str, original: Callable[..., None]) -> Callable[..., None]:
    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:  # noqa: N807 - it becomes that method
        original(self, *args, **kwargs)
        try:
            worker.name_service(self._settings.server_name)
        except Exception as error:  # noqa: BLE001 - the edge
            worker.hooks.failed(hook, error)

    return __init__


def _inferring(worker: Worker, hook: str, original: _Context) -> _Context:
    @asynccontextmanager
    async def _infer_contextmanager(self: Any, *args: Any, **kwargs: Any) -> AsyncIterator[Any]:
        async with original(self, *args, **kwargs) as model:
            predict = _begin(worker, hook, model)
            try:
                yield model
            finally:
                if predict is not None:
                    predict.end()

    return _infer_contextmanager


def _begin(worker: Worker, hook: str, model: Any) -> Predict | None:
    try:
        request = current()
        if request is None:
            return None
        request.hooked = request.hooked or str(model.name)
        request.version = request.version or str(model.version or "")
        if type(model).__name__ == _ELSEWHERE or hasattr(model, _BATCHED):
            return None
        return Predict(worker, request)
    except Exception as error:  # noqa: BLE001 - the edge: the model runs without us
        worker.hooks.failed(hook, error)
        return None
