"""Series of an engine's page in PromQL, with our labels: what `inferometer_exporters.engines` does, without us.

Names and labels of a page are data of the engine's mapping, so queries are put together as text here and nowhere else.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Final

from inferometer.catalog.engines import of_engine
from inferometer.catalog.labels import MODEL, REPLICA, SERVICE
from inferometer.catalog.model import Series
from inferometer.fleet.engines import Mapping as EngineMapping
from inferometer.fleet.engines.model import REPLICA_SEPARATOR, LabelRule, Operand, Source, Told
from inferometer.fleet.engines.vocabulary import PageType, PageUnit, Part
from inferometer.promql import quote
from inferometer_alerts.rule_labels import INSTANCE, JOB

SAID_MODEL: Final = "inferometer_model"
"""Label of a target: model of series that do not say theirs."""
_PART: Final = "inferometer_part"
"""Label that tells numbers apart that are added up."""
_JOINED: Final = "inferometer_joined"
_BETWEEN: Final = ";"


@dataclass(frozen=True, slots=True)
class Selected:
    """Series of a page: a name and conditions."""

    job: str
    name: str
    conditions: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The selector."""
        return f"{self.name}{{{', '.join((f'{JOB.name}={quote(self.job)}', *self.conditions))}}}"

    def having(self, *conditions: str) -> "Selected":
        """The same with further conditions."""
        return replace(self, conditions=(*self.conditions, *conditions))

    def of(self, variant: "Variant") -> str:
        """The selector of a variant's series."""
        selectors = [self.having(*conditions).text for conditions in variant.alternatives]
        return selectors[0] if len(selectors) == 1 else f"({' or '.join(selectors)})"


@dataclass(frozen=True, slots=True)
class Variant:
    """Series of a source whose labels with tables of values have the same values."""

    alternatives: tuple[tuple[str, ...], ...]
    """Conditions; a series meets all of one alternative, and of one only."""
    labels: tuple[tuple[str, str], ...]
    """Fixed labels of the recorded series."""


def selected(job: str, operand: Operand, *, suffix: str = "") -> Selected:
    """The series of an operand; *suffix* is the part of a histogram."""
    part = f"_{operand.part.value}" if operand.part is not Part.ITSELF else suffix
    conditions = (
        f"{where.label}=~{quote(where.matches)}"
        if where.matches is not None
        else f"{where.label}!~{quote(where.differs or '')}"
        for where in operand.where
    )
    return Selected(job, f"{operand.series}{part}", tuple(conditions))


def presence(job: str, told: Told, source: Source) -> str:
    """What is there where a page has the source."""
    whole = told.signal.entry.kind == "histogram" and source.count is None
    return selected(job, source, suffix="_count" if whole else "").text


def rules_of(mapping: EngineMapping, source: Source) -> dict[str, LabelRule]:
    """Where labels of a source come from."""
    return {**dict(mapping.labels), **dict(source.labels)}


def variants(mapping: EngineMapping, told: Told, source: Source) -> Iterator[Variant]:
    """A source by the values of labels that have a table."""
    fixed = dict(told.set)
    if told.signal.label is not None:
        fixed[told.signal.label.name] = told.signal.value
    rules = rules_of(mapping, source)
    entry: Series = of_engine(told.signal.entry)
    tables = [
        list(_rows(name, rules[name]))
        for name in entry.label_names
        if name in rules and rules[name].values and name not in fixed
    ]
    for combination in product(*tables):
        alternatives = tuple(
            tuple(condition for conditions in chosen for condition in conditions)
            for chosen in product(*(row.alternatives for row in combination))
        )
        labels = tuple(label for row in combination for label in row.labels)
        yield Variant(alternatives, (*fixed.items(), *labels))


def _rows(name: str, rule: LabelRule) -> Iterator[Variant]:
    """A label's table; of patterns that overlap the first counts."""
    before: list[str] = []
    if rule.unknown:
        pattern = _any(rule.unknown)
        yield Variant(tuple(_alternatives(rule.of, pattern, before)), ())
        before.append(pattern)
    for value, patterns in rule.values:
        pattern = _any(patterns)
        yield Variant(tuple(_alternatives(rule.of, pattern, before)), ((name, value),))
        before.append(pattern)


