"""Every trial, one after the other, and the table of what held: ``make faults``.

``python tests/faults/table.py [NAME …]`` runs those whose file name has NAME in it; `--markdown` prints the rows of
docs/reliability.md.
"""

import argparse
import importlib
import sys
import traceback
from pathlib import Path

from trial import Row, run

TRIALS = (
    "test_kill_under_load",
    "test_kill_between_steps",
    "test_kill_sidecar",
    "test_disk_full",
    "test_slow_jaeger",
    "test_slow_scraper",
    "test_many_tenants",
    "test_garbage",
    "test_clock_step",
    "test_two_sidecars",
)


def row_of(name: str) -> tuple[Row, float]:
    """A trial's row; one that fell over is a row that does not hold."""
    try:
        return run(importlib.import_module(name).trial)
    except Exception as error:  # noqa: BLE001 - the table goes on
        traceback.print_exc()
        return Row(fault=name, done="fell over", holds={f"{type(error).__name__}: {error}": False}, seen=""), 0.0


def markdown(row: Row) -> str:
    return f"| {row.fault} | {row.done} | {'; '.join(row.holds)} | {row.seen} |"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="parts of file names; all of them without")
    parser.add_argument("--markdown", action="store_true")
    args = parser.parse_args()
    sys.path.insert(0, str(Path(__file__).parent))
    chosen = [name for name in TRIALS if not args.names or any(part in name for part in args.names)]
    if not chosen:
        parser.error(f"no trial has one of these names; there are {', '.join(TRIALS)}")
    rows = []
    for name in chosen:
        row, seconds = row_of(name)
        rows.append(row)
        say("\n".join(row.lines(seconds)))
    width = max(len(row.fault) for row in rows)
    say("")
    for row in rows:
        held = f"{sum(row.holds.values())} of {len(row.holds)} statements"
        say(f"{row.fault:<{width}}  {'holds' if row.passed else 'DOES NOT HOLD':<14} {held}")
    if args.markdown:
        say("\n" + "\n".join(markdown(row) for row in rows))
    return 0 if all(row.passed for row in rows) else 1


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
