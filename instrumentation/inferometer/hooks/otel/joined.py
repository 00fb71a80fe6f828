"""What a request and the user's OpenTelemetry have with each other."""

from typing import Any

from opentelemetry.trace import Span


class Joined:
    """State of one request, from its beginning until its stages have left."""

    __slots__ = ("frames", "local", "ours", "span", "span_id", "token", "tracer")

    def __init__(self) -> None:
        self.span: Span | None = None
        """The request's SERVER span in the user's pipeline, recorded or sampled out; None as long as there is none."""
        self.span_id = 0
        """Its id; 0 without one."""
        self.ours = False
        """Whether we made that span, because nobody else did."""
        self.local: Span | None = None
        """The span of the user's that the request began in, where that is no SERVER span."""
        self.tracer: Any = None
        """The user's tracer that made the first span seen of this request."""
        self.token: Any = None
        """What takes our span out of the context again, under policy ``own``."""
        self.frames = 0
        """Frames since the request ended."""
