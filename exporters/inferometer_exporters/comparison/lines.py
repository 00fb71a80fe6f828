"""What a comparison says: lines with a plain verdict each, and one for all of them."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

WHOLE: Final = "whole"
"""The measure of a request from its first byte to its last."""
ERRORS: Final = "errors"
COST: Final = "cost"


class Verdict(StrEnum):
    """What can be said of a line."""

    WORSE = "worse"
    BETTER = "better"
    SLIGHT = "slight"
    """It differs, by less than counts."""
    SAME = "same"
    """Whatever the difference is, it is less than counts."""
    NOT_SHOWN = "not_shown"
    """No difference is shown, and none is ruled out."""
    TOO_FEW = "too_few"


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One figure on both sides.

    ``change``, ``low`` and ``high`` are relative, 0.12 is 12 % more; those of errors are absolute, 0.01 is one request
    in a hundred more.
    """

    measure: str
    """`WHOLE`, a stage, ``first_chunk`` …, `ERRORS`, `COST`."""
    figure: str
    """``mean``, ``p50`` …; ``ratio`` of errors; ``per_request`` of cost."""
    before: float | None
    """ns; 0-1 of errors; picodollars of cost. None where there is nothing to compute it from, as ``after``."""
    after: float | None
    change: float | None
    """None, as its interval, where nothing can be said."""
    low: float | None
    high: float | None
    verdict: Verdict
    needed: int
    """Requests on each side without which nothing can be said; 0 where there are enough."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """All lines of one service and model."""

    service: str
    model: str
    requests: tuple[int, int]
    """Before and after."""
    lines: tuple[Line, ...]

    @property
    def verdict(self) -> Verdict:
        """Of all lines: worse where one is, then better; else what can be said of the whole request."""
        said = {line.verdict for line in self.lines}
        for verdict in (Verdict.WORSE, Verdict.BETTER, Verdict.SLIGHT):
            if verdict in said:
                return verdict
        whole = {line.verdict for line in self.lines if line.measure == WHOLE} - {Verdict.TOO_FEW}
        if not whole:
            return Verdict.TOO_FEW
        return Verdict.SAME if whole == {Verdict.SAME} else Verdict.NOT_SHOWN
