"""Mutants that change nothing that anybody could see, each with the reason; a listed one that dies is an error."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from mutants.mutation import Mutant
from mutants.proofs import Place


@dataclass(frozen=True, slots=True)
class Equivalent:
    """A family of mutants: of which rule (file and name), which kind and change, and why they mean the same."""

    file: str
    kind: str
    change: str
    why: str


LISTED: Final[Sequence[Equivalent]] = ()


@dataclass(slots=True)
class Ledger:
    """Counts the listed ones among some mutants."""

    listed: Sequence[Equivalent] = LISTED
    survived: int = 0
    wrong: list[str] = field(default_factory=list)

    def explains(self, place: Place, mutant: Mutant, *, survived: bool) -> bool:
        """Whether a mutant is listed; where it did not survive, the list is wrong."""
        for entry in self.listed:
            fits = entry.file == place[0] and entry.kind == mutant.kind and re.fullmatch(entry.change, mutant.change)
            if fits:
                self.survived += survived
                if not survived:
                    self.wrong.append(f"{place} {mutant.change}: {entry.why}")
                return True
        return False
