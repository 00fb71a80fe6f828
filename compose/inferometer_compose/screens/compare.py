"""Two sides beside each other, a verdict per line, and what it comes to."""

import math
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Final

from rich.text import Text

from inferometer_compose.screens.units import UNKNOWN, percent
from inferometer_exporters.comparison.lines import COST, ERRORS, STAGE_COUNTS, WHOLE, Verdict
from inferometer_exporters.recorder.compare_answers import CompareAnswer, GroupAnswer, LineAnswer, SideAnswer

_NAME, _FIGURE = 34, 12
_COLOURS: Final = {Verdict.WORSE: "red", Verdict.BETTER: "green", Verdict.TOO_FEW: "dim"}
_NAMES: Final = {
    WHOLE: "whole request",
    "first_chunk": "time to first chunk",
    "first_token": "time to first token",
    "per_output_token": "time per output token",
    ERRORS: "failed requests",
    COST: "cost of 1,000 requests",
}
_ONE_DIGIT_BELOW: Final = 10
"""Per cent: 7.2 to 8.9 % says more than 7 to 9."""
_HUGE: Final = 10.0
"""Times more: how many more than that an interval allows is no news."""
_ALWAYS: Final = frozenset({WHOLE, ERRORS, COST})
_DIFFER: Final = frozenset({Verdict.WORSE, Verdict.BETTER, Verdict.SLIGHT})


def lines(answer: CompareAnswer, *, all_lines: bool) -> Iterator[Text]:
    """The whole screen; stages without a difference are left out unless *all_lines*."""
    width = max(len(answer[side]["name"]) for side in ("before", "after"))
    yield _side(answer["before"], width)
    yield _side(answer["after"], width)
    for group in answer["models"]:
        yield Text()
        yield from _group(group, answer, all_lines=all_lines)
    yield Text()
    yield from _left_out(answer)
    if answer["models"]:
        yield Text(_how(answer), "dim")
    yield Text(_in_all(answer), f"bold {_COLOURS.get(Verdict(answer['verdict']), '')}".strip())


def _side(side: SideAnswer, width: int) -> Text:
    begin, end = (datetime.fromtimestamp(side[name], UTC) for name in ("begin_seconds", "end_seconds"))
    return Text(
        f"{side['name']:<{width}}  {begin:%Y-%m-%d %H:%M:%S} .. {end:%Y-%m-%d %H:%M:%S} UTC  "
        f"{side['requests']:>12,} requests"
    )


def _group(group: GroupAnswer, answer: CompareAnswer, *, all_lines: bool) -> Iterator[Text]:
    title = "  ".join(filter(None, (group["service"], group["model"])))
    heads = (answer["before"]["name"], answer["after"]["name"])
    yield Text(f"{title:<{_NAME}}{heads[0]:>{_FIGURE}}{heads[1]:>{_FIGURE}}", "bold")
    hidden = 0
    for line in group["lines"]:
        if all_lines or line["measure"] in _ALWAYS or Verdict(line["verdict"]) in _DIFFER:
            yield _line(line, answer["least"])
        else:
            hidden += 1
    if hidden:
        yield Text(f"  {hidden} more lines of stages: no difference shown (--all shows them)", "dim")


def _line(line: LineAnswer, least: float) -> Text:
    name = f"  {_NAMES.get(line['measure'], line['measure'])}"
    name += "" if line["measure"] in {ERRORS, COST} else f"  {line['figure']}"
    figures = "".join(f"{_figure(line, value):>{_FIGURE}}" for value in (line["before"], line["after"]))
    return Text.assemble(
        f"{name:<{_NAME}}{figures}   ", (verdict(line, least), _COLOURS.get(Verdict(line["verdict"]), ""))
    )


def _figure(line: LineAnswer, value: float | None) -> str:
    if line["measure"] == COST:
        return UNKNOWN if value is None else _money(value)
    return percent(value, digits=2) if line["measure"] == ERRORS else _time(value)


def _time(seconds: float | None) -> str:
    """``143 ms``, ``15.1 ms``: three digits, so that a change of some per cent shows."""
    if seconds is None:
        return UNKNOWN
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= 0.9995 * size or unit == "µs":
            value = seconds / size
            digits = max(0, 2 - len(str(int(value + 0.0005))) + 1)
            return f"{value:.{digits}f} {unit}"
    return UNKNOWN


def verdict(line: LineAnswer, least: float) -> str:
    """One line's verdict in words."""
    said = Verdict(line["verdict"])
    change, low, high = line["change"], line["low"], line["high"]
    if said is Verdict.TOO_FEW:
        return f"too few requests to say: {line['needed']:,} on each side are needed"
    if change is None or low is None or high is None:
        return _unknown(line)
    if said is Verdict.SAME:
        return f"the same within {percent(least)}"
    by = _by(change, low, high, points=line["measure"] == ERRORS)
    if said is Verdict.NOT_SHOWN:
        return f"no difference shown {by}"
    if said is Verdict.SLIGHT:
        of = percent(least) if abs(change) < least else f"{percent(STAGE_COUNTS)} of the whole request"
        return f"differs by less than {of}: {by}"
    return f"{said.value} by {by}"


