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
from importlib import import_module
from typing import Final

LOOK_SECONDS: Final = 0.5
"""Time between two looks at how far it is."""
LEAST_SHARE: Final = 0.1
"""Of a processor that idle time must give: the start takes 5 s with it. Where all processors are taken it gives less
than a hundredth, and the start is an ordinary one."""
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
    if os.environ.pop(_AGAIN, "") or not hasattr(os, "SCHED_IDLE"):
        _import(*modules)
    elif not imported_in_idle_time(*modules):
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], {**os.environ, _AGAIN: "1"})  # noqa: S606 - us
    # And nobody needs to look at it again: a full collection takes 45 ms more with it.
    gc.freeze()
    gc.enable()
    # Libraries look at the end for what they made and nobody freed: DuckDB's says so on standard error.
    atexit.register(gc.unfreeze)


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
