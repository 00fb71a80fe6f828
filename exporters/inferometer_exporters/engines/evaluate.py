"""From the numbers of a page to the values of signals, by its plan."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import inf, isinf, isnan

from inferometer.fleet.engines.model import Mapping
from inferometer.fleet.engines.vocabulary import Combine, Quality
from inferometer_exporters.engines.raw import Values
from inferometer_exporters.engines.ways import Number, Plan, Shape, Term, Way, scaled


@dataclass(frozen=True, slots=True)
class Amount:
    """A counter's or a gauge's value, in base units."""

    labels: tuple[str, ...]
    value: float


@dataclass(frozen=True, slots=True)
class Spread:
    """A histogram, in base units."""

    labels: tuple[str, ...]
    buckets: tuple[tuple[float, float], ...]
    """(upper bound, how many up to it), rising, with infinity at the end; empty where only a mean is known."""
    count: float
    total: float | None
    """Sum of all values; None where nobody knows it."""


@dataclass(frozen=True, slots=True)
class Found:
    """A signal, or some labels of it, as a page tells it."""

    way: Way
    amounts: tuple[Amount, ...] = ()
    spreads: tuple[Spread, ...] = ()


def evaluate(plan: Plan, values: Values, here: Values) -> list[Found]:
    """What a page tells.

    Args:
        plan: of the page's series.
        values: by place, totals continued.
        here: by place, as the page has them: what is not on the page is not told, whatever it was before.
    """
    told: list[Found] = []
    first: dict[str, Mapping] = {}
    for ways in plan.entries:
        chosen = next((way for way in ways if any(here[place] is not None for place in way.places)), None)
        # A page's own engine comes before those that it contains.
        if chosen is not None and first.setdefault(chosen.told.signal.name, chosen.of) is chosen.of:
            told.append(Found(chosen, tuple(_amounts(chosen, values, here)), tuple(_spreads(chosen, values, here))))
    return told


def _amounts(way: Way, values: Values, here: Values) -> Iterator[Amount]:
    sentinels = frozenset(float(sentinel) for sentinel in way.source.sentinels)
    for number in way.numbers:
        if not _there(number.terms, here):
            continue
        value = _value(way, number, values, sentinels)
        if value is None or (way.source.zero_means_off and not value):
            continue
        yield Amount(number.labels, value)


def _value(way: Way, number: Number, values: Values, sentinels: frozenset[float]) -> float | None:
    parts = _parts(number.terms, values, sentinels)
    if not parts:
        return None
    combine = way.combine
    value = max(parts) if combine is Combine.MAX else sum(parts)
    if combine is Combine.MEAN:
        value /= len(parts)
    if not number.over:
        return value
    whole = sum(_parts(number.over, values, frozenset()))
    return value / whole if whole else None


def _parts(terms: Sequence[Term], values: Values, sentinels: frozenset[float]) -> list[float]:
    return [
        scaled(value, term.unit)
        for term in terms
        if (value := values[term.place]) is not None and not isnan(value) and value not in sentinels
    ]


def _spreads(way: Way, values: Values, here: Values) -> Iterator[Spread]:
    for shape in way.shapes:
        spread = _spread(way, shape, values, here)
        if spread is not None:
            yield spread


def _spread(way: Way, shape: Shape, values: Values, here: Values) -> Spread | None:
    counts = _parts(shape.counts, values, frozenset())
    sums = _parts(shape.sums, values, frozenset())
    total = sum(sums) if sums and way.sums is not Quality.ABSENT else None
    if not shape.buckets:
        if not counts or not sums or not _there(shape.counts, here):
            return None
        return Spread(shape.labels, (), sum(counts), total)
    series = max(len(terms) for terms in shape.buckets.values())
    buckets = []
    for bound in sorted(shape.buckets):
        terms = shape.buckets[bound]
        if series == 1:
            # Most engines show a histogram for each set of labels.
            value = values[terms[0].place]
            if value is not None and not isnan(value) and here[terms[0].place] is not None:
                buckets.append((bound, value))
            continue
        # Sums of cumulative counts mean something where all series have the boundary.
        parts = _parts(terms, values, frozenset()) if len(terms) == series else []
        if len(parts) == series and _there(terms, here):
            buckets.append((bound, sum(parts)))
    if not buckets:
        return None
    count = sum(counts) if counts else buckets[-1][1]
    if not isinf(buckets[-1][0]):
        buckets.append((inf, count))
    return Spread(shape.labels, tuple(buckets), count, total)


def _there(terms: Sequence[Term], here: Values) -> bool:
    return any(here[term.place] is not None for term in terms)
