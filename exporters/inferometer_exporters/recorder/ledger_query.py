"""What devices did and cost, from the recorder's entries of the ledger."""

from typing import Any, Final

import duckdb

from inferometer.fleet.thresholds import PICODOLLARS
from inferometer_exporters.recorder.answers import DeviceAnswer

_SECOND: Final = 10**9
_ENTRIES: Final = """
    select names.name, state, ns, span_ns, bill, idle_cost, picodollars_per_hour, price_kind, price_source, price_as_of
    from ledger join names on names.id = ledger.device
    where wall_ns {bound} $since
    qualify row_number() over (partition by ledger.device, state order by ledger.pass {order}) = 1
    order by names.name, state
"""
_NOTHING: Final = (0, 0, 0, 0)


def devices(cursor: duckdb.DuckDBPyConnection, *, since_ns: int = 0) -> list[DeviceAnswer]:
    """Every billed device, since *since_ns* (wall time, ns) or since the recorder's first entry after it."""
    newest = _by_device(cursor, _ENTRIES.format(bound=">=", order="desc"), since_ns)
    oldest = _by_device(cursor, _ENTRIES.format(bound=">=", order="asc"), since_ns)
    before = _by_device(cursor, _ENTRIES.format(bound="<", order="desc"), since_ns)
    return [
        _device(device, entries, before.get(device, oldest[device] if since_ns else {}))
        for device, entries in newest.items()
    ]


def _by_device(cursor: duckdb.DuckDBPyConnection, sql: str, since_ns: int) -> dict[str, dict[str, tuple[Any, ...]]]:
    found: dict[str, dict[str, tuple[Any, ...]]] = {}
    for device, state, *values in cursor.execute(sql, {"since": since_ns}).fetchall():
        found.setdefault(device, {})[state] = tuple(values)
    return found


def _device(device: str, now: dict[str, tuple[Any, ...]], then: dict[str, tuple[Any, ...]]) -> DeviceAnswer:
    spent = {state: int(values[0]) - int(then.get(state, _NOTHING)[0]) for state, values in now.items()}
    _, span, bill, idle, price, kind, source, as_of = next(iter(now.values()))
    _, span_then, bill_then, idle_then, *_ = next(iter(then.values()), _NOTHING)
    priced = price is not None
    wall, billed, lost = int(span) - int(span_then), int(bill) - int(bill_then), int(idle) - int(idle_then)
    return {
        "device": device,
        "usd_per_hour": price / PICODOLLARS if priced else None,
        "price_kind": kind or "",
        "price_source": source or "",
        "price_as_of": as_of or "",
        "bill_usd": billed / PICODOLLARS if priced else None,
        "idle_usd": lost / PICODOLLARS if priced else None,
        "idle_ratio": lost / billed if priced and billed else None,
        "ledger_seconds": {state: ns / _SECOND for state, ns in spent.items()},
        "residual_ratio": (wall - sum(spent.values())) / wall if wall else 0.0,
    }
