"""When devices stood idle, what that cost, and what it would save to stop them meanwhile."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from inferometer.fleet.thresholds import PICODOLLARS
from inferometer_exporters.ledger.account import State
from inferometer_exporters.recorder.cost_report import device_cost, window_answer
from inferometer_exporters.recorder.device_bills import USED, DeviceBill, bill, state_costs
from inferometer_exporters.recorder.idle_answers import (
    DeviceIdle,
    Gap,
    HourOfDay,
    IdleReport,
    Resident,
    ScaleToZero,
)
from inferometer_exporters.recorder.ledger_hours import HOUR_NS, DeviceHour, Window, hours, snapshot, window
from inferometer_exporters.recorder.reading import SECOND, Cursor, rows
from inferometer_exporters.recorder.window_pieces import pieces

MONTH_HOURS: Final = 730
"""Hours of an average month, as clouds count them."""
DAY_NS: Final = 24 * HOUR_NS
"""A month is not foretold from less."""
LONGEST: Final = 5
SAID: Final = "said"
SEEN: Final = "the longest load of a model that the ledger saw; starting the machine comes on top"
_IDLE: Final = tuple(state for state in State if state not in USED)
_USED: Final = ", ".join(f"'{state}'" for state in USED)
# Steps between entries in which nothing ran are one gap as long as they follow each other. An account that is new, or
# began anew, begins at 0.
_STEPS: Final = f"""
    with totals as (
        select device, pass, any_value(wall_ns) as wall_ns, any_value(span_ns) as span,
               sum(ns) filter (state in ({_USED})) as used,
               {", ".join(f"sum(ns) filter (state = '{state}') as {state}" for state in _IDLE)}
        from ledger where pass between $after and $last group by device, pass
    ),
    compared as (
        select device, pass, wall_ns, coalesce(lag(span) over account, 0) > span as anew,
               {
    ", ".join(
        f"{name} - case when lag(span) over account > span then 0 else coalesce(lag({name}) over account, 0) end"
        f" as {name}"
        for name in ("span", "used", *_IDLE)
    )
}
        from totals window account as (partition by device order by pass)
    ),
    steps as (
        select *, sum((used > 0 or anew)::integer) over (partition by device order by pass) as place
        from compared where pass > $after
    )
"""  # noqa: S608 - constants
_GAPS: Final = f"""
    {_STEPS}
    select names.name, max(wall_ns) - sum(span)::bigint, sum(span)::bigint, {", ".join(f"sum({s})" for s in _IDLE)}
    from steps join names on names.id = device where used = 0 and not anew
    group by names.name, device, place having sum(span) >= {SECOND} order by 1, 3 desc
"""  # noqa: S608 - constants
_LOADS: Final = f"""
    {_STEPS}, loads as (
        select device, loading, sum((loading = 0)::integer) over (partition by device order by pass) as place from steps
    ),
    summed as (select device, place, sum(loading) as took from loads where loading > 0 group by all)
    select names.name, max(took)::bigint from summed join names on names.id = device group by 1
"""  # noqa: S608 - constants
_MODELS: Final = """
    with runs as (
        select device, span_id, pass, execute_id, device_ns from execute_parts where pass > $after and pass <= $last
        union all
        select device, span_id, pass, execute_id, device_ns from executes
        anti join execute_parts using (span_id, execute_id, pass) where pass > $after and pass <= $last
    )
    select names.name, coalesce(l.service, ''), coalesce(nullif(l.model, ''), l.route, ''), coalesce(l.version, ''),
           sum(runs.device_ns)::bigint as ns, max(r.wall_ns + r.duration_ns)
    from runs join names on names.id = runs.device join requests r on r.span_id = runs.span_id and r.pass = runs.pass
    left join labels l on l.id = r.labels group by all order by names.name, ns desc
