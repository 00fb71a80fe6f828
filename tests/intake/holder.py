"""Holds an Intake in a folder until it is ended, or kills itself at the n-th time that a step of a pass is done."""

import os
import signal
import sys
import threading
from pathlib import Path

from inferometer.intake import local


def main() -> None:
    """``holder.py FOLDER PORT [STEP N]``."""
    folder, port, *at = sys.argv[1:]
    wanted, left = (at[0], int(at[1])) if at else ("", 0)

    def after_step(step: str) -> None:
        nonlocal left
        if step == wanted:
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    held = local.start(Path(folder), environ={"INFEROMETER_METRICS": f"127.0.0.1:{port}"}, after_step=after_step)
    if held is None:
        sys.exit("another process holds the intake")
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    ended.wait()
    held.close()


main()
