"""All series of an Intake, by catalogue entry and label values; bounded."""

import json
import time
from collections.abc import Callable, Iterable, Mapping
from operator import is_
from typing import Final

from inferometer.aggregate.cells import CounterCell, GaugeCell, HistogramCell, LabelValues
from inferometer.aggregate.layout import Layout, layout_of
from inferometer.aggregate.members import Cell, Members
from inferometer.aggregate.sample import Birth, Exemplar, Family, Snapshot
from inferometer.catalog import telemetry
from inferometer.catalog.index import series
from inferometer.catalog.model import Series
from inferometer.errors import CatalogError, StateError

SERIES_LIMIT: Final = 2_000
"""Series per family; more of them cost a Prometheus more than they tell a person."""
BIRTH_NS: Final = 60 * 10**9
"""A new series shows 0 for at most this long, where nobody scrapes."""
_FORMAT: Final = 1


class Aggregator:
    """Counters, gauges and histograms; changed by one thread, frozen into snapshots for others.

    Args:
        extra_bounds: family name -> boundaries that its classic histogram holds exactly, in stored units.
        limit: series per family.
        monotonic_ns: CLOCK_MONOTONIC.
    """

    def __init__(
        self,
        *,
        extra_bounds: Mapping[str, Iterable[int]] | None = None,
        limit: int = SERIES_LIMIT,
        monotonic_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self._extra = {name: tuple(bounds) for name, bounds in (extra_bounds or {}).items()}
        self._limit = limit
        self._now = monotonic_ns
        self._counters: dict[str, Members[CounterCell]] = {}
        self._gauges: dict[str, Members[GaugeCell]] = {}
        self._followed: dict[str, Members[GaugeCell]] = {}
        self._histograms: dict[str, Members[HistogramCell]] = {}
        self._newborn: list[CounterCell | HistogramCell] = []
        self._number = 0
        self._limited = self.counter(telemetry.SERIES_LIMITED, ())

    def counter(self, entry: Series, labels: LabelValues) -> CounterCell:
        """The counter of these label values, made where it is new.

        Raises:
            CatalogError: the entry is no counter, or has other labels.
        """
        members = self._counters.get(entry.name) or self._family(self._counters, entry, "counter")
        cell = members.cells.get(labels)
        if cell is None:
            kept = members.admit(labels)
            cell = members.cells.get(kept)
            if cell is None:
                cell = members.insert(kept, CounterCell(kept, Birth(self._now()), limited=kept != labels))
                self._newborn.append(cell)
            if kept != labels:
                self._limited.add()
        return cell

    def gauge(self, entry: Series, labels: LabelValues) -> GaugeCell:
        """The gauge of these label values, made where it is new.

        Raises:
            CatalogError: the entry is no gauge, or has other labels.
        """
        return self._unkept(self._gauges.get(entry.name) or self._family(self._gauges, entry, "gauge"), labels)

    def follow(self, entry: Series, labels: LabelValues, total: int) -> None:
        """Show a counter that is kept elsewhere since before this series appeared, such as a process's CPU time.

        It is shown as it is from the beginning, and is no part of the state: who keeps it reports it again.
        A family is either followed or counted here, not both.

        Raises:
            CatalogError: the entry is no counter, or has other labels.
        """
        members = self._followed.get(entry.name) or self._family(self._followed, entry, "counter")
        self._unkept(members, labels).set(total)

    def _unkept(self, members: Members[GaugeCell], labels: LabelValues) -> GaugeCell:
        cell = members.cells.get(labels)
        if cell is None:
            kept = members.admit(labels)
            cell = members.cells.get(kept) or members.insert(kept, GaugeCell(kept, limited=kept != labels))
            if kept != labels:
                self._limited.add()
        return cell

    def histogram(self, entry: Series, labels: LabelValues) -> HistogramCell:
        """The histogram of these label values, made where it is new.

        Raises:
            CatalogError: the entry is no histogram, or has other labels.
        """
        members = self._histograms.get(entry.name) or self._family(self._histograms, entry, "histogram")
        cell = members.cells.get(labels)
        if cell is None:
            kept = members.admit(labels)
            cell = members.cells.get(kept)
            if cell is None:
                assert members.layout is not None  # noqa: S101 - made just above with one
                cell = HistogramCell(kept, members.layout, Birth(self._now()), limited=kept != labels)
                members.insert(kept, cell)
                self._newborn.append(cell)
            if kept != labels:
                self._limited.add()
        return cell

    def add(self, entry: Series, labels: LabelValues, amount: int = 1) -> None:
        """Count *amount* more, in stored units."""
        self.counter(entry, labels).add(amount)

    def set(self, entry: Series, labels: LabelValues, value: float) -> None:
        """The value of a gauge now, in stored units."""
        self.gauge(entry, labels).set(value)

    def observe(self, entry: Series, labels: LabelValues, value: int) -> None:
        """Count one value in a histogram, in stored units."""
        self.histogram(entry, labels).observe(value)

    def remove(self, entry: Series, labels: LabelValues) -> None:
        """Show a series no longer: what it described is gone."""
        for families in (self._counters, self._gauges, self._followed, self._histograms):
            members = families.get(entry.name)
            if members is not None:
                members.remove(labels)

    def exemplar(self, entry: Series, labels: LabelValues, exemplar: Exemplar) -> None:
        """Show *exemplar* on a histogram, where that series exists: its trace was accepted by the trace store."""
        members = self._histograms.get(entry.name)
        cell = members.cells.get(labels) if members is not None else None
        if cell is not None:
            cell.attach(exemplar)

    def layout(self, entry: Series) -> Layout:
        """Buckets of a histogram's family."""
        members = self._histograms.get(entry.name) or self._family(self._histograms, entry, "histogram")
        assert members.layout is not None  # noqa: S101 - every histogram has one
        return members.layout

    def settle(self) -> bool:
        """End the first moments of series whose 0 was fetched, or which nobody fetched for `BIRTH_NS`.

        Returns:
            Whether there were any: the state must be written before their real values are shown.
        """
        before = self._now() - BIRTH_NS
        young = []
        for cell in self._newborn:
            if cell.birth is not None and not cell.birth.fetched and cell.birth.since_ns > before:
                young.append(cell)
            else:
                cell.settled()
        settled = len(young) < len(self._newborn)
        self._newborn = young
        return settled

    def snapshot(self) -> Snapshot:
        """All series as they are now, immutable."""
        families = [
            *(_scalars(members) for members in self._counters.values()),
            *(_scalars(members) for members in (*self._gauges.values(), *self._followed.values())),
            *(_distributions(members) for members in self._histograms.values()),
        ]
        self._number += 1
        return Snapshot(tuple(family for family in families if family.samples), self._number)

    def dump(self) -> bytes:
        """Counters and histograms as lines of JSON; gauges are of the moment and not part of it."""
        lines = [json.dumps({"format": _FORMAT}).encode()]
        for members in self._counters.values():
            lines.append(_head(members))
            lines += [cell.encode() for cell in members.cells.values()]
        for shape in self._histograms.values():
            lines.append(_head(shape))
            lines += [cell.encode() for cell in shape.cells.values()]
        return b"\n".join(lines)

    def load(self, data: bytes) -> None:
        """Take over what `dump` wrote; families that the catalogue no longer has are left out.

        Raises:
            StateError: it is not what `dump` writes.
        """
        try:
            head, *lines = (json.loads(line) for line in data.splitlines())
            if head.get("format") != _FORMAT:
                raise StateError(f"series of format {head.get('format')}, {_FORMAT} is right")
            self._restore(lines)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise StateError(f"series are not as inferometer writes them: {error}") from error

    def _restore(self, lines: list[object]) -> None:
        entry: Series | None = None
        layout: Layout | None = None
        for line in lines:
            if isinstance(line, dict):
                entry, layout = self._head(line)
            elif entry is not None and isinstance(line, list):
                labels, young, *fields = line
                of = self.counter if entry.kind == "counter" else self.histogram
                cell = of(entry, tuple(labels))
                cell.restore(fields, layout)
                if not young:
                    cell.settled()

    def _head(self, line: Mapping[str, object]) -> tuple[Series | None, Layout | None]:
        try:
            entry = series(str(line["family"]))
        except CatalogError:
            return None, None
        if list(entry.label_names) != line["labels"]:
            return None, None
        if entry.kind != "histogram":
            return entry, None
        now, classic = self.layout(entry), line["classic"]
        if not isinstance(classic, list):
            raise StateError(f"boundaries of {entry.name} are {classic!r}, a list is right")
        return entry, Layout(now.scale, now.lowest, now.bounds, tuple(classic))

    def _family(self, families: dict[str, Members[Cell]], entry: Series, kind: str) -> Members[Cell]:
        members = families.get(entry.name)
        if members is None:
            if entry.kind != kind:
                raise CatalogError(f"{entry.name} is a {entry.kind}, not a {kind}")
            layout = layout_of(entry, self._extra.get(entry.name, ())) if kind == "histogram" else None
            members = families[entry.name] = Members(entry, self._limit, layout)
        return members


def _head(members: Members[CounterCell] | Members[HistogramCell]) -> bytes:
    head: dict[str, object] = {"family": members.entry.name, "labels": members.entry.label_names}
    if members.layout is not None:
        head["classic"] = members.layout.classic
    return json.dumps(head, separators=(",", ":")).encode()


def _scalars(members: Members[CounterCell] | Members[GaugeCell]) -> Family:
    if members.shown is None or members.changed or any(cell.frozen is None for cell in members.cells.values()):
        members.shown = Family(members.entry, None, tuple(c.freeze() for c in members.cells.values()))
        members.changed = False
    return members.shown


def _distributions(members: Members[HistogramCell]) -> Family:
    samples = tuple(cell.freeze() for cell in members.cells.values())
    shown = members.shown
    if shown is None or members.changed or not all(map(is_, shown.samples, samples)):
        members.shown = shown = Family(members.entry, members.layout, samples)
        members.changed = False
    return shown
