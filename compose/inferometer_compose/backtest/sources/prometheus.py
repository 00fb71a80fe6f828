"""Minutes from a Prometheus: the counters of our own services, else the tiles that the rules record."""

from collections.abc import Iterator, Mapping
from typing import Final

import numpy as np

from inferometer import promql
from inferometer.catalog.labels import RESULT, SLO
from inferometer.catalog.requests import SLO_EVENTS
from inferometer.errors import InferometerError
from inferometer.fleet import durations
from inferometer.fleet.slos import Slo
from inferometer_alerts import recorded_slos
from inferometer_alerts.slo_rules import BAD, TILE
from inferometer_compose.backtest.counts import MINUTE, Counts, Floats, summed
from inferometer_compose.prometheus_query import Stretch, ranges

_TILE: Final = durations.parse(TILE) // 10**9


def minutes(slo: Slo, *, base: str, begin: int, end: int) -> Counts:
    """What counted for an objective.

    Args:
        slo: of fleet.yaml.
        base: address of the server.
        begin: seconds since the epoch.
        end: the same.

    Raises:
        AnswerError: the server does not answer.
        InferometerError: it has nothing of that objective.
    """
    begin, end = begin // _TILE * _TILE, end // _TILE * _TILE
    found = _of_counters(slo, base, begin, end) or _of_tiles(slo, base, begin, end)
    if found is None:
        raise InferometerError(
            f"{base} has neither {SLO_EVENTS.name} nor {recorded_slos.SLO_EVENTS_TILE.name} of {slo.name} since then"
        )
    return found


class _Rows:
    """Gathers (minute, events, bad)."""

    def __init__(self) -> None:
        self.minutes: list[float] = []
        self.values: dict[bool, list[float]] = {False: [], True: []}

    def add(self, minute: float, value: float, *, bad: bool) -> None:
        self.minutes.append(minute)
        self.values[bad].append(value)
        self.values[not bad].append(0.0)

    @property
    def columns(self) -> tuple[Floats, Floats, Floats]:
        """Minutes, good and bad events."""
        return np.array(self.minutes), np.array(self.values[False]), np.array(self.values[True])


def _of_counters(slo: Slo, base: str, begin: int, end: int) -> Counts | None:
    """Rises of each single counter from one minute to the next: one that fell began again at zero."""
    rows, before = _Rows(), dict[tuple[tuple[str, str], ...], float]()
    seen: set[float] = set()
    chosen = promql.select(SLO_EVENTS, promql.equal(SLO, slo.name))
    for part in ranges(base, chosen, begin=begin, end=end, step=MINUTE):
        for stretch in part:
            key = tuple(sorted(stretch.labels.items()))
            bad = stretch.labels.get(RESULT.name) == BAD
            for moment, rise in _rises(stretch, before.get(key)):
                # What has risen by a moment was counted in the minute before it.
                rows.add(moment // MINUTE - 1, rise, bad=bad)
            seen.update(stretch.times)
            if stretch.values:
                before[key] = stretch.values[-1]
    if len(seen) <= 1:
        return None
    at, good, bad_events = rows.columns
    return _known(summed(at, good + bad_events, bad_events, begin=int(min(seen)), end=int(max(seen))), seen)


def _rises(stretch: Stretch, before: float | None) -> Iterator[tuple[float, float]]:
    for at, value in zip(stretch.times, stretch.values, strict=True):
        if before is not None and value != before:
            yield at, value - before if value > before else value
        before = value


def _known(counts: Counts, seen: set[float]) -> Counts:
    """Minutes at whose end some counter was there."""
    at = np.array(sorted(seen), np.int64) // MINUTE - 1 - counts.begin // MINUTE
    counts.known[:] = False
    counts.known[at[at >= 0]] = True
    return counts


def _of_tiles(slo: Slo, base: str, begin: int, end: int) -> Counts | None:
    """Counts of five minutes each, where an engine's own page is what the rules read."""
    found: Mapping[bool, dict[float, float]] = {False: {}, True: {}}
    for bad, series in ((False, recorded_slos.SLO_EVENTS_TILE), (True, recorded_slos.SLO_BAD_TILE)):
        chosen = promql.select(series, promql.equal(SLO, slo.name))
        for part in ranges(base, chosen, begin=begin, end=end, step=_TILE):
            for stretch in part:
                for at, value in zip(stretch.times, stretch.values, strict=True):
                    found[bad][at] = found[bad].get(at, 0.0) + value
    ends = sorted(found[False])
    if not ends:
        return None
    minutes_ = np.array(ends) // MINUTE - _TILE // MINUTE
    events = np.array([found[False][at] for at in ends])
    bad_events = np.array([found[True].get(at, 0.0) for at in ends])
    counts = summed(minutes_, events, bad_events, begin=int(ends[0]) - _TILE, end=int(ends[-1]), resolution=_TILE)
    covered = np.zeros(counts.minutes, np.bool_)
    for first in (minutes_ - counts.begin // MINUTE).astype(np.int64):
        covered[first : first + _TILE // MINUTE] = True
    counts.known[:] = covered
    return counts
