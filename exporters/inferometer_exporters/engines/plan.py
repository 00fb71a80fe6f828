"""A mapping applied to the series that a page has: which places make which signal, with which labels."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from inferometer.fleet.engines import model
from inferometer.fleet.engines.model import Operand, Source, Told
from inferometer.fleet.engines.versions import Numbers
from inferometer.fleet.engines.vocabulary import PageType, Part, Quality
from inferometer_exporters.engines.labelling import Labeller, Labels, Target, fits
from inferometer_exporters.engines.raw import Named, Raw
from inferometer_exporters.engines.ways import Number, Plan, Shape, Term, Way, scaled
from inferometer_exporters.pages.exposition import Family

_LE: Final = "le"
_CUMULATIVE: Final = frozenset({"counter", "histogram"})


class Mapper:
    """Mappings of one page's engine and of those that it may contain.

    Args:
        mapping: the engine's own.
        contained: those of engines whose series the page may carry, too.
        version: the engine's, where it is known; ways of other versions are left out.
    """

    def __init__(
        self, mapping: model.Mapping, contained: Sequence[model.Mapping] = (), version: Numbers | None = None
    ) -> None:
        self.mappings = (mapping, *contained)
        self._version = version
        self._spellings = sorted(
            (
                (spelling.prefix, number, of.prefix)
                for of in self.mappings
                for number, spelling in enumerate(of.spellings)
            ),
            key=lambda spelling: -len(spelling[0]),
        )
        self._wanted = {
            key
            for of in self.mappings
            for told in of.signals
            for source in self._sources(of, told)
            for operand, kinds, parts in _operands(told, source)
            for kind in (*kinds, "untyped")
            for part in parts
            for key in [(operand.series, kind, part)]
        }

    def _sources(self, of: model.Mapping, told: Told) -> Iterator[Source]:
        """Ways that this version may tell it."""
        version = self._version if of is self.mappings[0] else None
        for source in told.sources:
            if source.versions is None or version is None or version in source.versions:
                yield source

    def named(self, name: str) -> Named:
        """A name in its mapping's own spelling."""
        for prefix, number, first in self._spellings:
            if name.startswith(prefix):
                return Named(first + name[len(prefix) :], number)
        return Named(name, 0)

    def wants(self, family: Family) -> bool:
        """Whether a series of a family can be of use."""
        return (family.name, family.type, family.part) in self._wanted

    def plan(self, raws: Sequence[Raw], target: Target) -> Plan:
        """How the series of a page make signals."""
        by_family: dict[tuple[str, str], list[int]] = {}
        for place, raw in enumerate(raws):
            by_family.setdefault((raw.family.name, raw.family.part), []).append(place)
        maker = _Maker(raws, by_family, target)
        entries = []
        for of in self.mappings:
            for told in of.signals:
                ways = tuple(maker.way(of, told, source) for source in self._sources(of, told))
                entries.append(ways)
        return Plan(tuple(entries), frozenset(maker.cumulative), maker.cumulative, tuple(sorted(maker.unknown)))


def _operands(told: Told, source: Source) -> Iterator[tuple[Operand, tuple[str, ...], tuple[str, ...]]]:
    """What a source reads: operand, declared types, parts."""
    kind = told.signal.entry.kind
    if kind == "histogram" and source.count is None:
        if source.type is PageType.SUMMARY:
            yield source, ("summary",), ("sum", "count")
        else:
            yield source, ("histogram",), ("bucket", "sum", "count")
        return
    usual = "gauge" if kind == "gauge" else "counter"
    for operand in (source, *source.add, *(o for o in (source.count, source.over) if o is not None)):
        if operand.part is not Part.ITSELF:
            yield operand, ("histogram", "summary"), (operand.part.value,)
        else:
            yield operand, (operand.type.value if operand.type is not None else usual,), ("",)


