"""The sidecar's imports, in processor time that nobody else wants.

They are most of its start: half a second of a core, and as often as somebody kills it. Where processors are short, the
servers beside it would feel that in their slowest requests, niceness or not: a thread that has begun its slice keeps
the processor for some milliseconds. Linux lets a thread of the policy SCHED_IDLE have none: whoever wakes takes the
processor from it at once, and prefers one that only such a thread uses (sched(7)). Policy is of a thread, so what runs
later runs as before.
"""

import atexit
import contextlib
import gc
import os
import sys
import threading
import time
from collections.abc import Collection
from importlib import import_module
from pathlib import Path
from typing import Final

FIRST_LOOK_SECONDS: Final = 0.1
"""How long processors are looked at before anything is imported: ten of their ticks."""
LEAST_IDLE: Final = 0.2
"""Of a processor that must have been idle then. Without idle time the thread would keep the interpreter's lock while it
waits for a processor, and whoever looks at it would wait, too: 5 to 22 s where eight others want two processors."""
LOOK_SECONDS: Final = 0.5
"""Time between two looks at how far it is."""
LEAST_SHARE: Final = 0.1
"""Of a processor that idle time must give: the start takes 5 s with it. Where all processors are taken it gives less
than a hundredth, and the start is an ordinary one."""
_PROCESSORS: Final = Path("/proc/stat")
_IDLE: Final = slice(4, 6)
"""Fields of a processor's line: idle, and idle while something is read from a disk (proc_stat(5))."""
_AGAIN: Final = "_INFEROMETER_STARTED_AGAIN"
_THREADS_OF_BLAS: Final = "OPENBLAS_NUM_THREADS"


def start_in_idle_time(*modules: str) -> None:
    """Import *modules* in idle time; where there is too little of that, begin this process anew, without it.

    A thread that has no privileges cannot leave SCHED_IDLE (sched(7)), so the only way out is another one. Only for
    the first lines of a program: nothing may be open or written.

    Args:
        modules: their full names. What cannot be imported is left to who needs it.
    """
    if all(module in sys.modules for module in modules):
        return
    # NumPy makes these threads when it is imported, and they would stay what the importing thread is.
    os.environ.setdefault(_THREADS_OF_BLAS, "1")
    # Of all that modules make nothing is garbage: without looking for some an import takes 14 % less.
    gc.disable()
    again = os.environ.pop(_AGAIN, "")
    if again or not hasattr(os, "SCHED_IDLE") or idle_processors() < LEAST_IDLE:
        _import(*modules)
    elif not imported_in_idle_time(*modules):
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], {**os.environ, _AGAIN: "1"})  # noqa: S606 - us
    # And nobody needs to look at it again: a full collection takes 45 ms more with it.
    gc.freeze()
    gc.enable()
    # Libraries look at the end for what they made and nobody freed: DuckDB's says so on standard error.
    atexit.register(gc.unfreeze)


def idle_processors() -> float:
    """How many of the processors that this process may use are idle, in the next `FIRST_LOOK_SECONDS`; 0: unknown."""
    mine = {f"cpu{number}" for number in os.sched_getaffinity(0)}
    with contextlib.suppress(OSError):
        ticks, begun = _idle_ticks(mine), time.monotonic()
        time.sleep(FIRST_LOOK_SECONDS)
        return (_idle_ticks(mine) - ticks) / os.sysconf("SC_CLK_TCK") / (time.monotonic() - begun)
    return 0.0


def _idle_ticks(processors: Collection[str]) -> int:
    lines = map(str.split, _PROCESSORS.read_text().splitlines())
    return sum(int(ticks) for line in lines if line and line[0] in processors for ticks in line[_IDLE])


def imported_in_idle_time(*modules: str) -> bool:
    """Import *modules* by a thread of the policy SCHED_IDLE, for as long as it gets on.

    Returns:
        False where there is too little idle time: they are not all imported, and the thread goes on.
    """
    thread = threading.Thread(target=_import_idly, args=modules, name="inferometer-imports", daemon=True)
    begun = time.process_time()
    thread.start()
    looks = 0
    while True:
        thread.join(LOOK_SECONDS)
        if not thread.is_alive():
            return True
        looks += 1
        # Nothing else runs in this process.
        if time.process_time() - begun < LEAST_SHARE * looks * LOOK_SECONDS:
            return False


def _import_idly(*modules: str) -> None:
    # A container may forbid it.
    with contextlib.suppress(OSError):
        os.sched_setscheduler(threading.get_native_id(), os.SCHED_IDLE, os.sched_param(0))
    _import(*modules)


def _import(*modules: str) -> None:
    for module in modules:
        # Whoever needs it imports it again, and says what is wrong.
        with contextlib.suppress(Exception):
            import_module(module)
