"""``python -m inferometer``: what is hooked, what is not and why, and where records would go."""

import argparse
import json
import logging
import sys
from collections.abc import Sequence
from dataclasses import asdict

from inferometer.doctor.examination import examine
from inferometer.doctor.text import lines
from inferometer.errors import InferometerError
from inferometer.old_terminals import make_readable

FOUND_SOMETHING = 1
WRONG_USE = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Examine this Python; 0 where all is fine, 1 where there is something to mend, 2 for wrong use."""
    parser = argparse.ArgumentParser(
        prog="python -m inferometer",
        description="What inferometer hooks in this Python, what it does not and why, and where records would go.",
        epilog="Example: python -m inferometer --app shop.app:app",
    )
    parser.add_argument(
        "--app", default="", metavar="MODULE:APP", help="import this application first, as uvicorn does"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of a text")
    options = parser.parse_args(arguments)
    make_readable(sys.stdout, sys.stderr)
    # What the log would warn of is among the findings.
    logging.getLogger("inferometer").setLevel(logging.CRITICAL)
    try:
        seen = examine(options.app)
    except InferometerError as error:
        sys.stderr.write(f"inferometer: {error}\n")
        return WRONG_USE
    text = json.dumps(asdict(seen), indent=2) if options.json else "\n".join(lines(seen))
    sys.stdout.write(f"{text}\n")
    return FOUND_SOMETHING if seen.findings else 0


if __name__ == "__main__":
    sys.exit(main())
