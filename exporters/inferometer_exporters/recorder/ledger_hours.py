"""What each device did and cost in each hour of a window, from the ledger's entries.

Entries hold totals of an account's whole life. A window lies between two passes of the Intake, so that what the ledger
holds and which requests were settled are known for the same moment: a request belongs to the window if its pass does.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from inferometer_exporters.ledger.account import State
from inferometer_exporters.recorder.reading import Cursor, rows
from inferometer_exporters.recorder.remainders import split

HOUR_NS: Final = 3_600 * 10**9
_FIRST_PASS: Final = 1
_GAP_NS: Final = 60 * 10**9
"""Entries come every second; where none came for this long nobody watched, and the time between is spread by hours."""
_ENDS: Final = """
    select min(pass), max(pass), arg_max(wall_ns, pass), arg_min(wall_ns, pass), arg_min(wall_ns - span_ns, pass)
    from ledger
"""
_BEGIN: Final = "select max(pass), arg_max(wall_ns, pass) from ledger where wall_ns <= $begin"
# The last entry of each hour; both ends of a gap; the first entry of an account that began anew, and the one before.
_CHOSEN: Final = f"""
    with accounts as (
        select device, pass, wall_ns, span_ns from ledger
        where state = '{State.ATTRIBUTED}' and pass between $begin and $end
    ),
    compared as (
        select device, pass, lag(pass) over account as before, wall_ns - lag(wall_ns) over account > {_GAP_NS} as late,
               span_ns < lag(span_ns) over account as fell
        from accounts window account as (partition by device order by pass)
    ),
    breaks as (select * from compared where late or fell),
    chosen as (
        select device, pass, bool_or(late) as late, bool_or(fell) as fell from (
            select device, pass, late, fell from breaks
            union all select device, before, false, false from breaks
            union all select device, max(pass), false, false from accounts group by device, wall_ns // {HOUR_NS}
            union all select device, pass, false, false from accounts where pass = $begin
        ) group by all
    )
    select device, pass, fell, late from chosen
"""  # noqa: S608 - constants
# By pass alone: the table is stored by it, so that a few hundred entries are found without reading millions.
_TOTALS: Final = """
    select names.name, ledger.pass, device, any_value(wall_ns), any_value(span_ns), any_value(bill),
           any_value(idle_cost), any_value(picodollars_per_hour), any_value(price_kind), any_value(price_source),
           any_value(price_as_of), map_from_entries(list((state, ns)))
    from ledger join names on names.id = device where ledger.pass in ({passes})
    group by all order by names.name, ledger.pass
"""


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of the recording, between two entries of the ledger."""

    after: int
    """The pass at which it begins; 0 where the recording does."""
    last: int
    """The newest pass in it."""
    begin_ns: int
    """Wall time, as `end_ns`."""
    end_ns: int
    whole: bool
    """Whether it is as long as was asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Priced:
    """A price as an entry of the ledger names it."""

    picodollars_per_hour: int
    kind: str
    source: str
    as_of: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceHour:
    """What one device did in one hour; ns and picodollars."""

    device: str
    hour: int
    """Hours since the epoch."""
    span: int
    """Wall time that was entered."""
    states: dict[str, int]
    """They sum to the span."""
    bill: int
    idle_cost: int
    price: Priced | None


@dataclass(frozen=True, slots=True)
class _Entry:
    """An account's totals at an entry."""

    anew: bool
    """The account began anew since the entry before."""
    late: bool
    """Nobody watched between the entry before and this one."""
    wall_ns: int
    span: int
    bill: int
    idle_cost: int
    states: dict[str, int]
    price: Priced | None


@contextmanager
def snapshot(cursor: Cursor) -> Iterator[None]:
    """All questions inside see the recorder as it is now: the sidecar goes on writing between two of them."""
    cursor.execute("begin")
    try:
        yield
    finally:
        cursor.execute("rollback")


def window(cursor: Cursor, since_ns: int | None = None) -> Window | None:
    """The newest *since_ns* of a recording, all of it without; None where nothing was entered yet."""
    first, last, end_ns, oldest_ns, opened_ns = rows(cursor, _ENDS)[0]
    if last is None:
        return None
    if since_ns is not None:
        after, begin_ns = rows(cursor, _BEGIN, begin=end_ns - since_ns)[0]
        if after is not None:
            return Window(after, last, begin_ns, end_ns, whole=True)
    if first > _FIRST_PASS:
        # Older rows were deleted: what the first entry holds was spent before.
        return Window(first, last, oldest_ns, end_ns, whole=_whole(since_ns, end_ns - oldest_ns))
    return Window(0, last, int(opened_ns), end_ns, whole=_whole(since_ns, end_ns - int(opened_ns)))


