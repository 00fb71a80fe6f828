"""Who makes the spans of a request: our own pipeline, the user's OpenTelemetry, or nobody.

The path of a request asks one attribute, ``Worker.tracing``: None means that our pipeline is the only one there is.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Final, Protocol

from inferometer.record.model import Flag

if TYPE_CHECKING:
    from inferometer.recorder.request import OpenRequest
    from inferometer.wire.frame import Names

FOREIGN: Final = int(Flag.FOREIGN_SPANS)
_SAMPLED: Final = int(Flag.SAMPLED)


class Joined(Protocol):
    """What the user's OpenTelemetry and a request have with each other."""

    span_id: int
    """Of the request's SERVER span in the user's pipeline; 0 as long as it has none."""


class Tracing(Protocol):
    """What requests and the flusher tell, where spans are not our pipeline's business alone.

    Nothing is raised from here.
    """

    owns: bool
    """Whether other instrumentation of servers is passed by, for requests that are recorded."""

    def opened(self, request: "OpenRequest") -> None:
        """A request begins, in the context in which it is handled."""

    def calling(self, request: "OpenRequest") -> None:
        """It calls another service: what the callee is told of its trace must be known now."""

    def answering(self, request: "OpenRequest") -> None:
        """Its answer begins, in the same context as far as one can tell."""

    def closing(self, request: "OpenRequest") -> None:
        """It ends; its record is made after this."""

    def sent(self, frame: bytes, names: "Callable[[], Names]") -> None:
        """The flusher made a frame; *names* are all that the worker ever gave out."""

    def after_fork(self) -> None:
        """In a forked child: forget what the parent will tell."""


class Untraced:
    """Policy ``off`` without any OpenTelemetry: records say that nobody exports their spans."""

    owns = False

    def opened(self, request: "OpenRequest") -> None:
        """Mark the request, so that no intake makes spans of it."""
        request.flags |= FOREIGN

    def calling(self, request: "OpenRequest") -> None:
        """Nothing to do."""

    def answering(self, request: "OpenRequest") -> None:
        """Nothing to do."""

    def closing(self, request: "OpenRequest") -> None:
        """What the caller keeps was passed on; of this request there is nothing in that trace to point at."""
        request.flags &= ~_SAMPLED

    def sent(self, frame: bytes, names: "Callable[[], Names]") -> None:
        """Nothing to do."""

    def after_fork(self) -> None:
        """Nothing to do."""
