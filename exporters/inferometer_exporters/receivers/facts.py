"""What a span of somebody else says of a request: the seam to which every engine's own words are added.

A `Normalizer` looks at one SERVER span and says what a record needs, or that it is not about a request that it knows.
They are asked in order; the last is `of_generation`, OpenTelemetry's own conventions.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple, Protocol

from inferometer.catalog import spans
from inferometer.catalog.stages import Outcome
from inferometer.otlp.read import Value
from inferometer.recorder.outcome import of_request

_GENERATION: Final = frozenset(
    {
        spans.GEN_AI_OPERATION.name,
        spans.GEN_AI_REQUEST_MODEL.name,
        spans.GEN_AI_RESPONSE_MODEL.name,
        spans.GEN_AI_INPUT_TOKENS.name,
        spans.GEN_AI_OUTPUT_TOKENS.name,
        spans.GEN_AI_PROMPT_TOKENS.name,
        spans.GEN_AI_COMPLETION_TOKENS.name,
    }
)
_MOST_TOKENS: Final = 0xFFFF_FFFF
"""The wire's and the recorder's columns have 32 bits."""
_STATUSES: Final = range(100, 600)


class Told(NamedTuple):
    """A SERVER span as normalizers see it."""

    service: str
    name: str
    failed: bool
    """Whether its status is ``ERROR``."""
    attributes: Mapping[str, Value]
    """Those that a normalizer wants."""


class Facts(NamedTuple):
    """What a record needs besides ids and times; empty or 0 where the span does not say."""

    outcome: Outcome
    model: str = ""
    route: str = ""
    status: int = 0
    """HTTP status."""
    tokens_in: int = 0
    tokens_out: int = 0


class Normalizer(Protocol):
    """Knows the spans of one engine, or of one convention."""

    @property
    def names(self) -> frozenset[str]:
        """Attributes that it looks at; others are not decoded."""

    def __call__(self, span: Told) -> Facts | None:
        """What *span* says of a request; None where it is not about one, or somebody else's."""


class Convention(NamedTuple):
    """A normalizer made of a function."""

    names: frozenset[str]
    ask: Callable[[Told], Facts | None]

    def __call__(self, span: Told) -> Facts | None:
        """What *span* says of a request; None where it is not about one."""
        return self.ask(span)


def of_generation(span: Told) -> Facts | None:
    """A request to a generative model, by OpenTelemetry's conventions and the names that were theirs before."""
    said = span.attributes
    if _GENERATION.isdisjoint(said):
        return None
    status = _number(said, (spans.HTTP_STATUS.name,))
    known = status in _STATUSES
    return Facts(
        model=_text(said, (spans.GEN_AI_RESPONSE_MODEL.name, spans.GEN_AI_REQUEST_MODEL.name)),
        route=_text(said, (spans.GEN_AI_OPERATION.name,)),
        outcome=_outcome(span, status if known else 0),
        status=status if known else 0,
        tokens_in=_number(said, (spans.GEN_AI_INPUT_TOKENS.name, spans.GEN_AI_PROMPT_TOKENS.name)),
        tokens_out=_number(said, (spans.GEN_AI_OUTPUT_TOKENS.name, spans.GEN_AI_COMPLETION_TOKENS.name)),
    )


def _outcome(span: Told, status: int) -> Outcome:
    if status:
        found = of_request(status, None, left=False, retry_after=False, overdue=False)
        # A stream may fail after its head said 200.
        return Outcome.SERVER_ERROR if found is Outcome.OK and span.failed else found
    return Outcome.SERVER_ERROR if span.failed else Outcome.OK


def _number(said: Mapping[str, Value], names: Sequence[str]) -> int:
    for name in names:
        value = said.get(name)
        if isinstance(value, int) and not isinstance(value, bool) and 0 < value <= _MOST_TOKENS:
            return value
    return 0


def _text(said: Mapping[str, Value], names: Sequence[str]) -> str:
    for name in names:
        value = said.get(name)
        if isinstance(value, str) and value:
            return value
    return ""


NORMALIZERS: Final[tuple[Normalizer, ...]] = (Convention(_GENERATION | {spans.HTTP_STATUS.name}, of_generation),)
"""In the order in which they are asked."""
