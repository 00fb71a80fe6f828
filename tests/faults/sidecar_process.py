"""Runs a sidecar until SIGTERM; with an option it kills itself after the given number of steps of its passes."""

import argparse
import os
import signal
import sys
from pathlib import Path

from inferometer_exporters.sidecar import Address, SidecarSettings, run


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--die-after", type=int, default=0, metavar="STEPS")
    args = parser.parse_args()
    steps = 0

    def after_step(_: str) -> None:
        nonlocal steps
        steps += 1
        if steps == args.die_after:
            os.kill(os.getpid(), signal.SIGKILL)

    settings = SidecarSettings(
        socket=args.folder / "sidecar.sock",
        state=args.folder / "state",
        metrics=Address("127.0.0.1", 0),
        api=Address("127.0.0.1", 0),
        thresholds=args.folder / "thresholds.json",
        host="box",
    )
    run(settings, after_step=after_step)


if __name__ == "__main__":
    sys.exit(main())
