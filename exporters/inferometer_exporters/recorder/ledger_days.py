"""What each device cost on each day (UTC), for longer than requests are kept: a bill comes a day late, or a month.

When the recorder forgets the ledger's entries it keeps the last of each hour, of which the days are made.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from inferometer_exporters.ledger.account import State
from inferometer_exporters.recorder.reading import Cursor, rows
from inferometer_exporters.recorder.remainders import split

HOUR_NS: Final = 3_600 * 10**9
DAY_NS: Final = 24 * HOUR_NS
KEPT_NS: Final = 400 * DAY_NS
"""A year and the month in which its last bill is settled."""
_AHEAD_NS: Final = 60 * 10**9
"""Entries come every second: one that has none behind it for this long is the last of its stretch."""
_LAST: Final = f"""
    select pass, wall_ns, device, span_ns, bill, picodollars_per_hour is not null as priced, kind, model
    from ledger where state = '{State.ATTRIBUTED}' and {{bound}}
    window account as (partition by device order by pass)
    qualify lead(wall_ns // {HOUR_NS}) over account is distinct from wall_ns // {HOUR_NS}
        or lead(span_ns) over account < span_ns
        or (lead(picodollars_per_hour) over account is null) <> (picodollars_per_hour is null)
"""  # noqa: S608 - constants
_KEEP: Final = f"""
    insert into ledger_hours select * from ({
    _LAST.format(bound="wall_ns <= (select max(wall_ns) from ledger where pass <= $last) + $ahead")
}) where pass <= $last
"""  # noqa: S608 - constants
_ENTRIES: Final = f"""
    select names.name, entry.pass, any_value(wall_ns), any_value(span_ns), any_value(bill), any_value(priced),
           any_value(kind), any_value(model)
    from (select * from ledger_hours union all {_LAST.format(bound="true")}) as entry
    join names on names.id = device group by all order by all
"""  # noqa: S608 - constants


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceDay:
    """What one device did on one day; ns and picodollars."""

    device: str
    kind: str
    """As a price matches it; empty where earlier versions did not say."""
    model: str
    day: int
    """Days since the epoch."""
    span: int
    """Time that the ledger knows of."""
    unpriced: int
    """Part of it without a price."""
    bill: int
    """What the rest cost by its price."""


@dataclass(frozen=True, slots=True)
class Entry:
    """An account's totals at an entry."""

    wall_ns: int
    span: int
    bill: int
    priced: bool


_NOTHING: Final = Entry(0, 0, 0, priced=True)


def keep(cursor: Cursor, last: int, wall_ns: int) -> None:
    """Keep the last entry of each hour of what is about to be deleted.

    Args:
        cursor: of the writer.
        last: the newest pass that goes.
        wall_ns: now; what is older than `KEPT_NS` goes as well.
    """
    rows(cursor, _KEEP, last=last, ahead=_AHEAD_NS)
    rows(cursor, "delete from ledger_hours where wall_ns < $oldest", oldest=wall_ns - KEPT_NS)


def days(cursor: Cursor) -> list[DeviceDay]:
    """Every day of every device that is known, by device and day."""
    by_device: dict[str, list[Entry]] = {}
    told: dict[str, tuple[str, str]] = {}
    for device, _, wall_ns, span, bill, priced, kind, model in rows(cursor, _ENTRIES):
        by_device.setdefault(device, []).append(Entry(wall_ns, int(span), int(bill), priced=priced))
        told[device] = (kind or "", model or "")
    return [
        DeviceDay(
            device=device, kind=told[device][0], model=told[device][1], day=day, span=span, unpriced=none, bill=bill
        )
        for device, entries in by_device.items()
        for day, (span, none, bill) in sums(entries).items()
    ]


def sums(entries: Sequence[Entry]) -> dict[int, tuple[int, int, int]]:
    """Span, time without a price and bill of each day that entries of one account lie on."""
    found: dict[int, list[int]] = {}
    for since_ns, before, entry in _steps(entries):
        weights = _weights(since_ns, entry.wall_ns)
        spans = split(entry.span - before.span, list(weights.values()))
        bills = split(entry.bill - before.bill, list(weights.values()))
        for day, span, bill in zip(weights, spans, bills, strict=True):
            summed = found.setdefault(day, [0, 0, 0])
            summed[0] += span
            summed[1] += 0 if entry.priced else span
            summed[2] += bill
    return {day: (span, unpriced, bill) for day, (span, unpriced, bill) in sorted(found.items())}


def _steps(entries: Sequence[Entry]) -> Iterator[tuple[int, Entry, Entry]]:
    """Since when (wall ns), the entry before, the entry; one that fell is of an account that began anew."""
    before: Entry | None = None
    for entry in entries:
        if before is not None and entry.span >= before.span:
            yield before.wall_ns, before, entry
        elif before is not None or entry.span <= DAY_NS:
            yield entry.wall_ns - entry.span, _NOTHING, entry
        # Else what the oldest entry holds was spent before anything was kept.
        before = entry


def _weights(since_ns: int, until_ns: int) -> dict[int, int]:
    """How much of a stretch of time lies on each day; all of it on the last where the clock was set back."""
    first, last = min(since_ns, until_ns) // DAY_NS, until_ns // DAY_NS
    if first == last:
        return {last: 1}
    return {day: min(until_ns, (day + 1) * DAY_NS) - max(since_ns, day * DAY_NS) for day in range(first, last + 1)}
