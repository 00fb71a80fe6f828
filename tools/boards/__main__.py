"""Run every query of every board, print the table, and write it into a page where one is named."""

import sys
import time
from pathlib import Path

from boards import table
from boards.proof import stage


def main(arguments: list[str]) -> int:
    """0: every query yields something; 1: some yield nothing, and are named; 2: wrong use."""
    if len(arguments) > 1 or arguments[:1] == ["--help"]:
        print(__doc__, file=sys.stderr)
        return 2
    began = time.monotonic()
    with stage() as known:
        took = time.monotonic() - began
        ran = {uid: known.runs(uid) for uid in known.boards}
    lines = [table.line(known.boards[uid]["title"], of_board) for uid, of_board in ran.items()]
    print(table.markdown(lines), end="")
    print(f"history and rules in {took:.0f} s, queries in {time.monotonic() - began - took:.0f} s", file=sys.stderr)
    empty = [run for of_board in ran.values() for run in of_board if run.variable is None and not run.found]
    for run in empty:
        print(f"empty: {run.target}: {run.query}", file=sys.stderr)
    if arguments:
        page = Path(arguments[0])
        page.write_text(table.written(page.read_text(encoding="utf-8"), table.markdown(lines)), encoding="utf-8")
    return 1 if empty else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
