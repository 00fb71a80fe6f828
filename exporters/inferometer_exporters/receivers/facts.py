"""What a span of somebody else says of a request: the seam to which every engine's own words are added.

A `Normalizer` looks at one SERVER span, and at what came below it, and says what a record needs, or that it is not
about a request that it knows. They are asked in order (`engine_spans.NORMALIZERS`); the last is `GENERATION`,
OpenTelemetry's own conventions.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple, Protocol

from inferometer.catalog import spans
from inferometer.catalog.stages import Kind, Outcome, Stage
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
_HTTP_STATUS: Final = spans.HTTP_STATUS.name
_STATUS: Final = (_HTTP_STATUS,)
_MODELS: Final = (spans.GEN_AI_RESPONSE_MODEL.name, spans.GEN_AI_REQUEST_MODEL.name)
_OPERATION: Final = (spans.GEN_AI_OPERATION.name,)
_READ: Final = (spans.GEN_AI_INPUT_TOKENS.name, spans.GEN_AI_PROMPT_TOKENS.name)
_WRITTEN: Final = (spans.GEN_AI_OUTPUT_TOKENS.name, spans.GEN_AI_COMPLETION_TOKENS.name)
_MOST_TOKENS: Final = 0xFFFF_FFFF
"""The wire's and the recorder's columns have 32 bits."""
_STATUSES: Final = range(100, 600)
_SECOND: Final = 10**9
_LONGEST: Final = 10**7
"""Seconds: four months. A number beyond is no duration of a request."""


class Told(Protocol):
    """A span as normalizers see it; times are ns since the epoch. Whatever costs something is read when asked for."""

    @property
    def name(self) -> str:
        """Its name."""

    @property
    def failed(self) -> bool:
        """Whether its status is ``ERROR``."""

    @property
    def attributes(self) -> Mapping[str, Value]:
        """Those that a normalizer wants."""

    @property
    def start(self) -> int:
        """When it began."""

    @property
    def end(self) -> int:
        """When it ended."""

    def events(self) -> Mapping[str, int]:
        """Its events by name, the last of each."""

    def below(self) -> Sequence["Told"]:
        """Spans that came with it and are its children or theirs, in no order."""


class Part(NamedTuple):
    """A stretch of a request that a span tells of; times are ns since the epoch."""

    stage: Stage
    kind: Kind
    start: int
    end: int


class Facts(NamedTuple):
    """What a record needs besides ids and times; empty or 0 where the span does not say."""

    outcome: Outcome
    model: str = ""
    route: str = ""
    status: int = 0
    """HTTP status."""
    tokens_in: int = 0
    tokens_out: int = 0
    version: str = ""
    parts: tuple[Part, ...] = ()
    """Where its time went, as far as it is told; what none covers is `handler`: inside the server, not told apart."""
    tokens_cached: int = 0
    """Of `tokens_in`: a prefix cache had them."""
    first_token: int = 0
    """When the first token left, ns since the epoch."""


def with_parts(facts: Facts, parts: tuple[Part, ...], first_token: int) -> Facts:
    """The same with where its time went, and when its first token left."""
    # Field by field: `_replace` takes as long as all else that is done for a span.
    outcome, model, route, status, read, written, version, _, cached, _ = facts
    return Facts(outcome, model, route, status, read, written, version, parts, cached, first_token)


def with_model(facts: Facts, model: str) -> Facts:
    """The same of a model."""
    outcome, _, route, status, read, written, version, parts, cached, first = facts
    return Facts(outcome, model, route, status, read, written, version, parts, cached, first)


class Normalizer(Protocol):
    """Knows the spans of one engine, or of one convention."""

    @property
    def names(self) -> frozenset[str]:
        """Attributes that it looks at; others are not decoded."""

    @property
    def roots(self) -> bool:
        """Whether its requests may be roots that are no SERVER spans."""

    @property
    def mark(self) -> bytes:
        """What is in every body that tells of its requests; empty: nobody knows. Most spans are of no engine."""

    @property
    def alone(self) -> "Alone | None":
        """How to ask it of attributes, where it looks at no other span than the one that it is asked about."""

    @property
    def called(self) -> Callable[[str], bool]:
        """Whether a span of this name may be one of its requests."""

    @property
    def inner(self) -> frozenset[str]:
        """Names of its requests that may be spans of no kind below others."""

    @property
    def early(self) -> Callable[[str], bool]:
        """Whether a span of this name may come long before its request."""

    def __call__(self, span: Told) -> Facts | None:
        """What *span* says of a request; None where it is not about one, or somebody else's."""


