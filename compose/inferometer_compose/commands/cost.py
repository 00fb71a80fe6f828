"""``inferometer cost``: what requests cost by model, tenant and more, as a screen, JSON or FOCUS rows."""

import csv
import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, cast

from rich.text import Text

from inferometer_compose.commands.console import screen
from inferometer_compose.commands.recorded import ask
from inferometer_compose.screens import cost as cost_screen
from inferometer_exporters import cost_api
from inferometer_exporters.recorder.cost_answers import CostReport, FocusAnswer

_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
"""With what a cell begins that a spreadsheet would compute (OWASP, CSV injection)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What the command line said of where to look, and how to show it."""

    since_seconds: float
    api: str
    recorder: Path | None
    json: bool
    csv: bool = False


def run(by: str, asked: Asked) -> int:
    """Print what requests cost, by *by*.

    Raises:
        InferometerError: there is nothing to answer from, or *by* names what cost cannot be grouped by.
    """
    parameters = {"by": by, "since_seconds": f"{asked.since_seconds:g}"}
    if asked.csv:
        question = cost_api.focus(by, asked.since_seconds)
        write_csv(
            cast("FocusAnswer", ask("/api/cost/focus", parameters, question, api=asked.api, recorder=asked.recorder))
        )
        return 0
    question = cost_api.cost(by, asked.since_seconds)
    report = cast("CostReport", ask("/api/cost", parameters, question, api=asked.api, recorder=asked.recorder))
    if asked.json:
        print_json(report)
    else:
        console = screen()
        draw(cost_screen.cost(report, console.width))
    return 0


def print_json(answer: object) -> None:
    """One JSON object."""
    sys.stdout.write(json.dumps(answer, indent=2) + "\n")


def draw(lines: Iterable[Text]) -> None:
    """A screen, line by line."""
    console = screen()
    for line in lines:
        console.print(line, no_wrap=True, overflow="ignore", crop=False)


def write_csv(answer: FocusAnswer) -> None:
    """Rows for a spreadsheet or a warehouse; a name that would be a formula there is led by an apostrophe."""
    writer = csv.writer(sys.stdout, lineterminator="\r\n")
    writer.writerow(answer["columns"])
    writer.writerows(_harmless(row) for row in answer["rows"])


def _harmless(row: Sequence[str]) -> list[str]:
    return [f"'{cell}" if cell.startswith(_FORMULA) and not _is_number(cell) else cell for cell in row]


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
