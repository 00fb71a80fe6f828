"""transformers: a streamer knows for which request it was made.

``generate`` with a streamer runs in a thread of its own, which the program starts: there nobody knows the request.
"""

from collections.abc import Callable
from types import ModuleType
from typing import Any, Final
from weakref import WeakKeyDictionary

from inferometer.hooks.patching import replace
from inferometer.recorder.request import OpenRequest, current
from inferometer.recorder.worker import Worker

_made_for: Final[WeakKeyDictionary[Any, OpenRequest]] = WeakKeyDictionary()


def install(worker: Worker, module: ModuleType, hook: str) -> None:
    """Wrap the constructor that all streamers of text have."""
    replace(worker, hook, module.TextStreamer, "__init__", lambda original: _made(worker, hook, original))


def request_of(streamer: Any) -> OpenRequest | None:
    """The open request for which *streamer* was made; None where it was made outside one."""
    request = None if streamer is None else _made_for.get(streamer)
    return None if request is None or request.ended else request


def _made(worker: Worker, hook: str, original: Callable[..., None]) -> Callable[..., None]:
    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:  # noqa: N807 - it becomes that method
        original(self, *args, **kwargs)
        try:
            request = current()
            if request is not None:
                _made_for[self] = request
        except Exception as error:  # noqa: BLE001 - the edge
            worker.hooks.failed(hook, error)

    return __init__
