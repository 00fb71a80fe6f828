"""What an objective may ask of an engine: how good a signal is, and which times its buckets tell apart."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction

from inferometer.catalog.labels import OUTCOME
from inferometer.fleet.engines import loader
from inferometer.fleet.engines.kinds import Quality
from inferometer.fleet.engines.model import Source, Told
from inferometer.fleet.engines.versions import numbers


@dataclass(frozen=True, slots=True, kw_only=True)
class Boundaries:
    """What is known of one signal of an engine."""

    quality: Quality
    reason: str = ""
    """Why it is not exact, or absent."""
    le: tuple[float, ...] = ()
    """Default upper bounds of its buckets, in base units, ascending, without infinity; empty where it has none."""
    flag: str = ""
    """Option of the engine that switches it on, or makes it better."""
    outcomes: tuple[str, ...] = ()
    """Of requests: outcomes that are told apart."""


def boundaries(
    engine: str, version: str | None = None, own: Iterable[tuple[str, Iterable[Decimal]]] = ()
) -> Mapping[str, Boundaries]:
    """Every signal by its name, as pages of an engine tell it.

    Args:
        engine: one of `loader.names`.
        version: of the engine; None: unknown, so the newest way to tell a signal counts.
        own: boundaries by signal, in base units, that the engine was started with instead of its usual ones.

    Raises:
        KeyError: there is no mapping of the engine.
        FleetError: its mapping says something that cannot be right.
    """
    mapping = loader.load(engine)
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
    )
