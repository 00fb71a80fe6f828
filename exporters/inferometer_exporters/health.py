"""Readings of sources as series; what is no longer read is no longer shown."""

from inferometer.aggregate import Aggregator
from inferometer.catalog import telemetry
from inferometer.catalog.model import Series
from inferometer_exporters.source import Reading, Sampler, SeriesKey


class Health:
    """Feeds the series of devices' health.

    Args:
        aggregator: receives them.
        sampler: has the readings.
    """

    def __init__(self, aggregator: Aggregator, sampler: Sampler) -> None:
        self._aggregator = aggregator
        self._sampler = sampler
        self._shown: dict[SeriesKey, Series] = {}
        self._totals: dict[tuple[int, SeriesKey], int | float] = {}
        self._suppliers: dict[SeriesKey, int] = {}
        self._errors: dict[str, int] = {}

    def show(self) -> bool:
        """Show the newest readings; True if a counter rose."""
        rose = False
        shown: dict[SeriesKey, Series] = {}
        by: dict[SeriesKey, int] = {}
        for sample in self._sampler.samples():
            for reading in sample.readings:
                first = by.setdefault(reading.key, sample.number) == sample.number
                if reading.entry.kind == "counter":
                    rose |= self._follow(reading, sample.number, first=first)
                elif first:
                    shown[reading.entry.name, reading.labels] = reading.entry
                    self._aggregator.set(reading.entry, reading.labels, reading.value)
        for key in self._shown.keys() - shown.keys():
            self._aggregator.remove(self._shown[key], key[1])
        self._shown = shown
        return self._failures() or rose

    def _follow(self, reading: Reading, source: int, *, first: bool) -> bool:
        """Add what a total has risen; one that fell began anew.

        Every source's total is followed, but only that of the first source counts. Where another one takes over, what
        it counted in the meantime is in the series already: it counts from there.
        """
        key, total = reading.key, reading.value
        before = self._totals.get((source, key), 0 if reading.own else None)
        self._totals[source, key] = total
        if not first:
            return False
        supplier = self._suppliers.setdefault(key, source)
        self._suppliers[key] = source
        known = before is not None and supplier == source
        gain = int(total - before if total >= before else total) if known and before is not None else 0
        self._aggregator.add(reading.entry, reading.labels, gain)
        return gain > 0

    def _failures(self) -> bool:
        rose = False
        for source, total in self._sampler.errors():
            gain = total - self._errors.get(source, 0)
            if gain > 0:
                self._errors[source] = total
                self._aggregator.add(telemetry.SOURCE_ERRORS, (source,), gain)
                rose = True
        return rose
