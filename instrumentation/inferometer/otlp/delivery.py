"""What a receiver of traces answers, whatever the protocol."""

from dataclasses import dataclass
from enum import Enum, auto
from typing import Final, Protocol

from inferometer.errors import WireError
from inferometer.otlp.read import fields

_PARTIAL_SUCCESS: Final = 1
_REJECTED_SPANS: Final = 1
_MESSAGE: Final = 2


class Verdict(Enum):
    """What is to be done about what was sent."""

    ACCEPTED = auto()
    AGAIN = auto()
    """The same may be accepted later."""
    REFUSED = auto()
    """Finally."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Of the receiver, or of the network in its place."""

    verdict: Verdict
    said: str = ""
    """Its words or status, for a log."""
    after_seconds: float | None = None
    """When it wants to be asked again; None where it does not say."""
    rejected_spans: int = 0
    """Spans of what it accepted that it left out."""


class Delivery(Protocol):
    """A way to a receiver; used by one thread."""

    def send(self, body: bytes) -> Answer:
        """Send a whole ``ExportTraceServiceRequest``."""

    def close(self) -> None:
        """Let go of the connection."""


def accepted(body: bytes) -> Answer:
    """The answer that an ``ExportTraceServiceResponse`` is; a body that is none says nothing against what was sent."""
    rejected, said = 0, ""
    try:
        for number, partial in fields(body):
            if number == _PARTIAL_SUCCESS and isinstance(partial, bytes):
                for inner, value in fields(partial):
                    if inner == _REJECTED_SPANS and isinstance(value, int):
                        rejected = value
                    elif inner == _MESSAGE and isinstance(value, bytes):
                        said = value.decode("utf-8", "replace")
    except WireError:
        return Answer(Verdict.ACCEPTED)
    return Answer(Verdict.ACCEPTED, said, rejected_spans=rejected)
