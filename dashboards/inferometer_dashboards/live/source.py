"""What the live page needs of a flight recorder; whoever has one gives it this."""

from collections.abc import Mapping
from typing import Any, Protocol

Table = tuple[list[str], list[tuple[Any, ...]]]
"""Names of the columns, and the rows."""


class Recorder(Protocol):
    """A flight recorder that is being written."""

    def now_ns(self) -> int:
        """Wall time."""

    async def oldest_ns(self) -> int | None:
        """Wall time at which the oldest recorded request began; None where there is none."""

    async def passed(self, after: int, seconds: float) -> int | None:
        """Number of the newest pass, once it is another than *after*; None where none came for so long."""

    async def tables(
        self,
        statements: Mapping[str, str],
        *,
        since_ns: int,
        until_ns: int,
        step_ns: int,
        chosen: Mapping[str, str],
    ) -> dict[str, Table]:
        """What statements find by their names, all of the same moment; they read the tables of docs/live.md.

        Args:
            statements: SQL by name.
            since_ns: wall time at which the view begins, a multiple of the step.
            until_ns: wall time before which it ends.
            step_ns: length of a step.
            chosen: ``service``, ``model``, ``version``, ``tenant`` that alone are shown; empty shows all.
        """

    async def count(self, since_ns: int, until_ns: int) -> int:
        """Requests that began in a stretch of time."""

    async def choices(self) -> list[tuple[str, str, str]]:
        """Service, model and version of everything that was recorded."""
