"""Generated rules and their proofs, and which rules each proof needs: all that its verdict can depend on."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePath
from typing import Any, Final

import promql_parser

from inferometer.fleet import durations
from inferometer.fleet.model import Fleet
from inferometer_alerts import proof, rule_file
from inferometer_alerts.generation import rule_groups
from inferometer_alerts.time_scale import TimeScale

ALERTS: Final = "ALERTS"
_ALERT_NAME: Final = "alertname"
_ALERT_STATE: Final = "alertstate"
Place = tuple[str, int, int]
"""File, group and rule."""


def selectors(node: Any) -> Iterator[Any]:
    """Every vector selector of a parsed expression."""
    if isinstance(node, promql_parser.VectorSelector):
        yield node
    for name in ("expr", "lhs", "rhs", "vector_selector", "param"):
        child = getattr(node, name, None)
        if child is not None and not isinstance(child, str):
            yield from selectors(child)
    for child in getattr(node, "args", None) or ():
        yield from selectors(child)


@dataclass(frozen=True, slots=True)
class Read:
    """Series that an expression reads: recorded ones, or an alert; only those with some labels."""

    name: str
    labels: frozenset[tuple[str, str]]

    def may_be(self, rule: Mapping[str, Any]) -> bool:
        """Whether a rule of this name makes such series: none of its fixed labels says otherwise."""
        fixed = rule.get("labels", {})
        return all(fixed.get(label, value) == value or "{{" in fixed[label] for label, value in self.labels)


def reads(expr: str) -> frozenset[Read]:
    """What an expression reads."""
    read = set()
    for selector in selectors(promql_parser.parse(expr)):
        equal = {m.name: m.value for m in selector.matchers.matchers if str(m.op) == "MatchOp.Equal" and m.value}
        name = equal.pop(_ALERT_NAME, "") if selector.name == ALERTS else selector.name
        equal.pop(_ALERT_STATE, None)
        read.add(Read(name, frozenset(equal.items())))
    return frozenset(read)


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """A test of promtool, and the places of the rules that it needs."""

    file: str
    evaluation: str
    written: Mapping[str, Any]
    needs: frozenset[Place]

    @property
    def cost(self) -> float:
        """Rules that promtool evaluates for it, roughly."""
        last = max(durations.parse(str(check["eval_time"])) for check in self.written["promql_expr_test"])
        return last / durations.parse(self.evaluation) * len(self.needs)


class Generated:
    """Rules and proofs of a fleet, as `inferometer generate` writes them."""

    def __init__(self, rules: Mapping[str, Any], tests: Mapping[str, Any]) -> None:
        """*rules*, *tests*: documents of rule files and of promtool's test files, by name."""
        self.rules: dict[str, list[dict[str, Any]]] = {name: made["groups"] for name, made in rules.items()}
        self._tests: list[tuple[str, Mapping[str, Any], dict[str, Any]]] = [
            (name, made, test) for name, made in tests.items() for test in made["tests"]
        ]

    @classmethod
    def of(cls, fleet: Fleet) -> "Generated":
        """What is generated from a fleet."""
        scale = TimeScale()
        groups = rule_groups(fleet, scale)
        rules: dict[str, Any] = {name: rule_file.document(made, fleet, scale) for name, made in groups.items()}
        return cls(rules, proof.documents(fleet, groups))

    def rule(self, place: Place) -> dict[str, Any]:
        """The rule at a place."""
        file, group, number = place
        found: dict[str, Any] = self.rules[file][group]["rules"][number]
        return found

    def name(self, place: Place) -> str:
        """What the rule at a place records, or the alert's name."""
        rule = self.rule(place)
        return str(rule.get("record") or rule["alert"])

    @cached_property
    def places(self) -> tuple[Place, ...]:
        """Every rule, in the order of the files."""
        return tuple(
            (file, at, number)
            for file, groups in self.rules.items()
            for at, group in enumerate(groups)
            for number in range(len(group["rules"]))
        )

    @cached_property
    def _makers(self) -> Mapping[str, frozenset[Place]]:
        """Which rules make a series, or an alert; all alerts under the empty name."""
        made: dict[str, set[Place]] = {}
        for place in self.places:
            made.setdefault(self.name(place), set()).add(place)
            if "alert" in self.rule(place):
                made.setdefault("", set()).add(place)
        return {name: frozenset(places) for name, places in made.items()}

    @cached_property
    def _reads(self) -> Mapping[Place, frozenset[Read]]:
        return {place: reads(self.rule(place)["expr"]) for place in self.places}

    def _made(self, read: Iterable[Read]) -> list[Place]:
        return [place for one in read for place in self._makers.get(one.name, ()) if one.may_be(self.rule(place))]

    def _needed(self, read: Iterable[Read], document: Mapping[str, Any]) -> frozenset[Place]:
        """Rules behind what is read, of the files that a test document names."""
        files, known = {PurePath(path).stem for path in document["rule_files"]}, set[Place]()
        wanted = self._made(read)
        while wanted:
            place = wanted.pop()
            if place not in known and place[0] in files:
                known.add(place)
                wanted += self._made(self._reads[place])
        return frozenset(known)

    @cached_property
    def proofs(self) -> tuple[Proof, ...]:
        """Every proof; those that promtool is quick with first."""
        made = [
            Proof(
                file=file,
                evaluation=document["evaluation_interval"],
                written=test,
                needs=self._needed(
                    {read for check in test["promql_expr_test"] for read in reads(check["expr"])}, document
                ),
            )
            for file, document, test in self._tests
        ]
        return tuple(sorted(made, key=lambda proof: proof.cost))

    def needing(self, place: Place) -> tuple[Proof, ...]:
        """The proofs that need a rule."""
        return tuple(proof for proof in self.proofs if place in proof.needs)

    def groups(
        self, places: Iterable[Place], instead: Mapping[Place, Mapping[str, Any] | None]
    ) -> list[dict[str, Any]]:
        """Groups of some rules in their order; a rule in *instead* is another one, or gone."""
        wanted = set(places)
        made = []
        for file, groups in self.rules.items():
            for at, group in enumerate(groups):
                rules = [
                    instead.get((file, at, number), rule)
                    for number, rule in enumerate(group["rules"])
                    if (file, at, number) in wanted
                ]
                if left := [rule for rule in rules if rule is not None]:
                    made.append({**group, "rules": left})
        return made
