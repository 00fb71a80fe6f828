"""Whether the proofs find a mutant out: promtool runs them on the rules with the mutant among them."""

import json
import os
import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from mutants.mutation import Mutant
from mutants.proofs import Generated, Place, Proof

_FIRST: Final = (1, 3, 8)
"""Proofs per run of promtool, at first few: most mutants die in the first one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Survivor:
    """A mutant that no proof found out."""

    place: Place
    name: str
    mutant: Mutant
    proofs: int

    def __str__(self) -> str:
        file, _, _ = self.place
        return f"{file} {self.name}: {self.mutant.kind}: {self.mutant.change} ({self.proofs} proofs)"


@dataclass(slots=True)
class Judge:
    """Runs proofs; remembers which of them found the last mutants of a rule, and tries those first.

    Raises:
        RuntimeError: a proof fails with the right rules.
    """

    generated: Generated
    promtool: Path
    limit_seconds: float = 300
    most_proofs: int = 60
    """Of the proofs that need a rule the quickest so many are run: whom none of them finds out has survived."""
    _killers: dict[Place, list[Proof]] = field(default_factory=dict)
    _sound: set[int] = field(default_factory=set)

    def holds(self, proofs: Iterable[Proof], instead: Mapping[Place, Mapping[str, Any] | None]) -> bool:
        """Whether all proofs hold with other rules *instead* of the generated ones."""
        # Apart by document: rules of a file that one does not name may record again what its samples give.
        by_document: dict[str, list[Proof]] = {}
        for proof in proofs:
            by_document.setdefault(proof.file, []).append(proof)
        return all(self._run(some[0].evaluation, some, instead) for some in by_document.values())

    def _run(self, evaluation: str, proofs: list[Proof], instead: Mapping[Place, Mapping[str, Any] | None]) -> bool:
        places = frozenset().union(*(proof.needs for proof in proofs))
        groups = self.generated.groups(places, instead)
        with tempfile.TemporaryDirectory() as folder:
            rules, tests = Path(folder, "rules.yml"), Path(folder, "tests.yml")
            # JSON is YAML, and written a hundred times as fast.
            rules.write_text(json.dumps({"groups": groups}))
            made = {
                "rule_files": ["rules.yml"],
                "evaluation_interval": evaluation,
                "group_eval_order": [group["name"] for group in groups],
                "tests": [proof.written for proof in proofs],
            }
            tests.write_text(json.dumps(made))
            # One core each: several judges run side by side.
            ran = subprocess.run(  # noqa: S603 - promtool of .tools/bin
                [self.promtool, "test", "rules", str(tests)],
                capture_output=True, text=True, check=False, timeout=self.limit_seconds,
                env={**os.environ, "GOMAXPROCS": "1"},
            )  # fmt: skip
        return ran.returncode == 0

    def found_out(self, place: Place, mutant: Mutant) -> bool:
        """Whether some proof fails with the mutant."""
        killers = self._killers.setdefault(place, [])
        proofs = self.generated.needing(place)[: self.most_proofs]
        ordered = [*killers, *(proof for proof in proofs if proof not in killers)]
        for some in _portions(ordered):
            if self.holds(some, {place: mutant.rule}):
                continue
            self._check(some)
            if some[0] in killers:
                killers.remove(some[0])
            killers.insert(0, some[0])
            return True
        return False

    def _check(self, proofs: list[Proof]) -> None:
        """That these fail with the mutant says nothing if they fail without it."""
        unknown = [proof for proof in proofs if id(proof) not in self._sound]
        if unknown and not self.holds(unknown, {}):
            names = ", ".join(proof.written["name"] for proof in unknown)
            raise RuntimeError(f"fails with the right rules: {names}")
        self._sound.update(id(proof) for proof in unknown)

    def survivor(self, place: Place, mutant: Mutant) -> Survivor | None:
        """The mutant, if it survives all proofs."""
        if self.found_out(place, mutant):
            return None
        return Survivor(
            place=place, name=self.generated.name(place), mutant=mutant, proofs=len(self.generated.needing(place))
        )


def _portions(proofs: list[Proof]) -> Iterator[list[Proof]]:
    at = 0
    for size in _FIRST:
        if some := proofs[at : at + size]:
            yield some
        at += size
    if rest := proofs[at:]:
        yield rest
