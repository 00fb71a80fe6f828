"""One objective of one model, and how it judges a request. Standard library only: workers read it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, NamedTuple

from inferometer.catalog.stages import ANSWERED, FAILED, Outcome, Stage


class Sli(StrEnum):
    """What an objective measures."""

    AVAILABILITY = "availability"
    LATENCY = "latency"
    TIME_TO_FIRST_CHUNK = "time_to_first_chunk"
    TIME_TO_FIRST_TOKEN = "time_to_first_token"
    TIME_PER_OUTPUT_TOKEN = "time_per_output_token"
    GOODPUT = "goodput"
    FRESHNESS = "freshness"
    COST_PER_1K = "cost_per_1k"
    GPU_AVAILABILITY = "gpu_availability"


TIMES: Final = (
    Sli.LATENCY,
    Sli.TIME_TO_FIRST_CHUNK,
    Sli.TIME_TO_FIRST_TOKEN,
    Sli.TIME_PER_OUTPUT_TOKEN,
)
"""A time of each request with a limit."""
COUNTED: Final = (Sli.AVAILABILITY, *TIMES, Sli.GOODPUT)
"""Every request is good, bad or neither; the others look every half minute how things are."""


class Limit(NamedTuple):
    """A time of a request that is late above a limit."""

    sli: Sli
    """One of `TIMES`."""
    ns: int
    stage: Stage | None = None
    """Of a latency: the one stage whose exclusive time it is."""


class Times(NamedTuple):
    """What a finished request took, in ns; None where it is not known."""

    duration: int
    first_chunk: int | None = None
    """From its arrival to the first chunk of a streamed answer."""
    first_token: int | None = None
    """From its arrival to its first output token."""
    per_token: int | None = None
    """Mean time per output token after the first."""
    stages: Sequence[int] = ()
    """Exclusive time by stage code; empty where nobody asked for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Objective:
    """One objective of one model; ``slo`` is its name on series, ``target`` in percent as fleet.yaml writes it.

    ``tenant``, ``version`` and ``request_class`` say which requests it is about; empty: all.
    """

    slo: str
    service: str
    model: str
    name: str
    sli: Sli
    threshold_ns: int | None
    target: str
    window_ns: int
    stage: Stage | None = None
    """The stage that a latency is of; None: the whole request."""
    within: tuple[tuple[Sli, int], ...] = ()
    """Limits of a goodput, in ns: all of them must be kept."""
    tenant: str = ""
    version: str = ""
    request_class: str = ""
    limits: tuple[Limit, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        limits = tuple(Limit(sli, ns) for sli, ns in self.within)
        if self.threshold_ns is not None and self.sli in TIMES:
            limits = (*limits, Limit(self.sli, self.threshold_ns, self.stage))
        object.__setattr__(self, "limits", limits)

    def covers(self, *, tenant: str, version: str, request_class: str) -> bool:
        """Whether a request is one of those that it is about; *tenant* as the label has it, a known one or `other`."""
        return (
            self.tenant in {"", tenant} and self.version in {"", version} and self.request_class in {"", request_class}
        )

    def judge(self, outcome: Outcome, times: Times) -> bool | None:
        """Whether a finished request was good (True), bad (False), or counts neither way (None).

        Bad is whatever took longer than a limit, however it ended, because it was slow before anybody knew how it
        would end (see :meth:`crossed`); for availability and goodput also what failed. Good are answers that kept all
        limits. Client errors and cancelled requests in time count neither way, nor do answers whose time per token is
        not known where that is all that is asked. Warm-up requests are the caller's to leave out.
        """
        if self.late(times):
            return False
        if self.counts_errors and outcome in FAILED:
            return False
        if outcome not in ANSWERED or (self.needs_tokens and times.per_token is None):
            return None
        return True

    def late(self, times: Times) -> bool:
        """Whether a finished request took longer than a limit."""
        return any(_taken(limit, times) > limit.ns for limit in self.limits)

    def crossed(self, open_ns: int, first_chunk_ns: int | None, first_token_ns: int | None = None) -> bool:
        """Whether a request that is still open is bad already, after ``open_ns``.

        Who counts such a request does so once, and leaves out the verdict of :meth:`judge` at its end. The time of a
        stage and the time per token are known at the end only.
        """
        return any(_so_far(limit, open_ns, first_chunk_ns, first_token_ns) > limit.ns for limit in self.limits)

    @property
    def counts_errors(self) -> bool:
        """Whether a request that failed is bad."""
        return self.sli in {Sli.AVAILABILITY, Sli.GOODPUT}

    @property
    def needs_tokens(self) -> bool:
        """Whether only requests with two output tokens or more count as good."""
        return self.sli is Sli.TIME_PER_OUTPUT_TOKEN

    @property
    def shortest_ns(self) -> int | None:
        """Duration up to which no limit can be crossed; None without limits: every time is a part of the duration."""
        return min((limit.ns for limit in self.limits), default=None)


def _taken(limit: Limit, times: Times) -> int:
    """The time that a limit is for.

    An answer in one piece is its own first chunk. A first token that nobody saw was there with the first chunk.
    """
    match limit.sli:
        case Sli.TIME_TO_FIRST_CHUNK:
            found = times.first_chunk
        case Sli.TIME_TO_FIRST_TOKEN:
            found = times.first_chunk if times.first_token is None else times.first_token
        case Sli.TIME_PER_OUTPUT_TOKEN:
            return times.per_token or 0
        case _:
            return times.duration if limit.stage is None else times.stages[limit.stage]
    return times.duration if found is None else found


def _so_far(limit: Limit, open_ns: int, first_chunk_ns: int | None, first_token_ns: int | None) -> int:
    """What is known of that time while the request is open: it is as much, or more."""
    match limit.sli:
        case Sli.TIME_TO_FIRST_CHUNK:
            found = first_chunk_ns
        case Sli.TIME_TO_FIRST_TOKEN:
            found = first_chunk_ns if first_token_ns is None else first_token_ns
        case Sli.TIME_PER_OUTPUT_TOKEN:
            return 0
        case _:
            return open_ns if limit.stage is None else 0
    return open_ns if found is None else found