class _Maker:
    """Makes ways; remembers what it saw."""

    def __init__(self, raws: Sequence[Raw], by_family: Mapping[tuple[str, str], list[int]], target: Target) -> None:
        self.raws = raws
        self._by_family = by_family
        self._labeller = Labeller(target)
        self.cumulative: dict[int, str] = {}

    @property
    def unknown(self) -> set[str]:
        """Series whose labels have values that the mapping does not know."""
        return self._labeller.unknown

    def labels(self, of: model.Mapping, told: Told, source: Source) -> Labels:
        """What gives a source's series the labels of its signal."""
        return self._labeller.of(of, told, source)

    def way(self, of: model.Mapping, told: Told, source: Source) -> Way:
        """A source, as the page has it."""
        reader = _Reader(self, of, told, source)
        entry = told.signal.entry
        if entry.kind == "histogram":
            shapes = tuple(reader.shapes())
            numbers: tuple[Number, ...] = ()
        else:
            shapes = ()
            numbers = tuple(reader.numbers())
        quality, reason = source.quality or told.quality, source.reason or told.reason
        through = {self.raws[place].spelling for place in reader.seen}
        spelling = of.spellings[max(through)] if through and of.spellings else None
        sums = quality
        if spelling is not None and spelling.sums is not None and entry.kind == "histogram":
            sums = spelling.sums
            # Buckets and counts are as good as they are without a sum.
            spelled = Quality.APPROXIMATE if sums is Quality.ABSENT else sums
            quality, reason = _worse((quality, reason), (spelled, spelling.reason))
        return Way(of, told, source, quality, reason, sums, tuple(reader.seen), numbers, shapes)

    def places(self, operand: Operand, kinds: tuple[str, ...], part: str) -> Iterator[int]:
        """Places of an operand's series."""
        found = [
            place
            for place in self._by_family.get((operand.series, part), ())
            if self.raws[place].family.type in kinds or self.raws[place].family.type == "untyped"
            if all(fits(where, self.raws[place].labels) for where in operand.where)
        ]
        # A page that has a name in two spellings has it twice: the mapping's own counts.
        first = min((self.raws[place].spelling for place in found), default=0)
        return (place for place in found if self.raws[place].spelling == first)


class _Reader:
    """One source of one entry."""

    def __init__(self, maker: _Maker, of: model.Mapping, told: Told, source: Source) -> None:
        self._maker = maker
        self._source = source
        self._labels = maker.labels(of, told, source)
        self._is_total = told.signal.entry.kind in _CUMULATIVE
        self._operands = list(_operands(told, source))
        self.seen: list[int] = []

    def numbers(self) -> Iterable[Number]:
        found: dict[tuple[str, ...], Number] = {}
        for operand, kinds, parts in self._operands:
            divides = operand is self._source.over
            for place, labels in self._found(operand, kinds, parts[0], counts=operand is self._source):
                number = found.setdefault(labels, Number(labels))
                (number.over if divides else number.terms).append(Term(place, operand.unit))
        return (number for number in found.values() if number.terms and bool(number.over) == bool(self._source.over))

    def shapes(self) -> Iterable[Shape]:
        found: dict[tuple[str, ...], Shape] = {}
        with_buckets = self._source.count is None and self._source.type is not PageType.SUMMARY
        for operand, kinds, parts in self._operands:
            for part in parts:
                for place, labels in self._found(operand, kinds, part, counts=operand is self._source):
                    shape = found.setdefault(labels, Shape(labels))
                    self._place(shape, operand, part, place)
        if with_buckets:
            return (shape for shape in found.values() if shape.buckets)
        return (shape for shape in found.values() if shape.sums and shape.counts)

    def _place(self, shape: Shape, operand: Operand, part: str, place: int) -> None:
        source = self._source
        if source.count is not None:
            if operand is source.count:
                shape.counts.append(Term(place))
            else:
                shape.sums.append(Term(place, operand.unit))
        elif part == "sum":
            shape.sums.append(Term(place, source.unit))
        elif part == "count":
            shape.counts.append(Term(place))
            shape.series += 1
        else:
            try:
                bound = scaled(float(self._maker.raws[place].labels.get(_LE, "")), source.unit)
            except ValueError:
                return
            shape.buckets.setdefault(bound, []).append(Term(place))

    def _found(
        self, operand: Operand, kinds: tuple[str, ...], part: str, *, counts: bool
    ) -> Iterator[tuple[int, tuple[str, ...]]]:
        """(place, labels) of an operand's series; *counts*: that one is there means that the source is."""
        maker = self._maker
        for place in maker.places(operand, kinds, part):
            labels = self._labels.values(maker.raws[place])
            if counts:
                self.seen.append(place)
            if labels is None:
                continue
            if self._is_total:
                maker.cumulative[place] = self._labels.replica(labels)
            yield place, labels


def _worse(one: tuple[Quality, str], other: tuple[Quality, str]) -> tuple[Quality, str]:
    order = list(Quality)
    return max(one, other, key=lambda known: order.index(known[0]))
