"""What the process says of itself: when it started, what it uses, on which kernel's clock its stamps are."""

import gc
import os
import time
from pathlib import Path

_PAGE = os.sysconf("SC_PAGE_SIZE")
_TICKS = os.sysconf("SC_CLK_TCK")
_START_FIELD = 19
"""Index of starttime among the fields of /proc/self/stat after the command's name."""


def start_ns() -> int:
    """CLOCK_MONOTONIC ns at which the process started; now where the kernel does not tell."""
    try:
        after_name = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
        since_boot = int(after_name[_START_FIELD]) * 10**9 // _TICKS
    except (OSError, ValueError, IndexError):
        return time.monotonic_ns()
    # starttime counts suspended time (CLOCK_BOOTTIME), our stamps do not.
    return since_boot - time.clock_gettime_ns(time.CLOCK_BOOTTIME) + time.monotonic_ns()


def boot_id() -> str:
    """Id of the running kernel's boot; empty where it does not tell."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def resident_bytes() -> int:
    """Resident memory now; 0 where the kernel does not tell."""
    try:
        with open("/proc/self/statm", "rb") as file:  # noqa: PTH123 - four times a second
            return int(file.read().split()[1]) * _PAGE
    except (OSError, ValueError, IndexError):
        return 0


def cpu_ns() -> int:
    """CPU time since the start, all threads."""
    return time.process_time_ns()


def collections() -> tuple[int, ...]:
    """Garbage collections since the start, by generation."""
    return tuple(int(generation["collections"]) for generation in gc.get_stats())
