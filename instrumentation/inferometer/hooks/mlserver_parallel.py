"""MLServer's inference workers: what a worker's process records comes back with its answer.

Messages between the processes are pickled with everything that they have, so what is ours travels as one more entry of
their ``__dict__``, plain values only.
"""

from collections.abc import Awaitable, Callable
from types import ModuleType
from typing import Any, Final

from inferometer.catalog.stages import Kind, Stage
from inferometer.hooks.patching import replace, require
from inferometer.recorder.distant import Part, Told, given_up, take_over, take_over_inside
from inferometer.recorder.executes import running_batch
from inferometer.recorder.predict import Predict
from inferometer.recorder.request import current, current_request, now
from inferometer.recorder.worker import Worker

_KEY: Final = "inferometer"
_PREDICT: Final = "predict"
_Waiting = dict[str, Told | None]
"""Id of a message whose answer somebody waits for -> what its worker told."""


def install(worker: Worker, module: ModuleType, hook: str) -> None:
    """In both processes: wrap sending requests to workers, their answers, and what workers do with them.

    Raises:
        UnsupportedError: this MLServer sends them in another way.
    """
    require(module.Dispatcher, "dispatch_request")
    require(module.AsyncResponses, "resolve")
    require(module.Worker, "_process_request")
    waiting: _Waiting = {}
    replace(worker, hook, module.Worker, "_process_request", lambda original: _processed(worker, hook, original))
    replace(worker, hook, module.AsyncResponses, "resolve", lambda original: _heard(worker, hook, waiting, original))
    replace(
        worker, hook, module.Dispatcher, "dispatch_request", lambda original: _sent(worker, hook, waiting, original)
    )


def _heard(worker: Worker, hook: str, waiting: _Waiting, original: Callable[..., Any]) -> Callable[..., Any]:
    def resolve(self: Any, answer: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            told = vars(answer).pop(_KEY, None)
            if told is not None and answer.id in waiting:
                waiting[answer.id] = told
            elif told is not None:
                given_up(worker, told)
        except Exception as error:  # noqa: BLE001 - the edge: the answer is the request's, with or without us
            worker.hooks.failed(hook, error)
        return original(self, answer, *args, **kwargs)

    return resolve


def _sent(
    worker: Worker, hook: str, waiting: _Waiting, original: Callable[..., Awaitable[Any]]
) -> Callable[..., Awaitable[Any]]:
    async def dispatch_request(self: Any, message: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            vars(message)[_KEY] = now()
            waiting[message.id] = None
        except Exception as error:  # noqa: BLE001 - the edge: the request goes without us
            worker.hooks.failed(hook, error)
        try:
            return await original(self, message, *args, **kwargs)
        finally:
            try:
                told = waiting.pop(message.id, None)
                if told is not None:
                    _take(worker, told)
            except Exception as error:  # noqa: BLE001 - the edge: the answer is the request's, with or without us
                worker.hooks.failed(hook, error)

    return dispatch_request


def _take(worker: Worker, told: Told) -> None:
    batch, request = running_batch.get(), current()
    if batch is not None:
        take_over_inside(worker, batch, told)
    elif request is not None:
        take_over(request, told)
    else:
        given_up(worker, told)


def _processed(worker: Worker, hook: str, original: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    async def _process_request(self: Any, message: Any, *args: Any, **kwargs: Any) -> Any:
        begun = _begin(worker, hook, message)
        if begun is None:
            return await original(self, message, *args, **kwargs)
        part, predict = begun
        try:
            answer = await original(self, message, *args, **kwargs)
        finally:
            predict.end()
            current_request.set(None)
        try:
            vars(answer)[_KEY] = part.told()
        except Exception as error:  # noqa: BLE001 - the edge: the answer goes without us
            worker.hooks.failed(hook, error)
        return answer

    return _process_request


def _begin(worker: Worker, hook: str, message: Any) -> tuple[Part, Predict] | None:
    try:
        came = vars(message).get(_KEY)
        # A task of its own per request, so that what is set here is not anybody else's.
        if came is None or message.method_name != _PREDICT:
            return None
        part = Part(worker)
        part.hooked = str(message.model_name)
        part.add_interval(came, now(), Stage.QUEUE, Kind.ENGINE)
        current_request.set(part)
        return part, Predict(worker, part)
    except Exception as error:  # noqa: BLE001 - the edge: the request is processed without us
        worker.hooks.failed(hook, error)
        return None
