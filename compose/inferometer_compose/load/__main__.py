"""``python -m inferometer_compose.load``: prints its counts as lines of JSON, the last one with ``done``."""

import argparse
import asyncio
import json
import signal
import sys
import time

from inferometer_compose.load.counts import Counts
from inferometer_compose.load.generator import run


def main() -> int:
    """Send requests until the time is over or somebody ends it."""
    parser = argparse.ArgumentParser(prog="python -m inferometer_compose.load", description=__doc__)
    parser.add_argument("--url", default="http://127.0.0.1:8100", help="the gateway")
    parser.add_argument("--rate", type=float, default=25.0, help="requests per second")
    parser.add_argument("--for", dest="seconds", type=float, default=60.0, help="seconds")
    parser.add_argument("--seed", type=int, default=7, help="decides the requests and when they leave")
    arguments = parser.parse_args()

    def report(counts: Counts, seconds: float, *, done: bool = False) -> None:
        sys.stdout.write(json.dumps(counts.to_json(seconds, done=done)) + "\n")
        sys.stdout.flush()

    # The parent's Ctrl-C is the parent's business; it ends us in its own order.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    start = time.monotonic()
    counts = asyncio.run(
        run(
            arguments.url,
            rate_per_second=arguments.rate,
            seconds=arguments.seconds,
            seed=arguments.seed,
            report=report,
        )
    )
    report(counts, time.monotonic() - start, done=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
