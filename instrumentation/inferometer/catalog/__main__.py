"""Write the catalogue's tables into Markdown files, between markers; ``--check`` only compares.

``python -m inferometer.catalog [--check] FILE...``
"""

import argparse
import re
import sys
from collections.abc import Callable
from pathlib import Path

from inferometer.catalog import devices, engines, requests, spans, telemetry
from inferometer.catalog.model import Series
from inferometer.catalog.phases import PHASES
from inferometer.catalog.stages import STAGES

_BLOCK = re.compile(r"(<!-- generated: (?P<name>[a-z-]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def _series_table(module: object) -> str:
    rows = ["| series | kind | labels | meaning |", "|---|---|---|---|"]
    for entry in vars(module).values():
        if isinstance(entry, Series):
            labels = " ".join(f"`{name}`" for name in entry.label_names)
            rows.append(f"| `{entry.name}` | {entry.kind} | {labels} | {entry.help} |")
    return "\n".join(rows)


def _stage_table() -> str:
    rows = ["| stage | meaning | kinds |", "|---|---|---|"]
    for doc in STAGES:
        kinds = " ".join(f"`{kind.label}`" for kind in doc.kinds)
        rows.append(f"| `{doc.stage.label}` | {doc.meaning} | {kinds} |")
    return "\n".join(rows)


def _label_table() -> str:
    labels = {
        (label.name, label.help): label
        for module in (requests, engines, devices, telemetry)
        for entry in vars(module).values()
        if isinstance(entry, Series)
        for label in entry.labels
    }
    rows = ["| label | values | meaning |", "|---|---|---|"]
    for label in sorted(labels.values(), key=lambda label: (label.name, label.help)):
        values = " ".join(f"`{value}`" for value in label.values) or f"at most {label.max_values}"
        rows.append(f"| `{label.name}` | {values} | {label.help} |")
    return "\n".join(rows)


def _attribute_table() -> str:
    rows = ["| attribute | meaning |", "|---|---|"]
    rows += [f"| `{entry.name}` | {entry.help} |" for entry in spans.ATTRIBUTES]
    return "\n".join(rows)


def _phase_table() -> str:
    rows = ["| phase | meaning |", "|---|---|"]
    rows += [f"| `{doc.phase.label}` | {doc.meaning} |" for doc in PHASES]
    return "\n".join(rows)


TABLES: dict[str, Callable[[], str]] = {
    "stages": _stage_table,
    "phases": _phase_table,
    "labels": _label_table,
    "request-series": lambda: _series_table(requests),
    "engine-series": lambda: _series_table(engines),
    "device-series": lambda: _series_table(devices),
    "own-series": lambda: _series_table(telemetry),
    "attributes": _attribute_table,
}


def filled(text: str) -> str:
    """*text* with every block ``<!-- generated: NAME -->`` … ``<!-- end -->`` filled anew.

    Raises:
        KeyError: a block names a table that does not exist.
    """
    return _BLOCK.sub(lambda block: f"{block[1]}{TABLES[block['name']]()}\n{block[3]}", text)


def main(arguments: list[str]) -> int:
    """Write or compare; 1 where ``--check`` found a difference."""
    parser = argparse.ArgumentParser(prog="python -m inferometer.catalog", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing, exit 1 if a file is out of date")
    parser.add_argument("files", nargs="+", type=Path)
    options = parser.parse_args(arguments)
    stale = [path for path in options.files if filled(path.read_text()) != path.read_text()]
    for path in stale:
        if options.check:
            sys.stderr.write(f"{path} is out of date with the catalogue; run `make generate`\n")
        else:
            path.write_text(filled(path.read_text()))
    return int(options.check and bool(stale))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
