"""``torch.compile``: its tracer passes our call of modules and compiles what is inside, as it does PyTorch's own.

Without this the tracer compiles our frame, which all modules share: from the ninth compiled model on (its limit of
compilations for one piece of code) nothing would be compiled any more.
"""

import sys
from functools import partial
from types import ModuleType
from typing import Any, Final

from inferometer.hooks.patching import UnsupportedError
from inferometer.recorder.worker import Worker

_UNPATCHED: Final = "unpatched_nn_module_call"


def install(worker: Worker, module: ModuleType, hook: str) -> None:
    """Let the tracer skip our frame, and take our call of modules for the one that it may replace by ``forward``.

    Raises:
        UnsupportedError: this version of PyTorch has no such switch.
    """
    call: Any = sys.modules["torch"].nn.Module.__call__
    original = getattr(call, "__wrapped__", None)
    skip = getattr(module, "skip_code", None)
    if original is None or skip is None:
        raise UnsupportedError("modules of torch are not wrapped, or its frames cannot be skipped")
    skip(call.__code__)
    for name in ("torch._dynamo.utils", "torch._dynamo.variables.nn_module"):
        # They were imported before us and know the original.
        known = sys.modules.get(name)
        if vars(known or module).get(_UNPATCHED) is original:
            setattr(known, _UNPATCHED, call)
            worker.hooks.on_failure(hook, partial(setattr, known, _UNPATCHED, original))