def _whole(asked_ns: int | None, found_ns: int) -> bool:
    # The recorder deletes what is a day old every few seconds: a day is not to the second.
    return asked_ns is None or found_ns >= asked_ns - _GAP_NS


def hours(cursor: Cursor, window: Window) -> list[DeviceHour]:
    """What every device did, by device and hour; an account that began anew begins at 0."""
    chosen = {
        (device, number): (bool(fell), bool(late))
        for device, number, fell, late in rows(cursor, _CHOSEN, begin=window.after, end=window.last)
    }
    passes = sorted({int(number) for _, number in chosen})
    if not passes:
        return []
    by_device: dict[str, list[tuple[int, _Entry]]] = {}
    for name, number, device, *values in rows(cursor, _TOTALS.format(passes=", ".join(map(str, passes)))):
        if (how := chosen.get((device, number))) is not None:
            by_device.setdefault(name, []).append((number, _entry(how, values)))
    return [
        hour
        for device, entries in by_device.items()
        for hour in _device(device, _steps([entry for _, entry in entries], known=entries[0][0] == window.after))
    ]


def _entry(how: tuple[bool, bool], values: Sequence[Any]) -> _Entry:
    wall_ns, span, bill, idle, per_hour, kind, source, as_of, states = values
    price = None
    if per_hour is not None:
        price = Priced(picodollars_per_hour=per_hour, kind=kind, source=source, as_of=as_of)
    totals = {state: int(ns) for state, ns in states.items()}
    return _Entry(*how, wall_ns, int(span), int(bill), int(idle), totals, price)


_NOTHING: Final = _Entry(False, False, 0, 0, 0, 0, {}, None)  # noqa: FBT003 - a record by position


def _steps(entries: Sequence[_Entry], *, known: bool) -> Iterator[tuple[_Entry, _Entry]]:
    """Each entry with the one that it is compared with; of the first, *known* says whether it is that one itself."""
    before = entries[0] if known else _NOTHING
    for entry in entries[1:] if known else entries:
        yield (_NOTHING if entry.anew else before), entry
        before = entry


def _device(device: str, steps: Iterator[tuple[_Entry, _Entry]]) -> list[DeviceHour]:
    found: dict[int, DeviceHour] = {}
    for before, entry in steps:
        for part in _parts(device, before, entry):
            earlier = found.get(part.hour)
            found[part.hour] = part if earlier is None else _sum(earlier, part)
    return list(found.values())


def _sum(earlier: DeviceHour, part: DeviceHour) -> DeviceHour:
    states = {state: ns + earlier.states.get(state, 0) for state, ns in part.states.items()}
    return DeviceHour(
        device=part.device,
        hour=part.hour,
        span=earlier.span + part.span,
        states=states,
        bill=earlier.bill + part.bill,
        idle_cost=earlier.idle_cost + part.idle_cost,
        price=part.price,
    )


def _parts(device: str, before: _Entry, entry: _Entry) -> Iterator[DeviceHour]:
    """What happened between two entries: all of it in the later one's hour, but for a gap, which lies in several."""
    weights = _weights(before.wall_ns, entry.wall_ns) if entry.late and before.wall_ns else [1]
    left = {state: ns - before.states.get(state, 0) for state, ns in entry.states.items()}
    spans = split(entry.span - before.span, weights)
    bills = split(entry.bill - before.bill, weights)
    idles = split(entry.idle_cost - before.idle_cost, weights)
    first = entry.wall_ns // HOUR_NS - len(weights) + 1
    for index, span in enumerate(spans):
        last = index == len(spans) - 1
        parts = left if last else dict(zip(left, split(span, list(left.values())), strict=True))
        left = {state: ns - parts[state] for state, ns in left.items()}
        yield DeviceHour(
            device=device,
            hour=first + index,
            span=span,
            states=parts,
            bill=bills[index],
            idle_cost=idles[index],
            price=entry.price,
        )


def _weights(since_ns: int, until_ns: int) -> list[int]:
    """How much of a stretch of time lies in each hour from its first to its last."""
    first, last = since_ns // HOUR_NS, until_ns // HOUR_NS
    return [min(until_ns, (hour + 1) * HOUR_NS) - max(since_ns, hour * HOUR_NS) for hour in range(first, last + 1)]
