"""Reads the mappings of engines strictly: what cannot be right is an error that points at it."""

from pathlib import Path
from typing import Final

from inferometer.catalog.engines import SIGNALS, of_engine
from inferometer.catalog.labels import REGION, SERVICE
from inferometer.catalog.model import Label, Series
from inferometer.fleet import document, engines
from inferometer.fleet.document import Mapping as Node
from inferometer.fleet.document import Sequence, Value, wrong
from inferometer.fleet.engines.model import LabelRule, Mapping, Source, Told
from inferometer.fleet.engines.versions import numbers
from inferometer.fleet.engines.vocabulary import PageType, PageUnit, Part, Quality
from inferometer.fleet.reader import read_object
from inferometer.fleet.scalars import nearest

_OURS: Final = (SERVICE.name, REGION.name)
"""Labels that the fleet gives, not the page."""


def read(path: Path) -> Mapping:
    """The mapping in a file.

    Raises:
        FleetError: it cannot be read, or says something that cannot be right.
    """
    return check(document.read(path), path.stem)


def loads(text: str, *, file: str) -> Mapping:
    """The mapping in a text; ``file`` is named in errors, and its stem is the engine's name.

    Raises:
        FleetError: it says something that cannot be right.
    """
    return check(document.parse(text, file=file), Path(file).stem)


def check(root: Node, stem: str) -> Mapping:
    """The mapping of a document.

    Raises:
        FleetError: it says something that cannot be right.
    """
    mapping = read_object(Mapping, root, f"{stem}.yaml")
    if mapping.engine != stem:
        raise wrong(
            _at(root, "engine"), f"the file is named {stem}.yaml, the engine {mapping.engine!r}", "call both the same"
        )
    _check_names(mapping, root)
    _check_coverage(mapping, root)
    for number, told in enumerate(mapping.signals):
        _Entry(mapping, told, _at(root, "signals", number)).check()
    return mapping


def _at(value: Value, *path: str | int) -> Value:
    """The value at the end of a path, or the last one on the way to it."""
    for step in path:
        found: Value | None = None
        if isinstance(step, int) and isinstance(value, Sequence):
            found = value.items[step]
        elif isinstance(step, str) and isinstance(value, Node):
            found = value.get(step)
        value = found if found is not None else value
    return value


def _check_names(mapping: Mapping, root: Node) -> None:
    if not mapping.spellings and not mapping.namespace:
        raise wrong(root, "nothing says which names are the engine's own", "add `spellings:` or `namespace:`")
    for number, name in enumerate(mapping.contains):
        if name not in engines.names() or name == mapping.engine:
            raise wrong(
                _at(root, "contains", number), f"there is no other engine {name!r}", nearest(name, engines.names())
            )
    for number, mark in enumerate(mapping.marks):
        place = _at(root, "marks", number)
        if mark.since is None and mark.before is None:
            raise wrong(place, f"{mark.series} says nothing of a version", "add `since:` or `before:`")
        for version in (mark.since, mark.before):
            if version is not None and numbers(version) is None:
                raise wrong(place, f"{version!r} is no version", 'write "0.12"')


def _check_coverage(mapping: Mapping, root: Node) -> None:
    told = {entry.signal.name for entry in mapping.signals}
    absent: set[str] = set()
    for number, absence in enumerate(mapping.absent):
        for index, signal in enumerate(absence.signals):
            place = _at(root, "absent", number, "signals", index)
            if signal.name in told or signal.name in absent:
                raise wrong(place, f"{signal.name} is said to be told or absent elsewhere", "say one of the two, once")
            absent.add(signal.name)
    missing = [signal.name for signal in SIGNALS if signal.name not in told | absent]
    if missing:
        raise wrong(
            _at(root, "signals"),
            f"nothing is said of {missing[0]}",
            f"tell it, or list it under `absent:` ({len(missing)} in all)",
        )
    seen: set[tuple[str, frozenset[tuple[str, str]]]] = set()
    for number, entry in enumerate(mapping.signals):
        key = entry.signal.name, frozenset(entry.set)
        if key in seen:
            raise wrong(
                _at(root, "signals", number),
                f"{entry.signal.name} stands twice with the same `set:`",
                "join them with `add:`, or set another label",
            )
        seen.add(key)


