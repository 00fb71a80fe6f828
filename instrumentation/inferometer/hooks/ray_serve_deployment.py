"""Ray Serve's deployments: a replica records where the program that deploys it does.

Ray sends a decorated class by value, so the line in its module does not reach the replica. What is sent is a pickle;
before it goes a few bytes that import us, where we are installed.
"""

import struct
from collections.abc import Callable
from types import ModuleType
from typing import Any, Final

from inferometer.hooks.patching import replace, require
from inferometer.recorder.worker import Worker

_CODE: Final = b"try:\n import inferometer.auto\nexcept ImportError:\n pass\n"
SWITCH: Final = b"".join((b"cbuiltins\nexec\n(X", struct.pack("<I", len(_CODE)), _CODE, b"tR0"))
"""As opcodes of `pickle`: call ``exec`` with the code, and drop what it returns."""


def install(worker: Worker, module: ModuleType, hook: str) -> None:
    """Wrap what makes the message to the controller.

    Raises:
        UnsupportedError: this Ray sends deployments in another way.
    """
    require(module.ReplicaConfig, "to_proto")
    replace(worker, hook, module.ReplicaConfig, "to_proto", lambda original: _switched_on(worker, hook, original))


def _switched_on(worker: Worker, hook: str, original: Callable[..., Any]) -> Callable[..., Any]:
    def to_proto(self: Any, *args: Any, **kwargs: Any) -> Any:
        message = original(self, *args, **kwargs)
        try:
            if self.needs_pickle and not message.deployment_def.startswith(SWITCH):
                message.deployment_def = SWITCH + message.deployment_def
        except Exception as error:  # noqa: BLE001 - the edge: the deployment goes out as it is
            worker.hooks.failed(hook, error)
        return message

    return to_proto
