"""Each panel that foreign engines feed says how well those of the fleet tell what it shows.

Which series a panel reads is read off its queries: whoever writes a panel need not think of engines.
"""

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from inferometer.catalog.engines import SIGNALS, Signal
from inferometer.catalog.model import Series
from inferometer.fleet.model import Fleet
from inferometer.promql import Part
from inferometer_dashboards.boards.engine_quality import Told, told
from inferometer_dashboards.panels import Board, Panel

_ENTRIES: Final = tuple({signal.entry.name: signal.entry for signal in SIGNALS}.values())
_PARTS: Final = "|".join(part.value for part in Part if part.value)


def noted(board: Board, fleet: Fleet) -> Board:
    """The board with a paragraph behind the description of each panel that engines of the fleet feed."""
    engines = told(fleet)
    if not engines:
        return board
    rows = tuple(replace(row, panels=tuple(_noted(panel, engines) for panel in row.panels)) for row in board.rows)
    return replace(board, rows=rows)


def _noted(panel: Panel, engines: tuple[Told, ...]) -> Panel:
    of = list(_read(panel))
    if not of:
        return panel
    said = " ".join(_sentence(asked, each, alone=len(of) == 1) for asked in of for each in engines)
    return replace(panel, description=f"{panel.description}\n\n{said}")


def _read(panel: Panel) -> Iterator[tuple[Signal, ...]]:
    """What the panel reads of what engines tell: one signal, or all stages or directions of a series."""
    text = "\n".join(query.expr.text for query in panel.promql)
    for entry in _ENTRIES:
        if selected := re.findall(rf"\b{entry.name}(?:{_PARTS})?\b(\{{[^}}]*\}})?", text):
            yield _signals(entry, selected)


def _signals(entry: Series, selected: list[str]) -> tuple[Signal, ...]:
    every = tuple(signal for signal in SIGNALS if signal.entry == entry)
    named = tuple(
        signal
        for signal in every
        if signal.label is not None and any(f'{signal.label.name}="{signal.value}"' in one for one in selected)
    )
    return named or every


def _sentence(asked: tuple[Signal, ...], each: Told, *, alone: bool) -> str:
    """How well an engine tells it: with the reason and what helps, or of several values in short."""
    if len(asked) == 1:
        known = each.signals[asked[0].name]
        subject = each.title if alone else f"{each.title}, `{asked[0].name}`"
        return f"{subject}: {known.word}.{known.why}"
    by_value = {signal.value: each.signals[signal.name] for signal in asked}
    values = ", ".join(f"{value} ({one.word})" for value, one in by_value.items() if one.is_told)
    return f"{each.title}, `{asked[0].entry.name}`: {values or 'absent'}."
