"""One page, read once: engine, version, signals, what is unknown and what is missing."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from math import isinf
from typing import Final

from inferometer.catalog.engines import SIGNALS, of_engine
from inferometer.catalog.labels import REGION, SERVICE
from inferometer.fleet import engines
from inferometer.fleet.engines import model
from inferometer.fleet.engines.model import GENERIC
from inferometer.fleet.engines.vocabulary import Quality
from inferometer_exporters.engines.detection import Version, VersionFrom, engine_of, version_of
from inferometer_exporters.engines.evaluate import Found, Spread, evaluate
from inferometer_exporters.engines.labelling import Target
from inferometer_exporters.engines.plan import Mapper
from inferometer_exporters.engines.raw import Raw, RawPage
from inferometer_exporters.engines.ways import Way
from inferometer_exporters.pages.exposition import decoded, family, lines, types

_CREATED: Final = "_created"


@dataclass(frozen=True, slots=True, kw_only=True)
class Value:
    """One series of a signal."""

    labels: dict[str, str]
    """Those that are not empty, without the fleet's (service, region)."""
    source: str
    """Family of the page that it comes from."""
    quality: Quality
    reason: str
    value: float | None = None
    """Of a counter or a gauge."""
    count: float | None = None
    """Of a histogram."""
    sum: float | None = None
    buckets: tuple[tuple[float, float], ...] = ()
    """(upper bound, how many up to it); empty where only a mean is known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """A signal that the page does not tell."""

    reason: str
    flag: str = ""
    """Option of the engine that would switch it on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What a page says."""

    engine: str
    title: str
    version: str
    version_from: VersionFrom
    signals: dict[str, list[Value]]
    unknown: list[str]
    """Families of the engine's own names that its mapping does not know, and labels' values that it does not."""
    missing: dict[str, Missing]
    faults: dict[str, list[model.Fault]]
    """Of signals that the page tells: what the engine tells wrong."""
    samples: int


def read(page: bytes, engine: str | None = None, *, version: str | None = None, model_name: str = "") -> Reading:
    """What a page says.

    Args:
        page: as it was served; an end of the last line is added where there is none.
        engine: whose it is; None: found by its names.
        version: as fleet.yaml says it.
        model_name: label `model` of series that do not say theirs.

    Raises:
        SourceError: it is not in Prometheus' text format, or nobody knows whose it is.
        FleetError: the engine's mapping is wrong.
        KeyError: there is no mapping of the engine.
    """
    text = decoded(page if page.endswith(b"\n") else page + b"\n")
    names = page_names(text)
    mapping = engines.load(engine) if engine is not None else engine_of(names)
    found_version = _version(mapping, text, names, version)
    mapper = Mapper(mapping, [engines.load(name) for name in mapping.contains], found_version.exact)
    raw_page = RawPage(mapper.named, mapper.wants)
    values = raw_page.update(text)
    plan = mapper.plan(raw_page.series, Target(model=model_name))
    told = evaluate(plan, values, values)
    signals: dict[str, list[Value]] = {}
    faults: dict[str, list[model.Fault]] = {}
    for found in told:
        name = found.way.told.signal.name
        signals.setdefault(name, []).extend(_values(found, raw_page.series))
        faults.setdefault(name, []).extend(found.way.told.faults)
    signals = {name: of for name, of in signals.items() if of}
    return Reading(
        engine=mapping.engine,
        title=mapping.title,
        version=found_version.text,
        version_from=found_version.said_by,
        signals={signal.name: signals[signal.name] for signal in SIGNALS if signal.name in signals},
        unknown=[*unknown_families(mapper, raw_page), *plan.unknown],
        missing=dict(_missing(mapping, signals, found_version)),
        faults={name: of for name, of in faults.items() if of and name in signals},
        samples=raw_page.sized,
    )


def page_names(text: str) -> set[str]:
    """Names of samples on a page, and of the families that they belong to."""
    kinds = types(text)
    names = {line.name for line in lines(text)}
    return names | {family(name, kinds).name for name in names}


def _version(mapping: model.Mapping, text: str, names: set[str], told: str | None) -> Version:
    mapper = Mapper(mapping)
    said = {mapper.named(name).name for name in names}
    return version_of(mapping, said, ((mapper.named(line.name).name, line.labels) for line in lines(text)), told)


def unknown_families(mapper: Mapper, page: RawPage) -> list[str]:
    """Families of the engines' own names that nobody maps, and nobody says why not."""
    known = set(_known(mapper.mappings))
    families = {(of.name, mapper.named(of.name).name) for of in page.families.values()}
    return sorted(
        shown
        for shown, name in families
        if not _matches(name, GENERIC) and _own(mapper.mappings, name) and not _matches(name, known)
        if not name.endswith(_CREATED)
    )


def _known(mappings: Iterable[model.Mapping]) -> Iterator[str]:
    for mapping in mappings:
        for ignored in mapping.ignored:
            yield from ignored.series
        for told in mapping.signals:
            for source in told.sources:
                operands = (source, *source.add, *(o for o in (source.count, source.over) if o is not None))
                yield from (operand.series for operand in operands)


def _own(mappings: Iterable[model.Mapping], name: str) -> bool:
    return any(
        _matches(name, (*mapping.namespace, *(f"{spelling.prefix}*" for spelling in mapping.spellings)))
        for mapping in mappings
    )


def _matches(name: str, patterns: Iterable[str]) -> bool:
    return any(fnmatchcase(name, pattern) if pattern.endswith("*") else name == pattern for pattern in patterns)


def _values(found: Found, raws: list[Raw]) -> Iterator[Value]:
    way = found.way
    names = of_engine(way.told.signal.entry).label_names
    source = raws[way.places[0]].family.name
    for amount in found.amounts:
        yield Value(
            labels=_labels(names, amount.labels),
            source=source,
            quality=way.quality,
            reason=way.reason,
            value=amount.value,
        )
    for spread in found.spreads:
        yield _spread(way, spread, names, source)


def _spread(way: Way, spread: Spread, names: tuple[str, ...], source: str) -> Value:
    return Value(
        labels=_labels(names, spread.labels),
        source=source,
        quality=way.quality,
        reason=way.reason,
        count=spread.count,
        sum=spread.total,
        buckets=tuple((bound, number) for bound, number in spread.buckets if not isinf(bound)),
    )


def _labels(names: tuple[str, ...], values: tuple[str, ...]) -> dict[str, str]:
    ours = (SERVICE.name, REGION.name)
    return {name: value for name, value in zip(names, values, strict=True) if value and name not in ours}


def _missing(
    mapping: model.Mapping, signals: dict[str, list[Value]], version: Version
) -> Iterator[tuple[str, Missing]]:
    """Why each signal that the page does not tell is not there."""
    why = {
        signal.name: Missing(reason=absence.reason, flag=absence.flag)
        for absence in mapping.absent
        for signal in absence.signals
    }
    for told in mapping.signals:
        since = sorted({str(source.versions) for source in told.sources if source.versions is not None})
        every = all(source.versions is not None for source in told.sources)
        of = f"{mapping.title} {', '.join(since)} tells it" if every and since else f"{mapping.title} can tell it"
        seen = f"; this page ({version.text or 'version unknown'}) does not"
        why.setdefault(told.signal.name, Missing(reason=of + seen, flag=told.flag))
    for signal in SIGNALS:
        if signal.name not in signals:
            yield signal.name, why[signal.name]
