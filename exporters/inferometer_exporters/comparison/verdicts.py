"""From two sides to verdicts."""

from collections.abc import Sequence
from math import exp, isfinite

from inferometer_exporters.comparison.bootstrap import intervals
from inferometer_exporters.comparison.figures import Figure, tasks
from inferometer_exporters.comparison.lines import Found, Line, Verdict, weighed
from inferometer_exporters.comparison.samples import Pair


def compared(pairs: Sequence[Pair], *, paired: bool, least: float, seed: int = 0) -> list[Found]:
    """Every figure of every pair, judged together.

    Args:
        pairs: services and models with both sides.
        paired: both sides are of the same time.
        least: relative difference that counts, 0.05 for 5 %.
        seed: of the draws; the same one gives the same answer.
    """
    todo = [task for number, pair in enumerate(pairs) for task in tasks(number, pair)]
    found = intervals(todo, paired=paired, seed=seed)
    figures = [figure for task in todo for figure in task.figures]
    lines: list[list[Line]] = [[] for _ in pairs]
    for figure, difference, half in zip(figures, found.difference, found.half, strict=True):
        lines[figure.pair].append(judged(figure, float(difference), float(half), least))
    return [
        Found(
            service=pair.service,
            model=pair.model,
            requests=(pair.before.requests, pair.after.requests),
            lines=tuple(weighed(of_pair)),
        )
        for pair, of_pair in zip(pairs, lines, strict=True)
    ]


def judged(figure: Figure, difference: float, half: float, least: float) -> Line:
    """A line of a figure whose difference is known up to *half* in either direction."""
    change = low = high = None
    if figure.needed:
        verdict = Verdict.TOO_FEW
    elif not isfinite(difference) or not isfinite(half) or (not figure.relative and half >= 1):
        # Not computed, or an interval of every difference that there can be.
        verdict = Verdict.NOT_SHOWN
    else:
        change, low, high = (
            # Shares of requests differ by all of them at most.
            exp(end) - 1 if figure.relative else max(-1.0, min(end, 1.0))
            for end in (difference, difference - half, difference + half)
        )
        counts = least if figure.relative else 0.0
        verdict = _verdict(change, low, high, counts)
    return Line(
        measure=figure.measure,
        figure=figure.name,
        before=figure.before,
        after=figure.after,
        change=change,
        low=low,
        high=high,
        verdict=verdict,
        needed=figure.needed,
    )


def _verdict(change: float, low: float, high: float, least: float) -> Verdict:
    if low > 0 or high < 0:
        if abs(change) < least:
            return Verdict.SLIGHT
        return Verdict.WORSE if change > 0 else Verdict.BETTER
    return Verdict.SAME if -least < low and high < least else Verdict.NOT_SHOWN