def _any_name(_: str) -> bool:
    return True


def _no_name(_: str) -> bool:
    return False


Alone = Callable[[Mapping[str, Value], bool, int], Facts | None]
"""Attributes of a span, whether it failed, and when it began: what these alone say of a request."""


class Convention(NamedTuple):
    """A normalizer made of a function."""

    names: frozenset[str]
    ask: Callable[[Told], Facts | None]
    roots: bool = False
    mark: bytes = b""
    called: Callable[[str], bool] = _any_name
    alone: Alone | None = None
    inner: frozenset[str] = frozenset()
    early: Callable[[str], bool] = _no_name

    def __call__(self, span: Told) -> Facts | None:
        """What *span* says of a request; None where it is not about one."""
        return self.ask(span)


def of_generation(span: Told) -> Facts | None:
    """A request to a generative model, by OpenTelemetry's conventions and the names that were theirs before."""
    return generated(span.attributes, span.failed)


def generated(said: Mapping[str, Value], failed: bool, _start: int = 0) -> Facts | None:  # noqa: FBT001 - an `Alone`
    """What attributes say of a request to a generative model; None where they are of none."""
    if _GENERATION.isdisjoint(said):
        return None
    status = number(said, _STATUS) if _HTTP_STATUS in said else 0
    if status not in _STATUSES:
        status = 0
    # What most say, or nobody, is found without a call: each would be a part of what a span costs.
    model, operation = said.get(_MODELS[0]) or said.get(_MODELS[1]), said.get(_OPERATION[0])
    read, written = said.get(_READ[0]) or said.get(_READ[1]), said.get(_WRITTEN[0]) or said.get(_WRITTEN[1])
    return Facts(
        _ended(status, failed=failed) if status or failed else Outcome.OK,
        model if model.__class__ is str else text(said, _MODELS) if model else "",
        operation if operation.__class__ is str else "",
        status,
        read if read.__class__ is int and 0 < read <= _MOST_TOKENS else number(said, _READ) if read else 0,
        written
        if written.__class__ is int and 0 < written <= _MOST_TOKENS
        else (number(said, _WRITTEN) if written else 0),
    )


def outcome(span: Told, status: int) -> Outcome:
    """How a request ended, by its HTTP status (0: not known) and whether the span failed."""
    return _ended(status, failed=span.failed)


def _ended(status: int, *, failed: bool) -> Outcome:
    if status:
        found = of_request(status, None, left=False, retry_after=False, overdue=False)
        # A stream may fail after its head said 200.
        return Outcome.SERVER_ERROR if found is Outcome.OK and failed else found
    return Outcome.SERVER_ERROR if failed else Outcome.OK


def number(said: Mapping[str, Value], names: Sequence[str]) -> int:
    """The first of *names* that is a count; 0 where none is."""
    for name in names:
        value = said.get(name)
        # A bool is no count.
        if type(value) is int and 0 < value <= _MOST_TOKENS:
            return value
    return 0


def text(said: Mapping[str, Value], names: Sequence[str]) -> str:
    """The first of *names* that is a text; empty where none is."""
    for name in names:
        value = said.get(name)
        if isinstance(value, str) and value:
            return value
    return ""


def seconds(said: Mapping[str, Value], name: str) -> int | None:
    """An attribute in seconds, as ns; None where it is none, or below 0."""
    value = said.get(name)
    if value.__class__ is not float and (isinstance(value, bool) or not isinstance(value, int | float)):
        return None
    if not 0 <= value < _LONGEST:
        return None
    return round(value * _SECOND)


GENERATION: Final = Convention(_GENERATION | {spans.HTTP_STATUS.name}, of_generation, mark=b"gen_ai.", alone=generated)
"""OpenTelemetry's own conventions, for engines that have no words of their own."""
