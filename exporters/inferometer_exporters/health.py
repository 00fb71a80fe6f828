"""Readings of sources as series; what is no longer read is no longer shown."""

from inferometer.aggregate import Aggregator
from inferometer.catalog import telemetry
from inferometer.catalog.model import Series
from inferometer_exporters.source import Sampler


class Health:
    """Feeds the series of devices' health.

    Args:
        aggregator: receives them.
        sampler: has the readings.
    """

    def __init__(self, aggregator: Aggregator, sampler: Sampler) -> None:
        self._aggregator = aggregator
        self._sampler = sampler
        self._shown: dict[tuple[str, tuple[str, ...]], Series] = {}
        self._counters: dict[tuple[str, tuple[str, ...]], int | float] = {}
        self._errors: dict[str, int] = {}

    def show(self) -> bool:
        """Show the newest readings; True if a counter rose."""
        readings = self._sampler.readings()
        rose = False
        shown: dict[tuple[str, tuple[str, ...]], Series] = {}
        for reading in readings:
            key = (reading.entry.name, reading.labels)
            if reading.entry.kind == "counter":
                rose |= self._follow(key, reading.entry, int(reading.value))
            else:
                shown[key] = reading.entry
                self._aggregator.set(reading.entry, reading.labels, reading.value)
        for key in self._shown.keys() - shown.keys():
            self._aggregator.remove(self._shown[key], key[1])
        self._shown = shown
        return self._failures() or rose

    def _follow(self, key: tuple[str, tuple[str, ...]], entry: Series, total: int) -> bool:
        """Add what a total has risen; one that fell began anew."""
        before = self._counters.get(key)
        self._counters[key] = total
        gain = 0 if before is None else int(total - before if total >= before else total)
        self._aggregator.add(entry, key[1], gain)
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
