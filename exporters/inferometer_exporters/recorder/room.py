"""Memory for the few questions that need more than is kept for all of them."""

import threading
from collections.abc import Callable
from typing import Final, TypeVar

import duckdb

from inferometer_exporters.recorder.opening import MEMORY
from inferometer_exporters.recorder.reading import Cursor

MORE: Final = "192MB"
"""What the cost of a million requests by tenant needs, twice (benchmarks/recorder.py asks for it)."""
Answer = TypeVar("Answer")


class Room:
    """Asks questions; one that does not fit the memory is asked again with more of it, one at a time.

    What was lent is given back when that question is answered: DuckDB evicts what is beyond a limit that falls.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()

    def ask(self, cursor: Cursor, question: Callable[[Cursor], Answer]) -> Answer:
        """The answer to a question, which changes nothing: it may be asked twice.

        Raises:
            OutOfMemoryException: it does not fit that either.
        """
        try:
            return question(cursor)
        except duckdb.OutOfMemoryException:
            with self._lock:
                return self._again(cursor, question)

    @staticmethod
    def _again(cursor: Cursor, question: Callable[[Cursor], Answer]) -> Answer:
        cursor.execute(f"set memory_limit = '{MORE}'").fetchall()
        try:
            return question(cursor)
        finally:
            cursor.execute(f"set memory_limit = '{MEMORY}'").fetchall()
