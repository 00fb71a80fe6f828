"""What an objective may ask of an engine: how good a signal is, and which times its buckets tell apart."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction

from inferometer.catalog.labels import MODEL, OUTCOME
from inferometer.fleet.engines import model
from inferometer.fleet.engines.model import Source, Told
from inferometer.fleet.engines.versions import numbers
from inferometer.fleet.engines.vocabulary import Boundaries, Quality


def of(
    mapping: model.Mapping, version: str | None = None, own: Iterable[tuple[str, Iterable[Decimal]]] = ()
) -> Mapping[str, Boundaries]:
    """Every signal by its name; see `inferometer.fleet.engines.boundaries`."""
    found = {
        signal.name: Boundaries(quality=Quality.ABSENT, reason=absence.reason, flag=absence.flag)
        for absence in mapping.absent
        for signal in absence.signals
    }
    for told in mapping.signals:
        source = first(told, version)
        name = told.signal.name
        if source is None:
            gone = Boundaries(
                quality=Quality.ABSENT, reason=f"{mapping.title} {version} does not tell it", flag=told.flag
            )
            found.setdefault(name, gone)
            continue
        here = Boundaries(
            quality=source.quality or told.quality,
            reason=source.reason or told.reason,
            le=tuple(float(Fraction(bound) * source.unit.factor) for bound in source.buckets),
            flag=told.flag,
            outcomes=tuple(_outcomes(told, source)),
            by_model=_says_model(mapping, source),
        )
        found[name] = _joined(found[name], here) if name in found else here
    for name, le in own:
        found[name] = replace(found[name], le=tuple(sorted(float(bound) for bound in le)))
    return found


def first(told: Told, version: str | None) -> Source | None:
    """The preferred source of a version; of an unknown one the first of all."""
    exact = numbers(version) if version else None
    fit = (s for s in told.sources if s.versions is None or exact is None or exact in s.versions)
    return next(fit, None)


def _outcomes(told: Told, source: Source) -> Iterable[str]:
    yield from (value for name, value in told.set if name == OUTCOME.name)
    yield from (value for name, rule in source.labels if name == OUTCOME.name for value, _ in rule.values)


def _says_model(mapping: model.Mapping, source: Source) -> bool:
    rule = {**dict(mapping.labels), **dict(source.labels)}.get(MODEL.name)
    return rule is not None and bool(rule.of)


def _joined(one: Boundaries, other: Boundaries) -> Boundaries:
    """Two entries of one signal: it is as good as the worse."""
    order = list(Quality)
    worse = max(one, other, key=lambda known: order.index(known.quality))
    return Boundaries(
        quality=worse.quality,
        reason=worse.reason,
        le=one.le or other.le,
        flag=one.flag or other.flag,
        outcomes=tuple(dict.fromkeys((*one.outcomes, *other.outcomes))),
        by_model=one.by_model and other.by_model,
    )
