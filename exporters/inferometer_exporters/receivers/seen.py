"""A span as normalizers see it, decoded as far as they ask."""

from collections.abc import Callable, Mapping, Sequence

from inferometer.otlp.read import Value
from inferometer_exporters.receivers import messages
from inferometer_exporters.receivers.facts import Told


def _alone() -> Sequence[Told]:
    return ()


class Seen:
    """A span that came.

    Args:
        span: as it was decoded.
        wanted: attributes that normalizers look at.
        below: finds the spans below it.
    """

    __slots__ = ("_attributes", "_below", "_span", "_wanted")

    def __init__(
        self, span: messages.Span, wanted: frozenset[str], below: Callable[[], Sequence[Told]] = _alone
    ) -> None:
        self._span = span
        self._wanted = wanted
        self._below = below
        self._attributes: Mapping[str, Value] | None = None

    @property
    def name(self) -> str:
        """Its name."""
        name: str = self._span.name
        return name

    @property
    def failed(self) -> bool:
        """Whether its status is ``ERROR``."""
        return messages.failed(self._span)

    @property
    def attributes(self) -> Mapping[str, Value]:
        """Those that a normalizer wants."""
        found = self._attributes
        if found is None:
            found = self._attributes = messages.wanted(self._span, self._wanted)
        return found

    @property
    def start(self) -> int:
        """When it began, ns since the epoch."""
        start: int = self._span.start_time_unix_nano
        return start

    @property
    def end(self) -> int:
        """When it ended."""
        end: int = self._span.end_time_unix_nano
        return end

    def events(self) -> Mapping[str, int]:
        """Its events by name."""
        return messages.events(self._span)

    def below(self) -> Sequence[Told]:
        """Spans below it."""
        return self._below()
