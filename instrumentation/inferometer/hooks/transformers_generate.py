"""transformers: ``generate`` is told as prefill and decode, with tokens, time to the first and time per further one."""

from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any

from inferometer.hooks.compute import inside
from inferometer.hooks.generation import Generation, cached
from inferometer.hooks.patching import replace
from inferometer.hooks.torch import checkpoint_of
from inferometer.hooks.transformers_streamers import request_of
from inferometer.recorder.executes import running_batch
from inferometer.recorder.request import OpenRequest, current, current_request
from inferometer.recorder.worker import Worker


def install(worker: Worker, module: ModuleType, hook: str) -> None:
    """Wrap ``generate``, and the check after each token whether it is the last one."""
    replace(worker, hook, module.GenerationMixin, "generate", lambda original: _generate(worker, hook, original))
    replace(worker, hook, module.StoppingCriteriaList, "__call__", lambda original: _chosen(worker, hook, original))


def _generate(worker: Worker, hook: str, original: Callable[..., Any]) -> Callable[..., Any]:
    def generate(self: Any, *args: Any, **kwargs: Any) -> Any:
        if inside.around is not None:
            return original(self, *args, **kwargs)  # part of a run, or of a model that assists
        token = None
        try:
            streamed = request_of(kwargs.get("streamer"))
            requests = _requests(streamed)
            if streamed is not None and requests == (streamed,):
                token = current_request.set(streamed)
            name = checkpoint_of(self) or type(self).__name__
            generation = Generation(worker, hook, self, name, requests, cached=cached(kwargs))
        except Exception as error:  # noqa: BLE001 - the edge: it generates without us
            worker.hooks.failed(hook, error)
            return original(self, *args, **kwargs)
        inside.around = generation
        try:
            result = original(self, *args, **kwargs)
        except BaseException:
            _end(worker, hook, generation)
            raise
        finally:
            inside.around = None
            if token is not None:
                current_request.reset(token)
        _end(worker, hook, generation)
        try:
            generation.count(args, kwargs, result)
        except Exception as error:  # noqa: BLE001 - the edge: the result is theirs
            worker.hooks.failed(hook, error)
        return result

    return generate


def _requests(streamed: OpenRequest | None) -> Sequence[OpenRequest]:
    """Whose tokens they are: the running batch's, the current request's, or that of the streamer."""
    batch = running_batch.get()
    if batch is not None:
        return batch.owners
    request = current() or streamed
    return () if request is None else (request,)


def _end(worker: Worker, hook: str, generation: Generation) -> None:
    try:
        generation.ended()
    except Exception as error:  # noqa: BLE001 - the edge
        worker.hooks.failed(hook, error)


def _chosen(worker: Worker, hook: str, original: Callable[..., Any]) -> Callable[..., Any]:
    def __call__(self: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: N807 - it becomes that method
        result = original(self, *args, **kwargs)
        around = inside.around
        if isinstance(around, Generation):
            try:
                around.token()
            except Exception as error:  # noqa: BLE001 - the edge
                worker.hooks.failed(hook, error)
        return result

    return __call__