def _unknown(line: LineAnswer) -> str:
    if not line["before"] and not line["after"]:
        return "no difference shown"
    few = "failed requests" if line["measure"] == ERRORS else "moments with such requests"
    return f"too few {few} to say"


def _by(change: float, low: float, high: float, *, points: bool) -> str:
    """By how much, and the interval; one that holds 0 keeps its signs."""
    unit = " points" if points else " %"
    digits = 2 if points else 1 if 100 * max(abs(low), abs(high)) < _ONE_DIGIT_BELOW else 0
    if low <= 0 <= high:
        most = f"{100 * high:+.{digits}f}" if high < _HUGE else f"more than {100 * _HUGE:+.0f}"
        return f"({100 * low:+.{digits}f} to {most}{unit})"
    near, far = sorted((abs(low), abs(high)))
    dash = "\N{EN DASH}"
    return f"{100 * abs(change):.{digits}f}{unit} ({100 * near:.{digits}f}{dash}{100 * far:.{digits}f}{unit})"


def _left_out(answer: CompareAnswer) -> Iterator[Text]:
    names = (answer["before"]["name"], answer["after"]["name"])
    for group in answer["left_out"]:
        title = "  ".join(filter(None, (group["service"], group["model"]))) or UNKNOWN
        numbers = f"{group['requests_before']:,} {names[0]}, {group['requests_after']:,} {names[1]}"
        yield Text(f"not compared: {title} ({numbers})", "dim")


def _how(answer: CompareAnswer) -> str:
    shortest, longest = min(answer["block_seconds"]), max(answer["block_seconds"])
    kind = "of both at once " if answer["paired"] else ""
    return (
        f"intervals: {percent(answer['confidence'])} for all lines together, {answer['draws']:,} draws of blocks "
        f"{kind}of {_stretch(shortest)} to {_stretch(longest)}, seed {answer['seed']}"
    )


def _money(usd: float) -> str:
    """``$0.0000534``: three digits, no exponent."""
    places = max(2, 2 - math.floor(math.log10(abs(usd)))) if usd else 2
    return f"${usd:.{places}f}"


def _stretch(seconds: float) -> str:
    for unit, size in (("h", 3600.0), ("min", 60.0)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.3g} s"


def _in_all(answer: CompareAnswer) -> str:
    said = Verdict(answer["verdict"])
    after, before = answer["after"]["name"], answer["before"]["name"]
    differ = [
        f"{_named(group)}: {_worst(group['lines'], said)}"
        for group in answer["models"]
        if group["verdict"] == said.value
    ]
    if said in {Verdict.WORSE, Verdict.BETTER}:
        return f"In all: {after} is {said.value} than {before}. " + "; ".join(differ)
    words = {
        Verdict.SLIGHT: f"{after} differs from {before} by less than {percent(answer['least'])}",
        Verdict.SAME: f"{after} is the same as {before} within {percent(answer['least'])}",
        Verdict.NOT_SHOWN: f"no difference shown between {before} and {after}",
        Verdict.TOO_FEW: "too few requests to say",
    }
    return f"In all: {words[said]}"


def _named(group: GroupAnswer) -> str:
    return group["model"] or group["service"]


def _worst(shown: Sequence[LineAnswer], said: Verdict) -> str:
    """What the whole request says, and the stage that its mean changed most by."""
    mine = [line for line in shown if line["verdict"] == said.value]
    whole = [line for line in mine if line["measure"] in _ALWAYS]
    first = _short((whole or mine)[-1] if not whole else _largest(whole))
    means = [line for line in shown if line["figure"] == "mean" and line["measure"] != WHOLE and line in mine]
    if not means:
        return first
    most = max(means, key=lambda line: abs(_moved(line)))
    return f"{first}; most of it in {most['measure']} ({_moved(most) * 1e3:+.2f} ms a request)"


def _largest(whole: Sequence[LineAnswer]) -> LineAnswer:
    latencies = [line for line in whole if line["measure"] == WHOLE]
    return max(latencies or whole, key=lambda line: abs(line["change"] or 0.0))


def _moved(line: LineAnswer) -> float:
    return (line["after"] or 0.0) - (line["before"] or 0.0)


def _short(line: LineAnswer) -> str:
    name = _NAMES.get(line["measure"], line["measure"])
    figure = "" if line["measure"] in {ERRORS, COST} else f" {line['figure']}"
    by = _by(line["change"] or 0.0, line["low"] or 0.0, line["high"] or 0.0, points=line["measure"] == ERRORS)
    return f"{name}{figure} by {by}"
