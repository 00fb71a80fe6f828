"""transformers: what a tokenizer does for a request is the stage ``preprocess``."""

import time
from collections.abc import Callable
from types import ModuleType
from typing import Any

from inferometer.catalog.stages import Stage
from inferometer.hooks.compute import inside
from inferometer.hooks.patching import replace
from inferometer.recorder.executes import running_batch
from inferometer.recorder.request import current
from inferometer.recorder.worker import Worker

now = time.monotonic_ns


def install(worker: Worker, module: ModuleType, hook: str) -> None:
    """Wrap the call of tokenizers."""
    replace(worker, hook, module.PreTrainedTokenizerBase, "__call__", lambda original: _call(worker, hook, original))


def _call(worker: Worker, hook: str, original: Callable[..., Any]) -> Callable[..., Any]:
    def __call__(self: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: N807 - it becomes that method
        start = now()
        try:
            return original(self, *args, **kwargs)
        finally:
            try:
                if inside.around is None:
                    _told(start)
            except Exception as error:  # noqa: BLE001 - the edge
                worker.hooks.failed(hook, error)

    return __call__


def _told(start: int) -> None:
    end = now()
    batch = running_batch.get()
    for request in batch.owners if batch is not None else (current(),):
        if request is not None:
            request.add_interval(start, end, Stage.PREPROCESS)
