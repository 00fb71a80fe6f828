"""Cost by group: marginal and fully loaded, per request and token, wasted; with a total that is the devices' bill."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from inferometer.fleet.thresholds import PICODOLLARS
from inferometer_exporters.ledger.account import State
from inferometer_exporters.recorder.cost_answers import (
    CostReport,
    DeviceCost,
    GroupCost,
    TokenCost,
    TotalCost,
    WindowAnswer,
)
from inferometer_exporters.recorder.cost_query import OF_TRACES, Count, Share, counts, entered, shares
from inferometer_exporters.recorder.device_bills import DeviceBill, bill, loaded
from inferometer_exporters.recorder.ledger_hours import DeviceHour, Window, hours, snapshot, window
from inferometer_exporters.recorder.reading import SECOND, Cursor
from inferometer_exporters.recorder.window_pieces import pieces

_MICROJOULES: Final = 10**6
_MILLION: Final = 10**6
ENTRIES: Final = "entry requests"
HOPS: Final = "requests"


@dataclass(slots=True)
class _Sum:
    """Shares added up."""

    device_ns: int = 0
    cost: int = 0
    loaded: int = 0
    unpriced_ns: int = 0
    wasted: int = 0
    wasted_ns: int = 0
    token_cost: int = 0
    prefill: int = 0
    decode: int = 0
    energy: int = 0
    unmetered_ns: int = 0
    methods: set[str] = field(default_factory=set)

    def add(self, share: Share, loaded_cost: int) -> None:
        self.device_ns += share.device_ns
        self.cost += share.cost
        self.loaded += loaded_cost
        self.unpriced_ns += share.unpriced_ns
        self.wasted += share.wasted
        self.wasted_ns += share.wasted_ns
        self.token_cost += share.token_cost
        self.prefill += share.prefill
        self.decode += share.decode
        self.energy += share.energy
        self.unmetered_ns += share.unmetered_ns
        self.methods |= share.methods

    @property
    def known(self) -> bool:
        """Whether any of it has a price; what used no device cost nothing, and that is known."""
        return self.unpriced_ns < self.device_ns or not self.device_ns

    @property
    def joules(self) -> float | None:
        metered = self.device_ns > 0 and not self.unmetered_ns
        return self.energy / _MICROJOULES if metered else None


@dataclass(frozen=True, slots=True)
class Costs:
    """Everything that a report is made of, in whole picodollars."""

    window: Window
    by: tuple[str, ...]
    shares: list[Share]
    loaded: list[int]
    """What each of `shares` costs fully loaded; 0 of warm-up and of devices without a price."""
    hours: list[DeviceHour]
    bills: list[DeviceBill]
    counts: list[Count]
    entered: int
    """Requests that entered the fleet."""


def costs(cursor: Cursor, by: Sequence[str], *, since_ns: int | None = None) -> Costs | None:
    """Costs of the newest *since_ns* of a recording, of all of it without; None where nothing was entered yet.

    Raises:
        ValueError: *by* names what cost cannot be grouped by.
    """
    with snapshot(cursor):
        found = window(cursor, since_ns)
        if found is None:
            return None
        cut = pieces(cursor, found)
        used, spent = shares(cursor, cut, by), hours(cursor, found)
        counted, entries = counts(cursor, cut, by), entered(cursor, cut)
    bills = list(_bills(spent, used))
    return Costs(found, tuple(by), used, _loaded(used, bills), spent, bills, counted, entries)


def _bills(spent: Iterable[DeviceHour], used: Iterable[Share]) -> Iterable[DeviceBill]:
    by_device: dict[str, list[DeviceHour]] = defaultdict(list)
    for hour in spent:
        by_device[hour.device].append(hour)
    of: dict[str, list[Share]] = defaultdict(list)
    for share in used:
        of[share.device].append(share)
    for device, entries in by_device.items():
        yield bill(entries, of[device])


def _loaded(used: Sequence[Share], bills: Iterable[DeviceBill]) -> list[int]:
    found = [0] * len(used)
    for one in bills:
        mine = [index for index, share in enumerate(used) if share.device == one.device and not share.warm]
        parts = loaded(one.bill, [used[index].cost for index in mine])
        for index, part in zip(mine, parts or [], strict=False):
            found[index] = part
    return found


def report(costs: Costs) -> CostReport:
    """Costs as the API answers them."""
    entries = OF_TRACES.issuperset(costs.by)
    sums: dict[tuple[str, ...], _Sum] = defaultdict(_Sum)
    total = _Sum()
    for share, whole in zip(costs.shares, costs.loaded, strict=True):
        if not share.warm:
            sums[share.keys].add(share, whole)
        total.add(share, whole)
    counted = {count.keys: count for count in costs.counts}
    billed = sum(one.bill for one in costs.bills)
    groups = [
        _group(dict(zip(costs.by, keys, strict=True)), sums[keys], counted.get(keys), billed, entries=entries)
        for keys in sorted(sums.keys() | counted.keys(), key=lambda keys: (-sums[keys].loaded, -sums[keys].cost, keys))
    ]
    return {
        "window": window_answer(costs.window),
        "by": list(costs.by),
        "counted": ENTRIES if entries else HOPS,
        "groups": groups,
        "devices": [device_cost(one) for one in costs.bills],
        "total": _total(costs, total),
    }


def window_answer(window: Window) -> WindowAnswer:
    """A window as the API answers it."""
    return {
        "begin_seconds": window.begin_ns / SECOND,
        "end_seconds": window.end_ns / SECOND,
        "whole": window.whole,
    }


def _group(keys: dict[str, str], used: _Sum, count: Count | None, billed: int, *, entries: bool) -> GroupCost:
    requests = 0 if count is None else count.entries if entries else count.hops
    known = used.known
    return {
        "keys": keys,
        "requests": requests,
        "device_seconds": used.device_ns / SECOND,
        "cost_usd": _usd(used.cost, known),
        "loaded_usd": _usd(used.loaded, known),
        "share_ratio": used.loaded / billed if billed and known else None,
        "per_1k_usd": _per(1000, used.cost, requests, known),
        "loaded_per_1k_usd": _per(1000, used.loaded, requests, known),
        **_tokens(used, count, known),
        "idle_ratio": 1 - used.cost / used.loaded if used.loaded else None,
        "wasted_usd": _usd(used.wasted, known),
        "wasted_ratio": used.wasted_ns / used.device_ns if used.device_ns else None,
        "joules": used.joules,
        "unpriced_device_seconds": used.unpriced_ns / SECOND,
        "methods": sorted(used.methods),
    }


def _tokens(used: _Sum, count: Count | None, known: bool) -> TokenCost:  # noqa: FBT001 - private
    read, written = (0, 0) if count is None else (count.tokens_in, count.tokens_out)
    known = known and not used.unpriced_ns
    phases = used.prefill + used.decode
    # What is neither phase (copies) goes with them.
    prefill = used.token_cost * used.prefill // phases if phases else 0
    return {
        "per_1m_tokens_usd": _per(_MILLION, used.token_cost, read + written, known),
        "per_1m_input_tokens_usd": _per(_MILLION, prefill, read, known and bool(used.prefill)),
        "per_1m_output_tokens_usd": _per(_MILLION, used.token_cost - prefill, written, known and bool(used.decode)),
    }


def _total(costs: Costs, used: _Sum) -> TotalCost:
    priced = [one for one in costs.bills if one.price is not None]
    unpriced = [one for one in costs.bills if one.price is None]
    known = bool(priced)
    billed, idle = sum(one.bill for one in priced), sum(one.idle for one in priced)
    requests, warmup = sum(one.requests for one in priced), sum(one.warmup for one in priced)
    carried, system = sum(one.carried for one in priced), sum(one.costs[State.SYSTEM] for one in priced)
    return {
        "requests": costs.entered,
        "device_seconds": used.device_ns / SECOND,
        "bill_usd": _usd(billed, known),
        "requests_usd": _usd(requests, known),
        "warmup_usd": _usd(warmup, known),
        "carried_usd": _usd(carried, known),
        "system_usd": _usd(system, known),
        "idle_usd": _usd(idle, known),
        "idle_ratio": idle / billed if billed else None,
        "wasted_usd": _usd(used.wasted, known),
        "wasted_ratio": used.wasted_ns / used.device_ns if used.device_ns else None,
        "unused_usd": _usd(billed - used.loaded, known),
        "per_1k_usd": _per(1000, requests, costs.entered, known),
        "loaded_per_1k_usd": _per(1000, billed, costs.entered, known),
        "joules": used.joules,
        "residual_usd": _usd(billed - requests - warmup - carried - system - idle, known),
        "unpriced_devices": [one.device for one in unpriced],
        "unpriced_seconds": sum(one.unpriced for one in costs.bills) / SECOND,
        "methods": sorted(used.methods),
    }


def device_cost(one: DeviceBill) -> DeviceCost:
    """A device's bill as the API answers it."""
    known = one.price is not None
    return {
        "device": one.device,
        "usd_per_hour": one.price.picodollars_per_hour / PICODOLLARS if one.price else None,
        "price_kind": one.price.kind if one.price else "",
        "price_source": one.price.source if one.price else "",
        "price_as_of": one.price.as_of if one.price else "",
        "seconds": one.span / SECOND,
        "bill_usd": _usd(one.bill, known),
        "requests_usd": _usd(one.requests, known),
        "warmup_usd": _usd(one.warmup, known),
        "carried_usd": _usd(one.carried, known),
        "states": {
            state: {"seconds": ns / SECOND, "usd": _usd(one.costs[state], known)} for state, ns in one.states.items()
        },
        "idle_usd": _usd(one.idle, known),
        "idle_ratio": one.idle / one.bill if one.bill else None,
        "residual_seconds": (one.span - sum(one.states.values())) / SECOND,
    }


def _usd(picodollars: int, known: bool) -> float | None:  # noqa: FBT001 - private
    return picodollars / PICODOLLARS if known else None


def _per(many: int, picodollars: int, count: int, known: bool) -> float | None:  # noqa: FBT001 - private
    return many * picodollars / PICODOLLARS / count if known and count else None