def _any(patterns: Sequence[str]) -> str:
    return "|".join(f"(?:{one})" for one in patterns) if len(patterns) > 1 else patterns[0]


def _alternatives(of: Sequence[str], pattern: str, before: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """Conditions under which the first of the labels that is not empty matches a pattern, and none before it."""
    for number, label in enumerate(of):
        empty = tuple(f'{earlier}=""' for earlier in of[:number])
        # The last one may be empty: then all are.
        said = () if label == of[-1] else (f'{label}!=""',)
        others = tuple(f"{label}!~{quote(one)}" for one in before)
        yield (*empty, *said, f"{label}=~{quote(pattern)}", *others)


def recorded_labels(told: Told, variant: Variant, rules: Mapping[str, LabelRule]) -> tuple[str, ...]:
    """Labels that the expression must carry: the others are fixed, or nobody tells them."""
    entry: Series = of_engine(told.signal.entry)
    fixed = {name for name, _ in variant.labels}
    told_here = {SERVICE.name, MODEL.name, REPLICA.name, *(name for name, rule in rules.items() if not rule.values)}
    return tuple(name for name in entry.label_names if name in told_here - fixed)


def relabelled(text: str, labels: Sequence[str], rules: Mapping[str, LabelRule]) -> str:
    """A vector with our labels made of the page's; others are summed away by who uses it."""
    for name in labels:
        if name == REPLICA.name:
            text = _replica(text, rules.get(name))
        elif name != SERVICE.name:
            text = _first(text, name, rules.get(name))
    return text


def _replica(text: str, rule: LabelRule | None) -> str:
    """The page's address, and behind slashes what the page tells its engines apart by."""
    parts = (INSTANCE.name, *(rule.of if rule is not None else ()))
    joined = _join(text, REPLICA.name, REPLICA_SEPARATOR, parts)
    for _ in parts[2:]:
        joined = _replace(joined, REPLICA.name, "$1/$2", REPLICA.name, "(.*?)//+(.*)")
    return joined if len(parts) == 1 else _replace(joined, REPLICA.name, "$1", REPLICA.name, "(.*?)/*")


def _first(text: str, name: str, rule: LabelRule | None) -> str:
    """The first of the page's labels that is not empty; a model that nobody says is the target's."""
    of = rule.of if rule is not None else ()
    if len(of) > 1 or (of and of[0] != name):
        text = _join(text, _JOINED, _BETWEEN, of)
        text = _replace(text, name, "$1", _JOINED, f"{_BETWEEN}*([^{_BETWEEN}]*).*")
    elif not of:
        # A label of that name on the page means something else.
        text = _replace(text, name, "", "", "")
    if rule is not None and rule.unknown:
        text = _replace(text, name, "", name, "|".join(f"(?:{one})" for one in rule.unknown))
    if name == MODEL.name:
        text = _join(text, _JOINED, _BETWEEN, (name, SAID_MODEL))
        text = _replace(text, name, "$1", _JOINED, f"{_BETWEEN}*([^{_BETWEEN}]*).*")
    return text


def _join(text: str, name: str, between: str, of: Iterable[str]) -> str:
    return f"label_join({text}, {', '.join(quote(one) for one in (name, between, *of))})"


def _replace(text: str, name: str, replacement: str, of: str, pattern: str) -> str:
    return f"label_replace({text}, {', '.join(quote(one) for one in (name, replacement, of, pattern))})"


def marked(text: str, number: int) -> str:
    """A vector whose elements differ from those of other numbers, so that `or` keeps all."""
    return _replace(text, _PART, str(number), "", "")


def in_base_units(text: str, unit: PageUnit) -> str:
    """A number of a page in base units."""
    factor = unit.factor
    if factor == 1:
        return text
    return f"{text} / {factor.denominator}" if factor.numerator == 1 else f"{text} * {factor.numerator}"


def is_whole_histogram(told: Told, source: Source) -> bool:
    """Whether a source is a histogram with buckets."""
    return told.signal.entry.kind == "histogram" and source.count is None and source.type is not PageType.SUMMARY
