"""The question of `inferometer compare`, asked of the flight recorder, and what is answered."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from inferometer.fleet.thresholds import PICODOLLARS
from inferometer_exporters.comparison.bootstrap import CONFIDENCE, DRAWS, LEVELS
from inferometer_exporters.comparison.lines import COST, Found, Line, Verdict
from inferometer_exporters.comparison.question import Question, Window
from inferometer_exporters.comparison.verdicts import compared
from inferometer_exporters.recorder.compare_answers import CompareAnswer, GroupAnswer, LeftOutAnswer, LineAnswer
from inferometer_exporters.recorder.compare_sides import Extent, Key, extents_of, labels_of, length, pair_of, sides_of
from inferometer_exporters.recorder.reading import SECOND, Cursor

LARGEST: Final = 12
"""Services and models that are compared, those with most requests."""


def compare(cursor: Cursor, question: Question) -> CompareAnswer:
    """Both sides of every service and model that match, and what differs."""
    keys, labels = labels_of(cursor, question)
    windows = (question.before, question.after)
    extents = [extents_of(cursor, of_side, window) for of_side, window in zip(labels, windows, strict=True)]
    both = sorted(extents[0].keys() & extents[1].keys(), key=lambda group: -extents[0][group].number)[:LARGEST]
    paired = False
    if question.versions is not None and both:
        shared = _shared(extents, both)
        inside = [extents_of(cursor, of_side, shared) for of_side in labels]
        paired = _served_together(extents, inside, both)
        if paired:
            windows, extents = (shared, shared), inside
            both = [group for group in both if group in inside[0] and group in inside[1]]
    spans = [_span(of_side, both) for of_side in extents]
    if paired:
        spans = [windows[0], windows[1]]
    sides = [
        sides_of(cursor, of_side, span, both, stage_percentiles=question.stage_percentiles)
        for of_side, span in zip(labels, spans, strict=True)
    ]
    pairs = [pair_of(keys[group], sides[0][group], sides[1][group]) for group in both]
    found = compared(pairs, paired=paired, least=question.least, seed=question.seed)
    names = question.versions or ("before", "after")
    numbers = [sum(of_side[group].number for group in both) for of_side in extents]
    shown = windows if paired else (question.before, question.after)
    return {
        "before": _side_answer(names[0], shown[0], numbers[0]),
        "after": _side_answer(names[1], shown[1], numbers[1]),
        "paired": paired,
        "block_seconds": [max(length(span) for span in spans) / blocks / SECOND for blocks in LEVELS],
        "draws": DRAWS,
        "seed": question.seed,
        "confidence": CONFIDENCE,
        "least": question.least,
        "verdict": _overall(found),
        "models": [_group_answer(one) for one in found],
        "left_out": _left_out(keys, extents, both),
    }


def _span(extents: Mapping[int, Extent], groups: Sequence[int]) -> Window:
    """From the first to the last request of these groups."""
    if not groups:
        return Window(0, 1)
    return Window(min(extents[group].first_ns for group in groups), max(extents[group].last_ns for group in groups) + 1)


def _shared(extents: Sequence[Mapping[int, Extent]], groups: Sequence[int]) -> Window:
    """The time in which both versions may have served; empty where one came after the other."""
    spans = [_span(of_side, groups) for of_side in extents]
    begin = max(span.begin_ns for span in spans)
    return Window(begin, max(min(span.end_ns for span in spans), begin))


def _served_together(
    extents: Sequence[Mapping[int, Extent]], inside: Sequence[Mapping[int, Extent]], groups: Sequence[int]
) -> bool:
    """Whether each version has half as many requests in the shared time as the rarer one has in all, at least."""
    rarer = min(sum(of_side[group].number for group in groups) for of_side in extents)
    least = min(sum(of_side[group].number for group in groups if group in of_side) for of_side in inside)
    return 2 * least >= rarer


def _side_answer(name: str, window: Window, requests: int) -> Any:
    return {
        "name": name,
        "begin_seconds": window.begin_ns / SECOND,
        "end_seconds": window.end_ns / SECOND,
        "requests": requests,
    }


def _overall(found: Sequence[Found]) -> str:
    said = {one.verdict for one in found}
    ranked = (Verdict.WORSE, Verdict.BETTER, Verdict.SLIGHT, Verdict.NOT_SHOWN, Verdict.SAME)
    return next((verdict for verdict in ranked if verdict in said), Verdict.TOO_FEW).value


def _group_answer(found: Found) -> GroupAnswer:
    return {
        "service": found.service,
        "model": found.model,
        "requests_before": found.requests[0],
        "requests_after": found.requests[1],
        "verdict": found.verdict.value,
        "lines": [_line_answer(line) for line in found.lines],
    }


def _line_answer(line: Line) -> LineAnswer:
    # Errors are a ratio as they stand; cost is one of a thousand requests; everything else is ns.
    factor = 1000 / PICODOLLARS if line.measure == COST else 1.0 if line.figure == "ratio" else 1 / SECOND
    return {
        "measure": line.measure,
        "figure": "usd_per_1k" if line.measure == COST else line.figure,
        "before": None if line.before is None else line.before * factor,
        "after": None if line.after is None else line.after * factor,
        "change": line.change,
        "low": line.low,
        "high": line.high,
        "verdict": line.verdict.value,
        "needed": line.needed,
    }


def _left_out(
    keys: Sequence[Key], extents: Sequence[Mapping[int, Extent]], compared_groups: Sequence[int]
) -> list[LeftOutAnswer]:
    nothing = Extent(0, 0, 0)
    return [
        {
            "service": service,
            "model": model,
            "requests_before": extents[0].get(group, nothing).number,
            "requests_after": extents[1].get(group, nothing).number,
        }
        for group, (service, model) in enumerate(keys)
        if group not in compared_groups and (group in extents[0] or group in extents[1])
    ]
