"""``inferometer cost …``: what requests and idle devices cost, and what would cost less: screen, JSON or FOCUS rows."""

import csv
import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, cast

from rich.text import Text

from inferometer.fleet import thresholds_file
from inferometer.fleet.thresholds import NOTHING
from inferometer_compose.commands.console import screen
from inferometer_compose.commands.recorded import ask
from inferometer_compose.commands.trace import last_recorder
from inferometer_compose.screens import cost as cost_screen
from inferometer_compose.screens import cost_idle as idle_screen
from inferometer_compose.screens import cost_rightsize as rightsize_screen
from inferometer_exporters import cost_api
from inferometer_exporters.recorder.cost_answers import CostReport, FocusAnswer
from inferometer_exporters.recorder.idle_answers import IdleReport
from inferometer_exporters.recorder.rightsize_answers import AdviceAnswer, RightsizeReport

ADVICE_COLUMNS: Final = (
    *("ResourceId", "BillingCurrency", "ChargeDescription", "x_Rule", "x_SavingPerMonth", "x_Confidence", "x_Because"),
    *("x_Formula", "x_Preconditions", "x_Risk"),
)
"""Of advice: a saving is no charge, so what FOCUS has no name for begins with ``x_``."""
_STATUS: Final = "CapacityReservationStatus"
_UNUSED: Final = "Unused"

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
    parameters = {"by": by, **_seconds(since_seconds=asked.since_seconds)}
    if asked.csv:
        rows = cast("FocusAnswer", _ask("/focus", parameters, cost_api.focus(by, asked.since_seconds), asked))
        write_csv(rows["columns"], rows["rows"])
        return 0
    report = cast("CostReport", _ask("", parameters, cost_api.cost(by, asked.since_seconds), asked))
    _show(report, asked, lambda width: cost_screen.cost(report, width))
    return 0


def run_idle(cold_start_seconds: float | None, asked: Asked) -> int:
    """Print what idle devices cost; as FOCUS rows those of unused time.

    Raises:
        InferometerError: there is nothing to answer from.
    """
    if asked.csv:
        parameters = {"by": cost_api.BY, **_seconds(since_seconds=asked.since_seconds)}
        question = cost_api.focus(cost_api.BY, asked.since_seconds)
        rows = cast("FocusAnswer", _ask("/focus", parameters, question, asked))
        status = rows["columns"].index(_STATUS)
        write_csv(rows["columns"], [row for row in rows["rows"] if row[status] == _UNUSED])
        return 0
    question = cost_api.idle(asked.since_seconds, cold_start_seconds)
    parameters = _seconds(since_seconds=asked.since_seconds, cold_start_seconds=cold_start_seconds)
    report = cast("IdleReport", _ask("/idle", parameters, question, asked))
    _show(report, asked, lambda width: idle_screen.idle(report, width))
    return 0


def run_rightsize(cold_start_seconds: float | None, thresholds: Path | None, asked: Asked, *, anyway: bool) -> int:
    """Print what would cost less.

    Args:
        cold_start_seconds: how long a device takes until it serves again; None: as the ledger saw.
        thresholds: what fleet.yaml promises, where no sidecar is asked; None: as the demo left it beside its recorder.
        asked: where to look.
        anyway: advise from too little as well.

    Raises:
        InferometerError: there is nothing to answer from, or the thresholds cannot be read.
    """
    path = thresholds or _left_by_a_demo(asked.recorder or last_recorder(Path.cwd()))
    known = NOTHING if path is None else thresholds_file.read(path)
    question = cost_api.rightsize(known, asked.since_seconds, cold_start_seconds, anyway=anyway)
    parameters = _seconds(since_seconds=asked.since_seconds, cold_start_seconds=cold_start_seconds)
    parameters["anyway"] = str(int(anyway))
    report = cast("RightsizeReport", _ask("/rightsize", parameters, question, asked))
    if asked.csv:
        write_csv(ADVICE_COLUMNS, [_advice(one) for one in report["advice"]])
    else:
        _show(report, asked, lambda width: rightsize_screen.rightsize(report, width))
    return 0


def _left_by_a_demo(recorder: Path | None) -> Path | None:
    """What a demo was promised: its folder has ``sidecar/recorder.duckdb`` and ``config/thresholds.json``."""
    path = None if recorder is None else recorder.parent.parent / "config" / "thresholds.json"
    return path if path is not None and path.is_file() else None


def _ask(path: str, parameters: Mapping[str, str], question: cost_api.Question, asked: Asked) -> object:
    return ask(f"/api/cost{path}", parameters, question, api=asked.api, recorder=asked.recorder)


def _seconds(**seconds: float | None) -> dict[str, str]:
    return {name: f"{value:.9g}" for name, value in seconds.items() if value is not None}


def _advice(one: AdviceAnswer) -> list[str]:
    usd = one["usd_per_month"]
    return [
        ",".join(one["devices"]),
        "USD",
        one["does"],
        one["rule"],
        "" if usd is None else f"{usd:.2f}",
        one["confidence"],
        one["because"],
        one["formula"],
        "; ".join(one["preconditions"]),
        one["risk"],
    ]


def _show(report: object, asked: Asked, draw_at: Callable[[int], Iterable[Text]]) -> None:
    if asked.json:
        print_json(report)
    else:
        draw(draw_at(screen().width))


def print_json(answer: object) -> None:
    """One JSON object."""
    sys.stdout.write(json.dumps(answer, indent=2) + "\n")


def draw(lines: Iterable[Text]) -> None:
    """A screen, line by line."""
    console = screen()
    for line in lines:
        console.print(line, no_wrap=True, overflow="ignore", crop=False)


def write_csv(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Rows for a spreadsheet or a warehouse; a name that would be a formula there is led by an apostrophe."""
    writer = csv.writer(sys.stdout, lineterminator="\r\n")
    writer.writerow(columns)
    writer.writerows(_harmless(row) for row in rows)


def _harmless(row: Sequence[str]) -> list[str]:
    return [f"'{cell}" if cell.startswith(_FORMULA) and not _is_number(cell) else cell for cell in row]


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