class _Entry:
    """One entry of `signals`, with its place."""

    def __init__(self, mapping: Mapping, told: Told, place: Value) -> None:
        self._mapping = mapping
        self._told = told
        self._place = place
        entry: Series = of_engine(told.signal.entry)
        self._labels = {label.name: label for label in entry.labels}

    def check(self) -> None:
        told = self._told
        if told.quality is Quality.ABSENT:
            raise wrong(self._place, f"{told.signal.name} is told, so it is not absent", "list it under `absent:`")
        if told.quality is not Quality.EXACT and not told.reason:
            raise wrong(self._place, f"{told.signal.name} is {told.quality}, and nothing says why", "add `reason:`")
        fixed = {told.signal.label.name} if told.signal.label is not None else set()
        for name, value in told.set:
            label = self._label(name, fixed, _at(self._place, "set", name))
            self._value(label, value, _at(self._place, "set", name))
        if not told.sources:
            raise wrong(self._place, f"{told.signal.name} has no source", "add one, or list it under `absent:`")
        fixed |= {name for name, _ in told.set}
        for number, source in enumerate(told.sources):
            self._source(source, fixed, _at(self._place, "sources", number))

    def _label(self, name: str, fixed: set[str], place: Value) -> Label:
        label = self._labels.get(name)
        if label is None or name in fixed or name in _OURS:
            known = tuple(known for known in self._labels if known not in fixed and known not in _OURS)
            raise wrong(place, f"{self._told.signal.name} takes no label {name!r} from a page", nearest(name, known))
        return label

    def _value(self, label: Label, value: str, place: Value) -> None:
        if label.values and value not in label.values:
            raise wrong(place, f"{value!r} is no value of {label.name}", nearest(value, label.values))

    def _source(self, source: Source, fixed: set[str], place: Value) -> None:
        what = f"{self._told.signal.name} from {source.series}"
        for name, rule in source.labels:
            label = self._label(name, fixed, _at(place, "labels", name))
            self._rule(label, rule, _at(place, "labels", name))
        if source.quality not in {None, Quality.EXACT} and not source.reason:
            raise wrong(place, f"{what} is {source.quality}, and nothing says why", "add `reason:`")
        self._shape(source, what, place)

    def _rule(self, label: Label, rule: LabelRule, place: Value) -> None:
        for value, _ in rule.values:
            self._value(label, value, place)

    def _shape(self, source: Source, what: str, place: Value) -> None:
        """What a signal of this kind can be made of."""
        kind = self._told.signal.entry.kind
        whole = source.part is Part.ITSELF
        if kind == "histogram" and source.type in {PageType.COUNTER, PageType.GAUGE} and source.count is None:
            raise wrong(place, f"{what}: a sum alone is no distribution", "add `count:`, the number of observations")
        if kind == "histogram" and not whole:
            raise wrong(place, f"{what}: a part of a histogram is no distribution", "leave `part:` away")
        if kind != "histogram" and source.count is not None:
            raise wrong(place, f"{what} has a `count:`, but is a {kind}", "remove it")
        if kind != "histogram" and whole and source.type in {PageType.HISTOGRAM, PageType.SUMMARY}:
            raise wrong(place, f"{what}: a {kind} is one number", "add `part: sum` or `part: count`")
        if source.over is not None and kind != "gauge":
            raise wrong(place, f"{what} has an `over:`, but is a {kind}", "only gauges are divided")
        if source.buckets and (kind != "histogram" or source.count is not None):
            raise wrong(place, f"{what} has `buckets:`, but no buckets", "remove them")
        whole_histogram = kind == "histogram" and source.count is None and source.type is not PageType.SUMMARY
        if whole_histogram and source.unit is not PageUnit.BASE and not source.buckets:
            raise wrong(
                place, f"{what} is in {source.unit}, and nothing says its buckets", "add `buckets:`: rules write each"
            )
        if list(source.buckets) != sorted(source.buckets):
            raise wrong(_at(place, "buckets"), f"{what}: its buckets do not rise", "write them in their order")
        if source.add and ((kind == "histogram" and source.count is None) or source.over is not None):
            raise wrong(
                place, f"{what} cannot be added to", "`add:` is for numbers: counters, gauges, sums with a `count:`"
            )
