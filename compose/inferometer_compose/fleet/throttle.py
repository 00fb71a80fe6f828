"""A CPU quota for another process of ours, without the right to make a cgroup.

The kernel's CPU controller lets a group run for its quota of each period and stops it for the rest; SIGSTOP and
SIGCONT do the same to one process. Run as ``python -m inferometer_compose.fleet.throttle PID``.
"""

import contextlib
import os
import signal
import sys
import time

RUN_SECONDS, STOP_SECONDS = 0.020, 0.060
# The longest it holds a process down if nobody ends it: it must not outlive a demo that was killed.
LIMIT_SECONDS = 600.0


def throttle(pid: int, *, until: float) -> None:
    """Stop and continue a process until a time of the monotonic clock; it always runs again afterwards."""
    try:
        while time.monotonic() < until:
            os.kill(pid, signal.SIGSTOP)
            time.sleep(STOP_SECONDS)
            os.kill(pid, signal.SIGCONT)
            time.sleep(RUN_SECONDS)
    except ProcessLookupError:
        return
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    throttle(int(sys.argv[1]), until=time.monotonic() + LIMIT_SECONDS)
