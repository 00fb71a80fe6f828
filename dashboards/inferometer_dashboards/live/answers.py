"""What a panel's statement found, as the page draws it."""

from collections.abc import Callable, Sequence
from math import isfinite
from typing import Any, Final

from inferometer.catalog.stages import Stage
from inferometer_dashboards.live.ranges import SECOND, Range
from inferometer_dashboards.live.source import Table
from inferometer_dashboards.panels import Kind, Panel

MAX_SERIES: Final = 24
"""Lines of a panel: of more nobody tells the colours apart; the largest are shown, and how many are not."""
MAX_ROWS: Final = 500
_DIGITS: Final = 6
_STAGES: Final = tuple(stage.label for stage in Stage)
Answer = dict[str, Any]


def panel_answer(panel: Panel, table: Table, shown: Range) -> Answer:
    """A panel with its data; ``kind`` says which."""
    described: Answer = {
        "key": panel.key,
        "title": panel.title,
        "description": panel.description,
        "unit": panel.unit.name.lower(),
        "kind": panel.kind.name.lower(),
        "steps": [{"at": step.at, "colour": step.colour.name.lower()} for step in panel.steps],
        "maximum": panel.maximum,
    }
    return described | _DATA[panel.kind](panel, table, shown)


def rounded(value: Any) -> Any:
    """A number with `_DIGITS` digits, null where there is none: NaN is no JSON."""
    if value is None or isinstance(value, str):
        return value
    number = float(value)
    return float(f"{number:.{_DIGITS}g}") if isfinite(number) else None


def _lines(_: Panel, table: Table, shown: Range) -> Answer:
    columns, rows = table
    step = shown.step_ns / SECOND
    first = shown.since_ns // shown.step_ns
    count = -(-shown.until_ns // shown.step_ns) - first
    labels = columns[1:-1]
    series: dict[tuple[str, ...], list[float | None]] = {}
    for time, *named, value in rows:
        place = round(time / step) - first
        if 0 <= place < count:
            series.setdefault(tuple(text or "" for text in named), [None] * count)[place] = rounded(value)
    largest = sorted(series, key=lambda key: -sum(value or 0 for value in series[key]))[:MAX_SERIES]
    telling = [place for place in range(len(labels)) if len({key[place] for key in largest}) > 1]
    telling = telling or list(range(len(labels)))[-1:]
    return {
        "times": [(first + place) * step for place in range(count)],
        "series": [
            {
                "name": " ".join(key[place] for place in telling if key[place]),
                "labels": dict(zip(labels, key, strict=True)),
                "values": series[key],
            }
            for key in sorted(largest, key=_place)
        ],
        "left_out": len(series) - len(largest),
    }


def _place(key: tuple[str, ...]) -> tuple[object, ...]:
    """Stages in the order in which a request goes through them, everything else by name."""
    return tuple((_STAGES.index(text), "") if text in _STAGES else (-1, text) for text in key)


def _name(values: Sequence[str]) -> str:
    return " ".join(text for text in values if text)


def _heatmap(_: Panel, table: Table, shown: Range) -> Answer:
    rows = table[1]
    step, first = shown.step_ns / SECOND, shown.since_ns // shown.step_ns
    count = -(-shown.until_ns // shown.step_ns) - first
    places = {seconds: place for place, seconds in enumerate(sorted({row[1] for row in rows}))}
    cells = [
        [round(time / step) - first, places[seconds], int(value)]
        for time, seconds, value in rows
        if 0 <= round(time / step) - first < count
    ]
    return {
        "times": [(first + place) * step for place in range(count)],
        "seconds": [rounded(seconds) for seconds in places],
        "cells": cells,
    }


def _stat(_: Panel, table: Table, __: Range) -> Answer:
    rows = table[1]
    return {"value": rounded(rows[0][-1]) if rows else None}


def _bars(_: Panel, table: Table, __: Range) -> Answer:
    columns, rows = table
    labels = columns[:-1]
    return {
        "items": [
            {"name": _name([text or "" for text in named]), "labels": dict(zip(labels, named, strict=True)),
             "value": rounded(value)}
            for *named, value in rows[:MAX_ROWS]
        ],
        "left_out": max(len(rows) - MAX_ROWS, 0),
    }  # fmt: skip


def _table(panel: Panel, table: Table, _: Range) -> Answer:
    columns, rows = table
    units = {query.legend: (query.show or panel.unit).name.lower() for query in panel.promql}
    return {
        "columns": [{"name": name, "unit": units.get(name)} for name in columns],
        "rows": [[rounded(value) for value in row] for row in rows[:MAX_ROWS]],
        "left_out": max(len(rows) - MAX_ROWS, 0),
    }


_DATA: Final[dict[Kind, Callable[[Panel, Table, Range], Answer]]] = {
    Kind.LINES: _lines,
    Kind.STACK: _lines,
    Kind.HEATMAP: _heatmap,
    Kind.STAT: _stat,
    Kind.BARS: _bars,
    Kind.TABLE: _table,
}
