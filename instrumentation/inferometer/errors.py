"""Every exception that inferometer raises on purpose.

::

    InferometerError
      + CatalogError      a name, label or unit that the catalogue does not have
      + WireError         bytes that are not a frame of ours
      + FleetError        fleet.yaml is wrong: file, line, column, value, what would be right
      + StateError        a state file that cannot be read or written
      + RefusedError      the other side says no: wrong version, second owner, port taken
      + SourceError       a source gives no readings: it does not answer, or not what it should

Core code raises them; code that runs inside somebody's request catches them, counts the loss and carries on.
"""

from dataclasses import dataclass


class InferometerError(Exception):
    """Anything that inferometer itself found wrong."""


class CatalogError(InferometerError):
    """A series, label or unit is used that the catalogue does not declare."""


class WireError(InferometerError):
    """Bytes do not follow the wire format."""


class StateError(InferometerError):
    """A state file cannot be read or written."""


class RefusedError(InferometerError):
    """The other side refused: another version, a second owner, a port that is taken."""


class SourceError(InferometerError):
    """A source of readings does not answer, or answers what cannot be read.

    Args:
        message: what happened.
        why: ``unreachable``, ``timeout``, ``too_large``, ``unreadable`` or ``other_engine``, for who counts.
    """

    def __init__(self, message: str, *, why: str = "unreachable") -> None:
        super().__init__(message)
        self.why = why


@dataclass(frozen=True, slots=True)
class Place:
    """Where in a file a value stands; lines and columns count from 1, and line 0 is the file as a whole."""

    file: str
    line: int
    column: int
    source: str = ""

    def __str__(self) -> str:
        """``file:line:column``, as editors and terminals link it."""
        return self.file if not self.line else f"{self.file}:{self.line}:{self.column}"


class FleetError(InferometerError):
    """fleet.yaml is wrong at a place; the message says what was found and what would be right."""

    def __init__(self, message: str, place: Place, *, hint: str = "", width: int = 1) -> None:
        super().__init__(message)
        self.message = message
        self.place = place
        self.hint = hint
        self.width = width

    def __str__(self) -> str:
        """The message with the line it speaks of, a caret under the value, and the hint."""
        lines = [f"{self.place}: {self.message}"]
        if self.place.source:
            number = f"{self.place.line:>5}"
            caret = " " * (self.place.column - 1) + "^" * max(self.width, 1)
            lines += [f"{number} | {self.place.source}", f"{' ' * len(number)} | {caret}"]
        if self.hint:
            lines.append(f"      {self.hint}")
        return "\n".join(lines)
