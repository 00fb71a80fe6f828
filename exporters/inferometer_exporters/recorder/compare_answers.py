"""JSON of ``/api/compare``: seconds, US dollars, ratios 0-1. Unknown is null."""

from typing import TypedDict


class SideAnswer(TypedDict):
    """One side of a comparison."""

    name: str
    """``before``, ``after``, or the version."""
    begin_seconds: float
    """Since the epoch."""
    end_seconds: float
    requests: int
    """Of the models that are compared."""


class LineAnswer(TypedDict):
    """One figure on both sides."""

    measure: str
    """``whole``, a stage, ``first_chunk``, ``first_token``, ``per_output_token``, ``errors`` or ``cost``."""
    figure: str
    """``mean``, ``p50``, ``p90``, ``p95``, ``p99``, ``p99.9``; ``ratio`` of errors, ``usd_per_1k`` of cost."""
    before: float | None
    after: float | None
    change: float | None
    """Relative: 0.12 is 12 % more. Of errors the difference of both ratios."""
    low: float | None
    """The interval of ``change``, 95 % for all lines together."""
    high: float | None
    verdict: str
    needed: int
    """Requests on each side without which nothing can be said; 0 where there are enough."""


class GroupAnswer(TypedDict):
    """One service and model."""

    service: str
    model: str
    requests_before: int
    requests_after: int
    verdict: str
    lines: list[LineAnswer]


class LeftOutAnswer(TypedDict):
    """A service and model that is not compared."""

    service: str
    model: str
    requests_before: int
    requests_after: int


class CompareAnswer(TypedDict):
    """``/api/compare``."""

    before: SideAnswer
    after: SideAnswer
    paired: bool
    """Both sides are of the same time: what befalls one block befalls both."""
    block_seconds: list[float]
    """Lengths of the blocks that were drawn, of the longer side."""
    draws: int
    seed: int
    confidence: float
    least: float
    verdict: str
    models: list[GroupAnswer]
    left_out: list[LeftOutAnswer]
    """With requests on one side only, or beyond the largest that are compared."""
