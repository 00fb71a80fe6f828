"""Ray Serve: its processes are Ray's, started with the environment of whoever starts Ray.

What a program deploys after the line records by itself (`inferometer.hooks.ray_serve_deployment`). The proxy imports
nothing of the user's: it starts recording by ``INFEROMETER_ENABLED``, which Ray hands on to all of its processes when
it is set before Ray starts. A program that imports Ray Serve after the line sets it here for the Ray that it starts.
"""

import os
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Final

from inferometer.recorder.headers import TRACEPARENT, TRACESTATE
from inferometer.recorder.worker import Worker

_KEY: Final = "inferometer"
"""Name under which a request's metadata, which Ray pickles with everything in it, carries `Caller`'s values."""
_ENABLED: Final = "INFEROMETER_ENABLED"


@dataclass(frozen=True, slots=True)
class Caller:
    """What a replica is told of the request that calls it."""

    traceparent: str
    tracestate: str
    tenant: str
    request_class: str

    def put(self, metadata: Any) -> None:
        """Send it along, as plain strings: nobody needs us to unpickle them."""
        vars(metadata)[_KEY] = (self.traceparent, self.tracestate, self.tenant, self.request_class)

    def headers(self) -> list[tuple[bytes, bytes]]:
        """The headers that stand for it."""
        return [
            (TRACEPARENT.encode(), self.traceparent.encode("latin-1")),
            (TRACESTATE.encode(), self.tracestate.encode("latin-1")),
        ]


def caller_of(metadata: Any) -> Caller | None:
    """Who sent a request with this metadata; None where nobody says."""
    values = vars(metadata).get(_KEY)
    return None if values is None else Caller(*values)


def install(worker: Worker, module: ModuleType, hook: str) -> None:  # noqa: ARG001 - every hook has the same parameters
    """Switch recording on in the processes of a Ray that this one will start."""
    if worker.settings.enabled is None:
        os.environ.setdefault(_ENABLED, "1")
