"""What requests used and cost in a window, by any of their labels and by hour and device."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from inferometer.catalog.labels import CLASS, DEVICE, METHOD, MODEL, OUTCOME, REGION, SERVICE, TENANT, VERSION
from inferometer.catalog.stages import FAILED, Kind, Outcome
from inferometer.record.model import Flag
from inferometer_exporters.ledger.account import State
from inferometer_exporters.recorder.ledger_hours import HOUR_NS
from inferometer_exporters.recorder.reading import Cursor, rows
from inferometer_exporters.recorder.window_pieces import Piece

WASTED: Final = FAILED | {Outcome.CANCELLED}
"""Outcomes whose cost bought nobody anything; so did a hop whose caller had given it up or tried again."""
_OUTCOMES: Final = " ".join(f"when {int(outcome)} then '{outcome.label}'" for outcome in Outcome)
_KEYS: Final = {
    SERVICE.name: "service",
    MODEL.name: "model",
    VERSION.name: "version",
    TENANT.name: "tenant",
    CLASS.name: "class",
    REGION.name: "region",
    OUTCOME.name: f"case outcome {_OUTCOMES} else outcome::varchar end",
    DEVICE.name: "coalesce(names.name, '')",
}
DIMENSIONS: Final = tuple(_KEYS)
"""What cost can be grouped by."""
OF_TRACES: Final = frozenset({TENANT.name, CLASS.name})
"""What is one for all hops of a trace: grouped by these alone, requests are those that entered the fleet."""
_HOPS: Final = f"""
    with marks as (
        select pass, any_value(wall_ns // {HOUR_NS}) as hour from ledger
        where state = '{State.ATTRIBUTED}' and pass > $after
          and pass <= $mark group by pass
    ),
    recorded as (
        select r.span_id, r.pass, r.parent_id, r.trace_hi, r.trace_lo, r.outcome, r.flags, r.tokens_in, r.tokens_out,
               marks.hour, coalesce(l.service, '') as service, coalesce(nullif(l.model, ''), l.route, '') as model,
               coalesce(l.version, '') as version, coalesce(l.region, '') as region,
               coalesce(l.tenant, '') as own_tenant, coalesce(l.class, '') as own_class
        from requests r asof join marks on r.pass <= marks.pass left join labels l on l.id = r.labels
        where r.pass > $after and r.pass <= $last
    ),
    entries as (
        select trace_hi, trace_lo, any_value(coalesce(l.tenant, '')) as tenant,
               any_value(coalesce(l.class, '')) as class
        from requests r left join labels l on l.id = r.labels
        where r.pass > $since and r.pass <= $until and flags & {int(Flag.ENTRY)} != 0 group by all
    ),
    given_up as (
        select call_id from calls where outcome != {int(Outcome.OK)} and pass > $since and pass <= $until
        union
        select failed.call_id from calls as next join calls as failed
            on failed.span_id = next.span_id and failed.target = next.target and failed.attempt + 1 = next.attempt
               and failed.end_ns <= next.start_ns
        where next.attempt > 1 and next.pass > $since and next.pass <= $until
          and failed.pass > $since and failed.pass <= $until
    ),
    hops as (
        select recorded.*, coalesce(nullif(entries.tenant, ''), own_tenant) as tenant,
               coalesce(nullif(own_class, ''), entries.class, '') as class,
               flags & {int(Flag.WARMUP)} != 0 as warm, flags & {int(Flag.ENTRY)} != 0 as entry,
               outcome in ({", ".join(str(int(outcome)) for outcome in sorted(WASTED))})
                   or parent_id in (select call_id from given_up) as wasted,
               tokens_in > 0 or tokens_out > 0 as tokens
        from recorded left join entries using (trace_hi, trace_lo)
    ),
    runs as (
        select span_id, pass, device, kind, device_ns, cost, energy, method from execute_parts
        where pass > $after and pass <= $last
        union all
        select span_id, pass, device, kind, device_ns, cost, energy, method from executes
        anti join execute_parts using (span_id, execute_id, pass) where pass > $after and pass <= $last
    ),
    used as (
        select span_id, pass, device, sum(device_ns) as ns, coalesce(sum(cost), 0) as cost,
               coalesce(sum(device_ns) filter (cost is null), 0) as unpriced,
               coalesce(sum(cost) filter (kind = {int(Kind.PREFILL)}), 0) as prefill,
               coalesce(sum(cost) filter (kind = {int(Kind.DECODE)}), 0) as decode,
               coalesce(sum(energy), 0) as energy,
               coalesce(sum(device_ns) filter (energy is null), 0) as unmetered,
               coalesce(bit_or(1 << method::integer), 0) as methods
        from runs group by all
    )
"""  # noqa: S608 - constants
_SHARES: Final = """
    select hour, coalesce(names.name, ''), warm, sum(ns), sum(cost), sum(unpriced),
           coalesce(sum(cost) filter (wasted), 0), coalesce(sum(ns) filter (wasted), 0),
           coalesce(sum(cost) filter (tokens), 0), coalesce(sum(prefill) filter (tokens), 0),
           coalesce(sum(decode) filter (tokens), 0), sum(energy), sum(unmetered), bit_or(methods), {keys}
    from hops join used using (span_id, pass) left join names on names.id = used.device
    group by all order by all
"""
_ENGINES: Final = f"""
    with marks as (
        select pass, any_value(wall_ns // {HOUR_NS}) as hour from ledger
        where state = '{State.ATTRIBUTED}' and pass > $after and pass <= $mark group by pass
    ),
    used as (
        select e.*, marks.hour, coalesce(l.service, '') as service, coalesce(l.model, '') as model,
               coalesce(l.version, '') as version, coalesce(l.region, '') as region, '' as tenant, '' as class,
               '' as outcome
        from engine_shares e asof join marks on e.pass <= marks.pass left join labels l on l.id = e.labels
        where e.pass > $after and e.pass <= $last
    )
    select hour, coalesce(names.name, ''), false, sum(device_ns), coalesce(sum(cost), 0),
           coalesce(sum(device_ns) filter (cost is null), 0), 0, 0, 0, 0, 0, coalesce(sum(energy), 0),
           coalesce(sum(device_ns) filter (energy is null), 0), bit_or(1 << used.method::integer), {{keys}}
    from used left join names on names.id = used.device
    group by all order by all
"""  # noqa: S608 - constants
_COUNTS: Final = """
    select count(*), count(*) filter (entry), sum(tokens_in), sum(tokens_out), {keys}
    from hops {join} where not warm group by all order by all
"""
_ENTERED: Final = "select count(*) from hops where entry and not warm"
_BY_DEVICE: Final = "join used using (span_id, pass) left join names on names.id = used.device"


@dataclass(frozen=True, slots=True)
class Share:
    """What the requests of one group used of one device in one hour; ns, picodollars, microjoules."""

    keys: tuple[str, ...]
    hour: int
    device: str
    warm: bool
    """Warm-up requests: a part of the bill, and of no group."""
    device_ns: int
    cost: int
    unpriced_ns: int
    """Of `device_ns`, that no price is known for."""
    wasted: int
    """Of `cost`: for nothing."""
    wasted_ns: int
    token_cost: int
    """Of `cost`: of requests that told their tokens."""
    prefill: int
    """Of `token_cost`."""
    decode: int
    energy: int
    unmetered_ns: int
    """Of `device_ns`, that no energy is known for."""
    methods: frozenset[str]
    """How the share was found."""


@dataclass(frozen=True, slots=True)
class Count:
    """Requests of one group, without warm-up."""

    keys: tuple[str, ...]
    hops: int
    entries: int
    tokens_in: int
    tokens_out: int


def shares(cursor: Cursor, cut: Sequence[Piece], by: Sequence[str]) -> list[Share]:
    """What was used in a window by each group.

    Args:
        cursor: of the recorder.
        cut: the window, in pieces.
        by: some of `DIMENSIONS`.

    Raises:
        ValueError: there is no such dimension.
    """
    keys = _keys(by)
    # Of an engine's shares nobody knows an outcome.
    engines = _keys(by, outcome="outcome")
    found: dict[tuple[object, ...], Share] = {}
    for piece in cut:
        passes = {name: piece[name] for name in ("after", "last", "mark")}
        requests = rows(cursor, _HOPS + _SHARES.format(keys=keys), **piece)
        for row in (*requests, *rows(cursor, _ENGINES.format(keys=engines), **passes)):
            share = _share(row)
            key = (share.keys, share.hour, share.device, share.warm)
            found[key] = share if key not in found else _sum(found[key], share)
    return list(found.values())


def counts(cursor: Cursor, cut: Sequence[Piece], by: Sequence[str]) -> list[Count]:
    """Requests of a window by group; one that ran on several devices is counted for each, where they are told apart.

    Raises:
        ValueError: there is no such dimension.
    """
    sql = _HOPS + _COUNTS.format(keys=_keys(by), join=_BY_DEVICE if DEVICE.name in by else "")
    found: dict[tuple[str, ...], list[int]] = {}
    for piece in cut:
        for hops, entries, read, written, *keys in rows(cursor, sql, **piece):
            summed = found.setdefault(tuple(keys), [0, 0, 0, 0])
            for place, figure in enumerate((hops, entries, read, written)):
                summed[place] += int(figure)
    return [Count(keys, *figures) for keys, figures in found.items()]


def entered(cursor: Cursor, cut: Sequence[Piece]) -> int:
    """Requests of a window that entered the fleet, without warm-up."""
    return sum(rows(cursor, _HOPS + _ENTERED, **piece)[0][0] for piece in cut)


def _keys(by: Sequence[str], **instead: str) -> str:
    unknown = [name for name in by if name not in _KEYS]
    if unknown or not by or len(set(by)) < len(by):
        wrong = repr(unknown[0]) if unknown else repr(",".join(by))
        raise ValueError(f"cost cannot be grouped by {wrong}: each of {', '.join(DIMENSIONS)} at most once is right")
    return ", ".join(f'{instead.get(name, _KEYS[name])} as "key_{name}"' for name in by)


def _sum(one: Share, other: Share) -> Share:
    return Share(
        keys=one.keys,
        hour=one.hour,
        device=one.device,
        warm=one.warm,
        device_ns=one.device_ns + other.device_ns,
        cost=one.cost + other.cost,
        unpriced_ns=one.unpriced_ns + other.unpriced_ns,
        wasted=one.wasted + other.wasted,
        wasted_ns=one.wasted_ns + other.wasted_ns,
        token_cost=one.token_cost + other.token_cost,
        prefill=one.prefill + other.prefill,
        decode=one.decode + other.decode,
        energy=one.energy + other.energy,
        unmetered_ns=one.unmetered_ns + other.unmetered_ns,
        methods=one.methods | other.methods,
    )


def _share(row: tuple[object, ...]) -> Share:
    hour, device, warm, *figures = row[:14]
    numbers = [int(str(figure)) for figure in figures]
    methods = frozenset(name for bit, name in enumerate(METHOD.values) if numbers[-1] >> bit & 1)
    return Share(
        keys=tuple(str(key) for key in row[14:]),
        hour=int(str(hour)),
        device=str(device),
        warm=bool(warm),
        device_ns=numbers[0],
        cost=numbers[1],
        unpriced_ns=numbers[2],
        wasted=numbers[3],
        wasted_ns=numbers[4],
        token_cost=numbers[5],
        prefill=numbers[6],
        decode=numbers[7],
        energy=numbers[8],
        unmetered_ns=numbers[9],
        methods=methods,
    )
