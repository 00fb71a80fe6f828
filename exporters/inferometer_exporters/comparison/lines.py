"""What a comparison says: lines with a plain verdict each, and one for all of them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from inferometer.catalog.stages import Stage

WHOLE: Final = "whole"
"""The measure of a request from its first byte to its last."""
ERRORS: Final = "errors"
COST: Final = "cost"
STAGE_COUNTS: Final = 0.01
"""Of the whole request: a difference of a stage that is a smaller part of it does not count, however large it is of
the stage itself. A stage with a smaller part of the time has no line at all."""
_STAGES: Final = frozenset(stage.label for stage in Stage)


class Verdict(StrEnum):
    """What can be said of a line."""

    WORSE = "worse"
    BETTER = "better"
    SLIGHT = "slight"
    """It differs, by less than counts: of itself, or, of a stage, of the whole request."""
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
        """Of what callers and the bill feel worse where one line is, then better; else of stages.

        A stage that takes longer in requests that are quicker as a whole is why they are not quicker still.
        """
        felt = {line.verdict for line in self.lines if line.measure not in _STAGES}
        stages = {line.verdict for line in self.lines if line.measure in _STAGES}
        for said in (felt, stages):
            for verdict in (Verdict.WORSE, Verdict.BETTER):
                if verdict in said:
                    return verdict
        if Verdict.SLIGHT in felt | stages:
            return Verdict.SLIGHT
        whole = {line.verdict for line in self.lines if line.measure == WHOLE} - {Verdict.TOO_FEW}
        if not whole:
            return Verdict.TOO_FEW
        return Verdict.SAME if whole == {Verdict.SAME} else Verdict.NOT_SHOWN


def weighed(lines: Sequence[Line]) -> list[Line]:
    """Lines of one model, in which a stage is worse or better only where the whole request could tell."""
    whole = {line.figure: line for line in lines if line.measure == WHOLE}
    return [
        replace(line, verdict=Verdict.SLIGHT)
        if line.measure in _STAGES and _lost(line, whole.get(line.figure))
        else line
        for line in lines
    ]


def _lost(line: Line, whole: Line | None) -> bool:
    """Whether a difference is too small a part of the same figure of the whole request, on the quicker side."""
    if line.verdict not in {Verdict.WORSE, Verdict.BETTER} or whole is None:
        return False
    if line.before is None or line.after is None or whole.before is None or whole.after is None:
        return False
    return abs(line.after - line.before) < STAGE_COUNTS * min(whole.before, whole.after)
