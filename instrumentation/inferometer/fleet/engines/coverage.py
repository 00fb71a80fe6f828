"""The table of signals by engines: how well each engine tells what.

``python -m inferometer.fleet.engines.coverage [--check] FILE...`` writes it into Markdown files, between markers.
"""

import argparse
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from inferometer.catalog.engines import SIGNALS, Signal
from inferometer.fleet import engines
from inferometer.fleet.engines import Boundaries, Quality, boundaries

MARKS: Final[Mapping[Quality, str]] = {
    Quality.EXACT: "●",
    Quality.APPROXIMATE: "◐",
    Quality.LOWER_BOUND: "≥",
    Quality.MEAN_ONLY: "x̄",
    Quality.ABSENT: "",
}
_BLOCK: Final = re.compile(r"(<!-- generated: (?P<name>engine-[a-z]+) -->\n).*?(<!-- end -->)", re.DOTALL)


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


def _engines() -> str:
    table = ["| engine | `engine:` | page | tested with |", "|---|---|---|---|"]
    for mapping in engines.every():
        page = f"{mapping.page} {mapping.enable}".strip()
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


_TABLES: Final = {"engine-coverage": _table, "engine-list": _engines, "engine-notes": _notes}


def filled(text: str) -> str:
    """*text* with every block ``<!-- generated: NAME -->`` … ``<!-- end -->`` of an engine's table filled anew.

    Raises:
        KeyError: a block names a table that does not exist.
    """
    return _BLOCK.sub(lambda block: f"{block[1]}{_TABLES[block['name']]()}\n{block[3]}", text)


def main(arguments: list[str]) -> int:
    """Write or compare; 1 where ``--check`` found a difference."""
    parser = argparse.ArgumentParser(prog="python -m inferometer.fleet.engines.coverage", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing, exit 1 if a file is out of date")
    parser.add_argument("files", nargs="+", type=Path)
    options = parser.parse_args(arguments)
    stale = [path for path in options.files if filled(path.read_text()) != path.read_text()]
    for path in stale:
        if options.check:
            sys.stderr.write(f"{path} is out of date with the engines' mappings; run `make generate`\n")
        else:
            path.write_text(filled(path.read_text()))
    return int(options.check and bool(stale))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
