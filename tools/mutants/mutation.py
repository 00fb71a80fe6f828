"""Every mutant of a rule: one number, comparison, matcher, operator, label or time is another one.

A mutant that does not parse is none. What is not mutated: annotations (checked as text elsewhere), names of series (a
name that nobody records is found by the lint), and intervals of groups (promtool evaluates all groups at each step).
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise
from typing import Any, Final

import promql_parser

from inferometer.fleet import durations
from mutants.tokens import AGGREGATIONS, MATCHINGS, replaced, tokens

Rule = Mapping[str, Any]
Text = Iterator[tuple[str, str]]

_MORE, _LESS = Decimal("1.25"), Decimal("0.75")
_FLIPPED: Final = {">": "<", "<": ">", ">=": "<", "<=": ">", "==": "!=", "!=": "=="}
_CALCULATED: Final = {"+": "-", "-": "+", "*": "/", "/": "*"}
_SETS: Final = {"and": ("or", "unless"), "or": ("and", "unless"), "unless": ("and", "or")}
_MATCHES: Final = {"=": "!=", "!=": "=", "=~": "!~", "!~": "=~"}
_OTHER_AGGREGATION: Final = {"sum": "max", "max": "sum", "min": "max", "avg": "sum", "count": "sum"}
_OTHER_FUNCTION: Final = {
    "increase": "rate",
    "rate": "increase",
    "sum_over_time": "max_over_time",
    "max_over_time": "min_over_time",
    "min_over_time": "max_over_time",
    "avg_over_time": "max_over_time",
    "last_over_time": "max_over_time",
    "abs": "ceil",
}
_TIMES: Final = ("for", "keep_firing_for")


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    """A wrong version of a rule."""

    kind: str
    change: str
    rule: Rule | None
    """The rule instead; None: it is gone."""


def mutants(rule: Rule) -> Iterator[Mutant]:
    """All mutants of a rule of a rule file."""
    yield Mutant(kind="rule", change="removed", rule=None)
    seen = {rule["expr"]}
    for kind, mutate in _OF_TEXT.items():
        for change, text in mutate(rule["expr"]):
            if text not in seen and _parses(text):
                seen.add(text)
                yield Mutant(kind=kind, change=change, rule={**rule, "expr": text})
    yield from _times(rule)
    yield from _labels(rule)


def _parses(text: str) -> bool:
    try:
        promql_parser.parse(text)
    except ValueError:
        return False
    return True


def _plain(value: Decimal) -> str:
    return f"{value.normalize():f}"


def _numbers(text: str) -> Text:
    for token in tokens(text):
        if token.kind != "number":
            continue
        value = Decimal(token.text)
        others = (Decimal(1),) if value == 0 else (value * _MORE, value * _LESS)
        for other in others:
            yield f"{token.text} -> {_plain(other)}", replaced(text, token.start, token.end, _plain(other))


def _windows(text: str) -> Text:
    for token in tokens(text):
        if token.kind != "duration":
            continue
        length = durations.parse(token.text)
        for other in (length * 2, length // 2):
            by = durations.render(other)
            yield f"{token.text} -> {by}", replaced(text, token.start, token.end, by)


def _operators(table: Mapping[str, str | tuple[str, ...]], *, inside_braces: bool) -> Callable[[str], Text]:
    def changed(text: str) -> Text:
        for token in tokens(text):
            others = table.get(token.text) if token.kind in {"operator", "word"} else None
            if others is None or (token.inside == "{") is not inside_braces:
                continue
            for other in (others,) if isinstance(others, str) else others:
                yield f"{token.text} -> {other}", replaced(text, token.start, token.end, other)

    return changed


def _comparisons_dropped(text: str) -> Text:
    """``x > 5`` becomes ``x``; what is compared stays."""
    found = list(tokens(text))
    for token, after in pairwise(found):
        if token.text in _FLIPPED and token.inside != "{" and after.kind == "number":
            yield f"without {token.text} {after.text}", replaced(text, token.start, after.end, "")


def _matchers(text: str) -> Text:
    found = [token for token in tokens(text) if token.inside == "{"]
    for place, token in enumerate(found):
        if token.kind != "string":
            continue
        label = found[place - 2]
        comma = found[place + 1] if place + 1 < len(found) and found[place + 1].kind == "comma" else None
        end = comma.end if comma else token.end
        yield f"without {text[label.start : token.end]}", replaced(text, label.start, end, "")
        yield f"{label.text}=another", replaced(text, token.start, token.end, '"another"')


def _grouping(text: str) -> Text:
    """Labels of by(), on() and group_left(): each one dropped."""
    found = list(tokens(text))
    for place, token in enumerate(found):
        if token.kind != "word" or token.head not in MATCHINGS or token.inside != "(":
            continue
        start, end = token.start, token.end
        if found[place + 1].kind == "comma":
            end = found[place + 2].start
        elif found[place - 1].kind == "comma":
            start = found[place - 1].start
        yield f"{token.head} without {token.text}", replaced(text, start, end, "")


def _aggregations(text: str) -> Text:
    for token in tokens(text):
        if token.kind == "word" and token.text in AGGREGATIONS and (other := _OTHER_AGGREGATION.get(token.text)):
            yield f"{token.text} -> {other}", replaced(text, token.start, token.end, other)


def _functions(text: str) -> Text:
    for token in tokens(text):
        if token.kind == "word" and token.inside != "{" and (other := _OTHER_FUNCTION.get(token.text)):
            yield f"{token.text} -> {other}", replaced(text, token.start, token.end, other)


_OF_TEXT: Final[Mapping[str, Callable[[str], Text]]] = {
    "number": _numbers,
    "window": _windows,
    "comparison": _operators(_FLIPPED, inside_braces=False),
    "comparison dropped": _comparisons_dropped,
    "calculation": _operators(_CALCULATED, inside_braces=False),
    "set operator": _operators(_SETS, inside_braces=False),
    "matcher": _matchers,
    "matcher's operator": _operators(_MATCHES, inside_braces=True),
    "grouping label": _grouping,
    "aggregation": _aggregations,
    "function": _functions,
}


def _times(rule: Rule) -> Iterator[Mutant]:
    for field in _TIMES:
        if field not in rule:
            continue
        length = durations.parse(rule[field])
        for other in (length * 2, length // 2):
            by = durations.render(other)
            yield Mutant(kind=field, change=f"{rule[field]} -> {by}", rule={**rule, field: by})
        without = {key: value for key, value in rule.items() if key != field}
        yield Mutant(kind=field, change=f"without {field}", rule=without)


def _labels(rule: Rule) -> Iterator[Mutant]:
    labels = rule.get("labels", {})
    for name in labels:
        kind = "severity" if name == "severity" else "label"
        yield Mutant(kind=kind, change=f"{name}=another", rule={**rule, "labels": {**labels, name: "another"}})
        without = {key: value for key, value in labels.items() if key != name}
        yield Mutant(kind=kind, change=f"without {name}", rule={**rule, "labels": without})
