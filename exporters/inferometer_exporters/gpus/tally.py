"""Totals that a page does not keep: integrals of rates, changes of a last value, counters that begin anew."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from inferometer.catalog import gpus
from inferometer.catalog.model import Series
from inferometer_exporters.source import Reading

LONGEST_SECONDS: Final = 5.0
"""Longest time between two readings over which a rate is integrated: what was in a longer gap is unknown."""
_HIGHEST_XID: Final = 10_000


@dataclass(slots=True)
class _Total:
    entry: Series
    labels: tuple[str, ...]
    page: int
    """In which it was last touched."""
    total: int = 0
    """In stored units."""
    rest: float = 0.0
    """What is less than one of them, so far: rates add up to more than their roundings."""
    counter: int | None = None
    """The page's own total, where it has one."""
    rate: float | None = None
    at: float = 0.0
    """When the rate was read, seconds."""


class Tally:
    """Totals over the pages of one exporter; a device that is on no page is forgotten, so it is as large as a page."""

    def __init__(self) -> None:
        self._totals: dict[tuple[str, tuple[str, ...]], _Total] = {}
        self._last_xid: dict[str, tuple[int, int]] = {}
        self._here: set[str] = set()
        self._before: set[str] = set()
        self._page = 0
        self._now = 0.0

    def begin(self, now: float) -> None:
        """A page was read, at *now* seconds."""
        self._page += 1
        self._now = now
        self._before, self._here = self._here, set()

    def follow(self, entry: Series, labels: tuple[str, ...], total: int) -> None:
        """The page's own total; one that fell began anew.

        One that appears on a device that was there before is born of an event: before it was 0.
        """
        held = self._touch(entry, labels)
        before = held.counter
        held.counter, held.rate = total, None
        if before is not None:
            held.total += total - before if total >= before else total

    def born(self, entry: Series, labels: tuple[str, ...], total: int) -> None:
        """As `follow`, of a total that a page does not show until there is something to count."""
        held = self._touch(entry, labels)
        if held.counter is None and labels[0] in self._before:
            held.counter = 0
        self.follow(entry, labels, total)

    def integrate(self, entry: Series, labels: tuple[str, ...], per_second: float) -> None:
        """A rate, in stored units per second."""
        held = self._touch(entry, labels)
        elapsed = self._now - held.at
        if held.rate is not None and elapsed <= LONGEST_SECONDS:
            whole, held.rest = divmod(held.rest + (held.rate + per_second) / 2 * elapsed, 1)
            held.total += int(whole)
        # Whatever the page's own total does meanwhile is in the integral.
        held.counter = None
        held.rate, held.at = per_second, self._now

    def last_xid(self, device: str, xid: int) -> None:
        """The newest XID of a device; 0 is none. The first one seen is of before, and counts as nothing."""
        self._here.add(device)
        before, _ = self._last_xid.get(device, (xid, 0))
        self._last_xid[device] = xid, self._page
        if 0 < xid <= _HIGHEST_XID:
            held = self._touch(gpus.GPU_XID_ERRORS, (device, str(xid)))
            held.total += int(xid != before)

    def readings(self) -> Iterator[Reading]:
        """Totals of what is on the page, counted from 0 since the exporter was first read; ends the page."""
        self._totals = {
            key: held for key, held in self._totals.items() if held.page == self._page or held.labels[0] in self._here
        }
        self._last_xid = {device: last for device, last in self._last_xid.items() if last[1] == self._page}
        for held in self._totals.values():
            yield Reading(held.entry, held.labels, held.total, own=True)

    def _touch(self, entry: Series, labels: tuple[str, ...]) -> _Total:
        self._here.add(labels[0])
        held = self._totals.setdefault((entry.name, labels), _Total(entry, labels, self._page))
        held.page = self._page
        return held
