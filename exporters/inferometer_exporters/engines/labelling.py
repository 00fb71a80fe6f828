"""Labels of signals from labels of a page."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Final

from inferometer.catalog.engines import of_engine
from inferometer.catalog.labels import MODEL, REGION, REPLICA, SERVICE
from inferometer.catalog.model import Label, Series
from inferometer.fleet.engines import model
from inferometer.fleet.engines.model import REPLICA_SEPARATOR, LabelRule, Source, Told
from inferometer_exporters.engines.raw import Raw

OTHER: Final = "other"
"""Value of a label that finds no room."""
_MAX_LABEL: Final = 200
"""Characters of a value."""
_MAX_VALUES: Final = 200
"""Values of a label that one page may bring: a client can make as many models up as it likes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What is known of a page besides what it says."""

    service: str = ""
    region: str = ""
    address: str = ""
    """Label `replica`; a part of the page may add to it."""
    model: str = ""
    """Model of series that do not say theirs."""


Rules = Mapping[str, LabelRule]
"""By the name of our label: how a page's labels make it."""


class Labeller:
    """Makes labels of signals; bounded.

    Args:
        target: what is known of the page.
    """

    def __init__(self, target: Target) -> None:
        self._target = target
        self._values: dict[str, set[str]] = {}
        self.unknown: set[str] = set()
        """Series whose labels have values that the mapping does not know."""

    def of(self, of: model.Mapping, told: Told, source: Source) -> "Labels":
        """What gives a source's series the labels of its signal."""
        return Labels(self, of, told, source)

    def made(self, entry: Series, fixed: Mapping[str, str], rules: Rules, raw: Raw) -> tuple[str, ...] | None:
        """The values of a signal's labels; None where the page has one that nobody knows."""
        values = []
        for label in entry.labels:
            value = self._label(label, fixed, rules, raw)
            if value is None:
                self.unknown.add(_shown(raw, rules[label.name]))
                return None
            values.append(value)
        return tuple(values)

    def _label(self, label: Label, fixed: Mapping[str, str], rules: Rules, raw: Raw) -> str | None:
        if label is SERVICE or label is REGION:
            return self._target.service if label is SERVICE else self._target.region
        rule = rules.get(label.name)
        if label is REPLICA:
            rank = [raw.labels[name] for name in rule.of if raw.labels.get(name)] if rule is not None else []
            return self._bounded(label, REPLICA_SEPARATOR.join(part for part in (self._target.address, *rank) if part))
        value = fixed.get(label.name, "") if rule is None or label.name in fixed else self._said(label, rule, raw)
        return self._target.model if value == "" and label is MODEL else value

    def _said(self, label: Label, rule: LabelRule, raw: Raw) -> str | None:
        """What the page says, in our words."""
        said = next((raw.labels[name] for name in rule.of if raw.labels.get(name)), "")
        if any(_pattern(unknown).fullmatch(said) for unknown in rule.unknown):
            return ""
        if not rule.values:
            return self._bounded(label, said)
        of = (ours for ours, patterns in rule.values if any(_pattern(one).fullmatch(said) for one in patterns))
        return next(of, None)

    def _bounded(self, label: Label, value: str) -> str:
        value = value[:_MAX_LABEL]
        known = self._values.setdefault(label.name, set())
        if value in known or len(known) < _MAX_VALUES:
            known.add(value)
            return value
        return OTHER


class Labels:
    """Labels of one source's series: a page has few of them, and each many times, as a histogram has its buckets.

    Args:
        labeller: of the page.
        of: the mapping.
        told: the signal.
        source: of the signal.
    """

    def __init__(self, labeller: Labeller, of: model.Mapping, told: Told, source: Source) -> None:
        self._labeller = labeller
        self._rules = {**dict(of.labels), **dict(source.labels)}
        self._fixed = dict(told.set)
        if told.signal.label is not None:
            self._fixed[told.signal.label.name] = told.signal.value
        self._entry: Series = of_engine(told.signal.entry)
        self._replica: int = self._entry.label_names.index(REPLICA.name)
        self._names = tuple(dict.fromkeys(name for rule in self._rules.values() for name in rule.of))
        self._known: dict[tuple[str | None, ...], tuple[str, ...]] = {}

    def values(self, raw: Raw) -> tuple[str, ...] | None:
        """Of one series; None where the page has one that nobody knows."""
        # What no rule asks for, a bucket's bound above all, changes nothing.
        said = tuple(map(raw.labels.get, self._names))
        found = self._known.get(said)
        if found is None:
            found = self._labeller.made(self._entry, self._fixed, self._rules, raw)
            if found is not None:
                self._known[said] = found
        return found

    def replica(self, values: tuple[str, ...]) -> str:
        """Which of them is the replica: what begins anew together."""
        return values[self._replica]


@cache
def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(text, re.ASCII)


def fits(where: model.Where, labels: Mapping[str, str]) -> bool:
    """Whether a series' labels meet a condition."""
    value = labels.get(where.label, "")
    if where.matches is not None:
        return _pattern(where.matches).fullmatch(value) is not None
    return _pattern(where.differs or "").fullmatch(value) is None


def _shown(raw: Raw, rule: LabelRule) -> str:
    said = ", ".join(f'{name}="{raw.labels.get(name, "")[:_MAX_LABEL]}"' for name in rule.of)
    return f"{raw.family.name}{{{said}}}"
