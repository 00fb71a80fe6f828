"""Phases of a cold start: from a process's start to its first answered request, each instant in one phase."""

from dataclasses import dataclass
from enum import IntEnum
from typing import Final


class Phase(IntEnum):
    """A phase; the number is its code on the wire. The first five follow each other, the others lie inside of them."""

    INTERPRETER = 1
    IMPORT = 2
    STARTUP = 3
    WAIT = 4
    FIRST_REQUEST = 5
    MODEL_LOAD = 6
    COMPILE = 7
    ALLOCATE = 8
    WARMUP = 9

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
    PhaseDoc(Phase.COMPILE, "an engine's graphs are compiled and captured; by its own spans, as the two that follow"),
    PhaseDoc(Phase.ALLOCATE, "an engine takes the memory of its KV cache"),
    PhaseDoc(Phase.WARMUP, "an engine runs its model for nobody"),
)
IN_ORDER: Final = (Phase.INTERPRETER, Phase.IMPORT, Phase.STARTUP, Phase.WAIT, Phase.FIRST_REQUEST)
"""The phases that follow each other without a gap."""
