"""An end for a question that takes too long: nobody waits for it, and the next one wants the core."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import duckdb

from inferometer.errors import InferometerError
from inferometer_exporters.recorder.reading import Cursor

_AGAIN_SECONDS: Final = 0.05


class LateError(InferometerError):
    """A question to the recorder took longer, or more memory, than it may."""


@contextmanager
def deadline(cursor: Cursor, seconds: float) -> Iterator[None]:
    """Interrupt what *cursor* does when *seconds* are over.

    Raises:
        LateError: it was interrupted, or the memory did not suffice.
    """
    done, late = threading.Event(), threading.Event()

    def watch() -> None:
        if not done.wait(seconds):
            late.set()
            # What is interrupted between two statements begins the next: once more, until it ends.
            while not done.wait(_AGAIN_SECONDS):
                cursor.interrupt()

    thread = threading.Thread(target=watch, name="inferometer-deadline", daemon=True)
    thread.start()
    try:
        yield
    except duckdb.OutOfMemoryException as error:
        raise LateError("the answer takes more memory than there is for it: ask for a shorter time") from error
    except duckdb.Error as error:
        if late.is_set():
            raise LateError(f"the answer takes longer than {seconds:g} s: ask for a shorter time") from error
        raise
    finally:
        done.set()
        thread.join()
