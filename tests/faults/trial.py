"""A trial: one row of the table of faults, made by a script that runs alone."""

import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What a trial did, what it holds, and what it saw."""

    fault: str
    done: str
    """What was done to it, simulated parts named."""
    holds: dict[str, bool]
    """Statement -> whether it held."""
    seen: str
    """Figures that are printed and not judged: they depend on the machine."""

    @property
    def passed(self) -> bool:
        return all(self.holds.values())

    def lines(self, seconds: float | None = None) -> list[str]:
        took = "" if seconds is None else f"   {seconds:.0f} s"
        verdict = "holds" if self.passed else "DOES NOT HOLD"
        statements = [f"    {'yes' if held else 'NO '}  {statement}" for statement, held in self.holds.items()]
        return [f"{self.fault}: {verdict}{took}", f"    {self.done}", *statements, f"    seen: {self.seen}"]


Trial = Callable[[Path], Row]


def run(trial: Trial) -> tuple[Row, float]:
    """The row of a trial, in a folder of its own, and how long it took, seconds."""
    begin = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="inferometer-trial-") as folder:
        row = trial(Path(folder))
    return row, time.monotonic() - begin


def main(trial: Trial) -> None:
    """Print a trial's row; exit 1 where a statement did not hold."""
    row, seconds = run(trial)
    sys.stdout.write("\n".join(row.lines(seconds)) + "\n")
    sys.exit(0 if row.passed else 1)
