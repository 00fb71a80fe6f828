"""KServe: which model answers, and its own ``preprocess``, ``predict`` and ``postprocess``.

Only what the user's class defines is a stage: KServe's own ``predict`` asks a predictor elsewhere, which is a call.
"""

import time
from collections.abc import Awaitable, Callable
from inspect import iscoroutinefunction
from types import ModuleType
from typing import Any, Final
from weakref import WeakSet

from inferometer.catalog.stages import Stage
from inferometer.hooks.patching import replace, require
from inferometer.recorder.executes import running_batch
from inferometer.recorder.predict import Predict
from inferometer.recorder.request import OpenRequest, current
from inferometer.recorder.worker import Worker

now = time.monotonic_ns
_Begin = Callable[[OpenRequest], Callable[[], None] | None]
"""A stage of a request begins; what it returns is called at the end."""
_STAGES: Final = {"preprocess": Stage.PREPROCESS, "postprocess": Stage.POSTPROCESS}


def install(worker: Worker, module: ModuleType, hook: str) -> None:
    """Wrap the call of a model; the methods of a class when it is called first.

    Raises:
        UnsupportedError: this KServe calls models in another way.
    """
    model = module.Model
    require(model, "__call__", "predict", *_STAGES)
    replace(worker, hook, model, "__call__", lambda original: _called(worker, hook, model, original))


def _called(
    worker: Worker, hook: str, model: type, original: Callable[..., Awaitable[Any]]
) -> Callable[..., Awaitable[Any]]:
    known: WeakSet[type] = WeakSet()
    done: set[tuple[type, str]] = set()

    def __call__(self: Any, *args: Any, **kwargs: Any) -> Awaitable[Any]:  # noqa: N807 - it becomes that method
        try:
            if type(self) not in known:
                known.add(type(self))
                _stages(worker, hook, model, type(self), done)
            request = current()
            if request is not None:
                request.hooked = request.hooked or str(self.name)
        except Exception as error:  # noqa: BLE001 - the edge: the model is called without us
            worker.hooks.failed(hook, error)
        return original(self, *args, **kwargs)

    return __call__


def _stages(worker: Worker, hook: str, model: type, own: type, done: set[tuple[type, str]]) -> None:
    for name, begin in _begins(worker).items():
        owner = next(each for each in own.__mro__ if name in vars(each))
        if owner is not model and (owner, name) not in done:
            done.add((owner, name))
            replace(worker, hook, owner, name, _maker(worker, hook, begin))


def _maker(worker: Worker, hook: str, begin: _Begin) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    return lambda original: _within(worker, hook, begin, original)


def _begins(worker: Worker) -> dict[str, _Begin]:
    def marked(stage: Stage) -> _Begin:
        def begin(request: OpenRequest) -> Callable[[], None]:
            begun = now()
            return lambda: request.add_interval(begun, now(), stage)

        return begin

    def execute(request: OpenRequest) -> Callable[[], None] | None:
        # One that calls that of its class above is one.
        return Predict(worker, request).end if running_batch.get() is None else None

    return {"predict": execute, **{name: marked(stage) for name, stage in _STAGES.items()}}


def _within(worker: Worker, hook: str, begin: _Begin, original: Callable[..., Any]) -> Callable[..., Any]:
    """*original* as a stage of the current request; a coroutine function stays one, because KServe asks."""

    def begun() -> Callable[[], None] | None:
        request = current()
        try:
            return None if request is None else begin(request)
        except Exception as error:  # noqa: BLE001 - the edge: the method runs without us
            worker.hooks.failed(hook, error)
            return None

    def stage(*args: Any, **kwargs: Any) -> Any:
        end = begun()
        try:
            return original(*args, **kwargs)
        finally:
            if end is not None:
                end()

    async def stage_async(*args: Any, **kwargs: Any) -> Any:
        end = begun()
        try:
            return await original(*args, **kwargs)
        finally:
            if end is not None:
                end()

    return stage_async if iscoroutinefunction(original) else stage
