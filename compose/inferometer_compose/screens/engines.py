"""Engines on a terminal: which are known, what a page says, what it cannot say."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from textwrap import wrap
from typing import Final

from rich.text import Text

from inferometer.catalog.engines import SIGNALS
from inferometer.catalog.index import series
from inferometer.catalog.labels import DEVICE, MODEL, REPLICA, VERSION
from inferometer.catalog.model import Unit
from inferometer.fleet.engines import Boundaries, Quality
from inferometer.fleet.engines import Mapping as EngineMapping
from inferometer.fleet.engines.coverage import MARKS, place
from inferometer_compose.screens.columns import Column, plain, table
from inferometer_compose.screens.units import duration
from inferometer_compose.screens.wrapped import wrapped
from inferometer_exporters.engines.detection import VersionFrom
from inferometer_exporters.engines.reading import Reading, Value

_WIDE: Final = 10_000
_INDENT: Final = 2
_GAP: Final = 2
_SAID_BY: Final[Mapping[VersionFrom, str]] = {
    VersionFrom.PAGE: "its page says so",
    VersionFrom.FLEET: "as you say",
    VersionFrom.NAMES: "by the names on its page",
    VersionFrom.UNKNOWN: "version unknown: nothing on its page tells it",
}
_OF_PAGES: Final = (MODEL.name, VERSION.name, REPLICA.name, DEVICE.name)
_ROWS: Final = 8
"""Series of one signal that are shown; ``--json`` has all."""


def listing(known: Sequence[EngineMapping], width: int) -> Iterator[Text]:
    """Engines, a line each, and below it where its page is."""
    columns = (
        Column("engine", [mapping.engine for mapping in known], figure=False),
        Column("", [mapping.title for mapping in known], figure=False),
        Column("tested with", [", ".join(mapping.tested) for mapping in known], figure=False),
    )
    title, *rows = table(columns, _WIDE)[0]
    yield title
    for row, mapping in zip(rows, known, strict=True):
        yield row
        yield from wrapped(Text(f"    {place(mapping)}", "dim"), width)


def coverage(told: Mapping[str, Mapping[str, Boundaries]], width: int) -> Iterator[Text]:
    """Signals by engines, a mark each; as many engines side by side as there is room for."""
    names = Column("signal", [signal.name for signal in SIGNALS], figure=False)
    left = [
        Column(name, [MARKS[of[signal.name].quality] for signal in SIGNALS], figure=False) for name, of in told.items()
    ]
    while left:
        room = width - names.width - _INDENT
        beside: list[Column] = []
        while left and (not beside or left[0].width + _GAP <= room):
            room -= left[0].width + _GAP
            beside.append(left.pop(0))
        yield from table([names, *beside], _WIDE)[0]
        yield Text()
    yield Text(f"  {_legend()}")


def _legend() -> str:
    return "   ".join(f"{mark or 'empty'} {quality.replace('_', ' ')}" for quality, mark in MARKS.items())


def of_engine(mapping: EngineMapping, told: Mapping[str, Boundaries], width: int) -> Iterator[Text]:
    """Every signal of one engine, and why it is not better."""
    names = [signal.name for signal in SIGNALS]
    columns = (
        Column("signal", names, figure=False),
        Column("", [MARKS[told[name].quality] for name in names], figure=False),
        Column("", [told[name].quality.replace("_", " ") for name in names], figure=False),
    )
    lines, _ = table(columns, _WIDE)
    yield Text(f"{mapping.title}: {mapping.page} {mapping.enable}".rstrip(), style="bold")
    yield from (Text(), *lines, Text())
    reasons: dict[str, list[str]] = {}
    for name in names:
        if told[name].quality is not Quality.EXACT:
            reasons.setdefault(_reason(told[name].reason, told[name].flag), []).append(name)
    yield from _explained(reasons, width)


def reading(found: Reading, page: str, width: int) -> Iterator[Text]:
    """What a page says."""
    version = (
        f"{plain(found.version)} ({_SAID_BY[found.version_from]})" if found.version else _SAID_BY[found.version_from]
    )
    common = _common(found)
    everywhere = f" · {_labels(common)}" if common else ""
    yield Text(f"{found.title}  {version} · {found.samples:,} series{everywhere} · {plain(page)}", style="bold")
    yield Text()
    rows = [
        (name if not number else "", value)
        for name, values in found.signals.items()
        for number, value in enumerate(values[:_ROWS])
    ]
    columns = (
        Column("signal", [name for name, _ in rows], figure=False),
        Column("says", [_figure(name, value) for name, value in _named(rows)], figure=False),
        Column("", [_labels(_own(name, value, common)) for name, value in _named(rows)], figure=False),
        Column("", [value.quality.replace("_", " ") for _, value in rows], figure=False),
        Column("from", [value.source for _, value in rows], rank=1, figure=False),
    )
    lines, left_out = table(columns, width)
    yield from lines
    more = sum(max(len(values) - _ROWS, 0) for values in found.signals.values())
    if more or left_out:
        yield Text(f"  {_rest(more, left_out)}: --json", style="dim")
    yield from _part("Not told", _explained(_reasons(found), width))
    yield from _part("Told wrong by the engine itself", _explained(_faults(found), width))
    unknown = [Text(f"  {plain(name)}", style="yellow") for name in found.unknown]
    yield from _part("Unknown: names of the engine's own that its mapping does not know", unknown)


def _part(title: str, lines: Iterable[Text]) -> Iterator[Text]:
    shown = list(lines)
    if shown:
        yield Text()
        yield Text(title, style="bold")
        yield from shown


def _named(rows: Iterable[tuple[str, Value]]) -> Iterator[tuple[str, Value]]:
    """Rows with the name that a row of the same signal further up has."""
    last = ""
    for name, value in rows:
        last = name or last
        yield last, value


def _figure(name: str, value: Value) -> str:
    unit = series(name.partition("{")[0]).unit
    if value.value is not None:
        return _amount(value.value, unit)
    if not value.count:
        return f"{value.count:,.10g}"
    mean = "" if value.sum is None else f", mean {_amount(value.sum / value.count, unit)}"
    return f"{value.count:,.10g}{mean}"


def _amount(number: float, unit: Unit) -> str:
    if unit is Unit.SECONDS:
        return duration(number)
    return f"{number:,.4g}" if number < 1 or number != int(number) else f"{number:,.0f}"


def _common(found: Reading) -> dict[str, str]:
    """Labels that are the same wherever they are."""
    said: dict[str, set[str]] = {}
    for values in found.signals.values():
        for value in values:
            for name, text in value.labels.items():
                said.setdefault(name, set()).add(text)
    everywhere = {name: texts.pop() for name, texts in said.items() if len(texts) == 1}
    return {name: text for name, text in everywhere.items() if name in _OF_PAGES}


def _own(name: str, value: Value, common: Mapping[str, str]) -> dict[str, str]:
    """Labels that say more than the name and the title do."""
    return {
        label: said for label, said in value.labels.items() if label not in common and f'{label}="{said}"' not in name
    }


def _labels(labels: Mapping[str, str]) -> str:
    return plain(" ".join(f"{name}={said}" for name, said in labels.items()))


def _rest(more: int, left_out: Sequence[str]) -> str:
    parts = [f"{more} more series"] if more else []
    return ", ".join((*parts, *left_out))


def _reasons(found: Reading) -> dict[str, list[str]]:
    grouped: dict[str, list[str]] = {}
    for name, missing in found.missing.items():
        grouped.setdefault(_reason(missing.reason, missing.flag), []).append(name)
    return grouped


def _reason(reason: str, flag: str) -> str:
    return f"{reason} Switch: {flag}" if flag else reason


def _faults(found: Reading) -> dict[str, list[str]]:
    return {
        f"{fault.what} Evidence: {fault.evidence}": [name] for name, faults in found.faults.items() for fault in faults
    }


def _explained(reasons: Mapping[str, Sequence[str]], width: int) -> Iterator[Text]:
    for reason, names in reasons.items():
        for line in wrap(", ".join(names), width - 2, break_long_words=False, break_on_hyphens=False):
            yield Text(f"  {line}")
        for line in wrap(reason, width - 6, break_long_words=False, break_on_hyphens=False):
            yield Text(f"      {line}", style="dim")
