"""Thread pools: the current request goes along into ``ThreadPoolExecutor.submit``.

``asyncio.to_thread`` and anyio copy all context variables themselves; ``loop.run_in_executor`` and executors of one's
own do not. Only our variable is carried: what else a program keeps in its context is its own business.
"""

from collections.abc import Callable
from types import ModuleType
from typing import Any

from inferometer.hooks.patching import replace
from inferometer.recorder.executes import running_batch
from inferometer.recorder.request import current_request
from inferometer.recorder.worker import Worker


def install(worker: Worker, module: ModuleType, hook: str) -> None:
    """Wrap ``ThreadPoolExecutor.submit``."""
    replace(worker, hook, module.ThreadPoolExecutor, "submit", _submit)


def _submit(original: Callable[..., Any]) -> Callable[..., Any]:
    def submit(self: Any, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        request, batch = current_request.get(), running_batch.get()
        if request is None and batch is None:
            return original(self, function, *args, **kwargs)

        def carried(*inner_args: Any, **inner_kwargs: Any) -> Any:
            request_token, batch_token = current_request.set(request), running_batch.set(batch)
            try:
                return function(*inner_args, **inner_kwargs)
            finally:
                current_request.reset(request_token)
                running_batch.reset(batch_token)

        return original(self, carried, *args, **kwargs)

    return submit
