"""Series that expressions may read: those of the catalogue, of Prometheus, and what the rules record."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from inferometer.catalog import index
from inferometer_alerts import prometheus_series, recorded_costs, recorded_models, recorded_slos
from inferometer_alerts.rule import Group, Rule
from inferometer_alerts.rule_series import Builtin, Recorded

_MODULES: Final = (prometheus_series, recorded_costs, recorded_models, recorded_slos)
SERIES: Final = tuple(
    value for module in _MODULES for value in vars(module).values() if isinstance(value, Recorded | Builtin)
)
"""Those whose name does not depend on the fleet's objectives."""


@dataclass(frozen=True, slots=True)
class Declared:
    """A series: the labels it may have, and whether it only rises."""

    labels: frozenset[str]
    counter: bool


@dataclass(frozen=True, slots=True)
class Known:
    """Declared series by name."""

    series: Mapping[str, Declared]

    @classmethod
    def of(cls, files: Mapping[str, tuple[Group, ...]]) -> "Known":
        """What the rules of some files may read."""
        known: dict[str, Declared] = {}
        for entry in index.SERIES:
            labels = frozenset(entry.label_names)
            known[entry.name] = Declared(labels, counter=entry.kind in {"counter", "histogram"})
            if entry.kind == "histogram":
                known[f"{entry.name}_bucket"] = Declared(labels | {"le"}, counter=True)
                known[f"{entry.name}_count"] = known[f"{entry.name}_sum"] = Declared(labels, counter=True)
        for family in SERIES:
            known[family.name] = Declared(frozenset(family.label_names), counter=family.kind == "counter")
        for rule in (rule for groups in files.values() for group in groups for rule in group.rules):
            if isinstance(rule, Rule):
                known[rule.series.name] = Declared(frozenset(rule.series.label_names), counter=False)
        return cls(known)
