"""Phases of a cold start: from a process's start to its first answered request, each instant in one phase."""

from dataclasses import dataclass
from enum import IntEnum
from typing import Final


class Phase(IntEnum):
    """A phase; the number is its code on the wire. In the order in which they come, but for a model's load."""

    INTERPRETER = 1
    IMPORT = 2
    STARTUP = 3
    WAIT = 4
    FIRST_REQUEST = 5
    MODEL_LOAD = 6

    @property
    def label(self) -> str:
        """Its name in spans and documents."""
        return self.name.lower()


@dataclass(frozen=True, slots=True)
class PhaseDoc:
    """One sentence on what a phase means."""

    phase: Phase
    meaning: str


PHASES: Final = (
    PhaseDoc(Phase.INTERPRETER, "from the process's start, of a forked worker its fork, to inferometer's first line"),
    PhaseDoc(Phase.IMPORT, "the application and its libraries are imported, the server is set up"),
    PhaseDoc(Phase.STARTUP, "the application's own startup (lifespan)"),
    PhaseDoc(Phase.WAIT, "ready, and nobody asks"),
    PhaseDoc(Phase.FIRST_REQUEST, "the first answered request"),
    PhaseDoc(Phase.MODEL_LOAD, "a model is loaded, inside one of the others"),
)
IN_ORDER: Final = tuple(Phase)[:-1]
"""The phases that follow each other without a gap."""
