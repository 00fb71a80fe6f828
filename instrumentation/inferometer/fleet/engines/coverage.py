"""The table of signals by engines: how well each engine tells what.

``python -m inferometer.fleet.engines.coverage [--check] FILE...`` writes it into Markdown files, between markers.
"""

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from inferometer import generated_tables
from inferometer.catalog.engines import SIGNALS, Signal
from inferometer.fleet import engines
from inferometer.fleet.engines import Boundaries, Quality, boundaries
from inferometer.fleet.engines import Mapping as EngineMapping

MARKS: Final[Mapping[Quality, str]] = {
    Quality.EXACT: "●",
    Quality.APPROXIMATE: "◐",
    Quality.LOWER_BOUND: "≥",
    Quality.MEAN_ONLY: "x̄",
    Quality.ABSENT: "",
}


@dataclass(frozen=True, slots=True)
class Row:
    """A signal, and how good it is by engine."""

    signal: Signal
    cells: Mapping[str, Boundaries]


def rows(names: Sequence[str] | None = None) -> Iterator[Row]:
    """Every signal; engines without any page of their own signals stand there, too."""
    columns = {name: boundaries(name) for name in names or engines.names()}
    for signal in SIGNALS:
        yield Row(signal, {name: of[signal.name] for name, of in columns.items()})


def _table() -> str:
    names = engines.names()
    head = [
        "| signal | " + " | ".join(names) + " |",
        "|---|" + ":-:|" * len(names),
    ]
    body = [
        f"| `{row.signal.name}` | " + " | ".join(MARKS[row.cells[name].quality] for name in names) + " |"
        for row in rows()
    ]
    return "\n".join(head + body)


def place(mapping: EngineMapping) -> str:
    """Where an engine's page is, and what switches it on where it is off."""
    return "; ".join(part.rstrip(".") for part in (mapping.page, mapping.enable) if part)


def _engines() -> str:
    table = ["| engine | `engine:` | page | tested with |", "|---|---|---|---|"]
    for mapping in engines.every():
        page = place(mapping)
        table.append(f"| {mapping.title} | `{mapping.engine}` | {page} | {', '.join(mapping.tested)} |")
    return "\n".join(table)


def _notes() -> str:
    parts = []
    for mapping in engines.every():
        parts.append(f"### {mapping.title}\n")
        parts += _told(mapping.engine)
        faults = [(told.signal.name, fault) for told in mapping.signals for fault in told.faults]
        parts += [f"- Fault, `{name}`: {fault.what} Evidence: {fault.evidence}" for name, fault in faults]
        parts.append("")
    return "\n".join(parts).rstrip()


def _told(engine: str) -> Iterator[str]:
    """What is not exact, and why; absent signals of one reason in one line."""
    absent: dict[tuple[str, str], list[str]] = {}
    for name, known in boundaries(engine).items():
        if known.quality is Quality.ABSENT:
            absent.setdefault((known.reason, known.flag), []).append(f"`{name}`")
        elif known.quality is not Quality.EXACT:
            yield f"- `{name}` is {known.quality}: {known.reason}{_switch(known.flag)}"
    for (reason, flag), names in absent.items():
        yield f"- Absent: {', '.join(names)}. {reason}{_switch(flag)}"


def _switch(flag: str) -> str:
    return f" Switch: {flag}" if flag else ""


TABLES: Final[generated_tables.Tables] = {"engine-coverage": _table, "engine-list": _engines, "engine-notes": _notes}


if __name__ == "__main__":
    sys.exit(generated_tables.main("inferometer.fleet.engines.coverage", sys.argv[1:], TABLES))