"""


@dataclass(frozen=True, slots=True)
class Idle:
    """A stretch in which nothing ran; ns."""

    begin: int
    """Wall time."""
    span: int
    states: Mapping[str, int]

    @property
    def watched(self) -> int:
        """The part of which somebody knows that nothing ran."""
        return self.span - self.states.get(State.UNOBSERVED, 0)


def idle_report(cursor: Cursor, *, since_ns: int | None = None, cold_start_ns: int | None = None) -> IdleReport | None:
    """Idle devices of the newest *since_ns* of a recording; None where nothing was entered yet.

    Args:
        cursor: of the recorder.
        since_ns: all of it without.
        cold_start_ns: how long a device takes until it serves again; what the ledger saw of loads without.
    """
    with snapshot(cursor):
        found = window(cursor, since_ns)
        return None if found is None else idle_in(cursor, found, cold_start_ns)


def idle_in(cursor: Cursor, found: Window, cold_start_ns: int | None) -> IdleReport:
    """Idle devices of one window, of one snapshot of the recorder."""
    spent = hours(cursor, found)
    gaps, loads, models = _gaps(cursor, found), _loads(cursor, found), residents(cursor, found)
    by_device: dict[str, list[DeviceHour]] = defaultdict(list)
    for hour in spent:
        by_device[hour.device].append(hour)
    devices = [
        _device(mine, gaps.get(device, []), models.get(device, []), _cold_start(cold_start_ns, loads.get(device)))
        for device, mine in by_device.items()
    ]
    devices.sort(key=lambda device: (-(device["idle_usd"] or 0.0), device["device"]))
    priced = [device for device in devices if device["bill_usd"] is not None]
    return {
        "window": window_answer(found),
        "devices": devices,
        "bill_usd": sum(device["bill_usd"] or 0.0 for device in priced) if priced else None,
        "idle_usd": sum(device["idle_usd"] or 0.0 for device in priced) if priced else None,
    }


def _gaps(cursor: Cursor, window: Window) -> dict[str, list[Idle]]:
    found: dict[str, list[Idle]] = defaultdict(list)
    for device, begin, span, *states in rows(cursor, _GAPS, after=window.after, last=window.last):
        spent: dict[str, int] = {state: int(ns) for state, ns in zip(_IDLE, states, strict=True)}
        found[device].append(Idle(int(begin), int(span), spent))
    return found


def _loads(cursor: Cursor, window: Window) -> dict[str, int]:
    """The longest load of each device, ns."""
    return dict(rows(cursor, _LOADS, after=window.after, last=window.last))


def residents(cursor: Cursor, window: Window) -> dict[str, list[Resident]]:
    """The models that ran on each device, the busiest first."""
    summed: dict[tuple[str, ...], tuple[int, int]] = {}
    for piece in pieces(cursor, window):
        for *named, ns, last in rows(cursor, _MODELS, after=piece["after"], last=piece["last"]):
            before = summed.get(tuple(named), (0, 0))
            summed[tuple(named)] = (before[0] + ns, max(before[1], last))
    found: dict[str, list[Resident]] = defaultdict(list)
    for (device, service, model, version), (ns, last) in sorted(summed.items(), key=lambda item: -item[1][0]):
        found[device].append(
            {
                "service": service,
                "model": model,
                "version": version,
                "device_seconds": ns / SECOND,
                "last_seconds": last / SECOND,
            }
        )
    return found


def _cold_start(said_ns: int | None, seen_ns: int | None) -> tuple[int | None, str]:
    if said_ns is not None:
        return said_ns, SAID
    return (seen_ns, SEEN) if seen_ns else (None, "")


def _device(
    spent: Sequence[DeviceHour],
    gaps: Sequence[Idle],
    models: list[Resident],
    cold_start: tuple[int | None, str],
) -> DeviceIdle:
    billed = bill(spent, ())
    costs = device_cost(billed)
    idle_ns = sum(billed.states[state] for state in _IDLE)
    return {
        "device": billed.device,
        "usd_per_hour": costs["usd_per_hour"],
        "seconds": billed.span / SECOND,
        "bill_usd": costs["bill_usd"],
        "idle_usd": costs["idle_usd"],
        "idle_ratio": idle_ns / billed.span if billed.span else None,
        "per_month_usd": _per_month(costs["idle_usd"], billed.span),
        "states": {state: costs["states"][state] for state in _IDLE},
        "hours": [_hour(hour, [one for one in spent if one.hour % 24 == hour]) for hour in range(24)],
        "gaps": len(gaps),
        "longest": [_gap(gap) for gap in gaps[:LONGEST]],
        "models": models,
        "scale_to_zero": scale_to_zero(gaps, billed, *cold_start),
    }


def _hour(hour: int, spent: Sequence[DeviceHour]) -> HourOfDay:
    span = sum(one.span for one in spent)
    idle = sum(one.states.get(state, 0) for one in spent for state in _IDLE)
    cost = sum(state_costs(one)[state] for one in spent for state in _IDLE)
    priced = any(one.price is not None for one in spent)
    return {
        "hour": hour,
        "seconds": span / SECOND,
        "idle_ratio": idle / span if span else None,
        "idle_usd": cost / PICODOLLARS if priced else None,
    }


def _gap(gap: Idle) -> Gap:
    state = max(gap.states, key=lambda state: gap.states[state])
    return {"begin_seconds": gap.begin / SECOND, "seconds": gap.span / SECOND, "state": state}


def scale_to_zero(gaps: Sequence[Idle], billed: DeviceBill, cold_start_ns: int | None, source: str) -> ScaleToZero:
    """What stopping a device in its gaps would have saved; nothing is said without a cold start's length.

    Args:
        gaps: of the device.
        billed: its bill over the same time.
        cold_start_ns: until it serves again.
        source: who said so.
    """
    least = 0 if cold_start_ns is None else cold_start_ns
    long = [gap.watched for gap in gaps if gap.watched > least]
    saved = None if cold_start_ns is None else sum(long) - 2 * len(long) * cold_start_ns
    usd = None
    if saved is not None and billed.price is not None:
        usd = saved * billed.price.picodollars_per_hour / HOUR_NS / PICODOLLARS
    return {
        "cold_start_seconds": None if cold_start_ns is None else cold_start_ns / SECOND,
        "cold_start_source": source,
        "gaps": len(long),
        "gap_seconds": sum(long) / SECOND,
        "saved_seconds": None if saved is None else saved / SECOND,
        "saved_usd": usd,
        "per_month_usd": _per_month(usd, billed.span),
    }


def _per_month(usd: float | None, span_ns: int) -> float | None:
    return None if usd is None or span_ns < DAY_NS else usd * MONTH_HOURS * HOUR_NS / span_ns
