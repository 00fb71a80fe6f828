"""Signals of a page as families of our own page."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from math import isinf

from inferometer.aggregate.sample import Birth, Buckets, Family, Plain
from inferometer.catalog.model import Series
from inferometer_exporters.engines.evaluate import Found

_Key = tuple[str, tuple[str, ...]]


class Publisher:
    """Makes families; a total that an engine begins to tell shows 0 until one scrape has fetched that.

    A counter born at 3 has no ``increase()``: the engine told nothing of it before, because it was 0.
    """

    def __init__(self) -> None:
        self._births: dict[_Key, Birth | None] = {}
        self._first = True

    def families(self, found: Iterable[Found], now_ns: int, *, oldest_ns: int) -> tuple[Family, ...]:
        """Families of what a page tells.

        Args:
            found: on the page.
            now_ns: CLOCK_MONOTONIC.
            oldest_ns: what was born before that is shown as it is, fetched or not.
        """
        samples: dict[str, tuple[Series, list[Plain | Buckets]]] = {}
        births: dict[_Key, Birth | None] = {}
        for one in found:
            entry = one.way.entry
            of = samples.setdefault(entry.name, (entry, []))[1]
            for sample in _samples(one):
                key = entry.name, sample.labels
                birth = None if entry.kind == "gauge" else self._birth(key, now_ns, oldest_ns)
                births[key] = birth
                of.append(sample if birth is None else replace(sample, birth=birth))
        self._births, self._first = births, False
        return tuple(Family(entry, None, tuple(of)) for entry, of in samples.values() if of)

    def _birth(self, key: _Key, now_ns: int, oldest_ns: int) -> Birth | None:
        # What is there when the page is first read has counted for longer than we know.
        if self._first:
            return None
        birth = self._births.get(key, Birth(now_ns))
        settled = birth is None or birth.fetched or birth.since_ns < oldest_ns
        return None if settled else birth


def _samples(found: Found) -> Iterator[Plain | Buckets]:
    for amount in found.amounts:
        yield Plain(amount.labels, float(amount.value))
    for spread in found.spreads:
        finite = [bucket for bucket in spread.buckets if not isinf(bucket[0])]
        bounds, cumulative = zip(*finite, strict=True) if finite else ((), ())
        yield Buckets(spread.labels, bounds, cumulative, spread.count, spread.total)
