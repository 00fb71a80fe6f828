"""Rules that look at several devices together: replicas, neighbours that would fit on one device, kinds of price."""

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import Final

from inferometer_exporters.rightsizing.advice import Advice, Confidence, per_month, percent, price, share
from inferometer_exporters.rightsizing.evidence import DeviceEvidence, quantile
from inferometer_exporters.rightsizing.size_rules import MEMORY_LIMIT

REPLICA_LIMIT: Final = 0.7
"""Busy ratio up to which replicas are planned: a request that comes in a burst finds one free."""
SHARED_UP_TO: Final = 0.35
"""Busy ratio of each of two models up to which they may share a device."""
_ON_DEMAND: Final = "on_demand"


def replicas(devices: Sequence[DeviceEvidence]) -> Iterator[Advice]:
    """Fewer of the same would hold the promise, with one to spare."""
    for group in _alike(devices):
        count, paid = len(group), group[0].usd_per_hour
        busy = _joint(group)
        each = [device.rate_p95 for device in group]
        if count < 2 or paid is None or busy is None or any(rate is None for rate in each):  # noqa: PLR2004 - one replica
            continue
        if any(_late(device) for device in group):
            continue
        # The most that one of them is known to bear; more may be possible, nobody has seen it.
        bears = max(_most(device) for device in group)
        load = _joint_rate(group) or 0.0
        needed = max(math.ceil(load / bears) if bears else 1, math.ceil(busy / REPLICA_LIMIT), 1) + 1
        if needed >= count:
            continue
        yield Advice(
            rule="fewer-replicas",
            devices=tuple(device.device for device in group),
            does=f"serve with {needed} of the {count}",
            because=f"{busy:.2f} of them are busy together (p95 of 5 min), and one has borne {bears:.1f} requests/s",
            formula=f"max(ceil({load:.1f} / {bears:.1f}), ceil({busy:.2f} / {REPLICA_LIMIT})) + 1 = {needed}; "
            f"730 h * {price(paid)} * {count - needed}",
            usd_per_month=per_month(paid) * (count - needed),
            confidence=Confidence.HIGH,
            figures={"busy_devices_p95": busy, "requests_per_second_p95": load, "borne_requests_per_second": bears},
            preconditions=("requests can go to any of them",),
            risk="one of them is the spare: a second failure at the peak is felt",
        )


def consolidate(devices: Sequence[DeviceEvidence]) -> Iterator[Advice]:
    """Two devices whose models would fit on one."""
    taken: set[str] = set()
    for one, other in combinations(sorted(devices, key=lambda device: device.busy_ratio), 2):
        if {one.device, other.device} & taken or not _may_share(one, other):
            continue
        joint = _joint((one, other))
        memory, total = _memory(one, other)
        paid = min(one.usd_per_hour or 0.0, other.usd_per_hour or 0.0)
        if joint is None or joint > REPLICA_LIMIT or memory is None or total is None or memory > MEMORY_LIMIT * total:
            continue
        taken |= {one.device, other.device}
        yield Advice(
            rule="consolidate",
            devices=(one.device, other.device),
            does="put the models of both on one of them",
            because=f"they are busy {percent(one.busy_ratio)} and {percent(other.busy_ratio)} on average, and together "
            f"{percent(joint)} when they are busiest (p95 of 5 min)",
            formula=(f"730 h * {price(paid)}; " if paid else "") + f"p95(u1 + u2) = {share(joint)} ≤ {REPLICA_LIMIT}; "
            f"{memory / 1e9:.1f} GB ≤ {MEMORY_LIMIT} * {total / 1e9:.1f} GB",
            usd_per_month=per_month(paid) if paid else None,
            figures={"joint_busy_p95": joint, "memory_gb": memory / 1e9},
            preconditions=("both may live on one host",),
            risk="they slow each other down where they run at the same time; MIG slices keep them apart",
        )


def spot(devices: Sequence[DeviceEvidence]) -> Iterator[Advice]:
    """Replicas that are paid on demand, where one may be lost at times."""
    for group in _alike(devices):
        if len(group) < 2 or group[0].price_kind != _ON_DEMAND:  # noqa: PLR2004 - one replica
            continue
        yield Advice(
            rule="spot",
            devices=tuple(device.device for device in group),
            does="try spot capacity for all but one of them",
            because=f"{len(group)} replicas are paid on demand",
            formula="spot pays while p_spot * (1 + f * (restart + lost time)) < p_on_demand, f interruptions per hour",
            confidence=Confidence.LOW,
            preconditions=("requests of a lost replica are tried again elsewhere", "look up the spot price"),
            risk="capacity is taken back at short notice; keep the SLO's budget for it",
        )


def commit(devices: Sequence[DeviceEvidence]) -> Iterator[Advice]:
    """Devices that are paid on demand and in use all the time."""
    for device in devices:
        hours = _hours_in_use(device)
        if device.price_kind != _ON_DEMAND or hours is None or hours < REPLICA_LIMIT:
            continue
        yield Advice(
            rule="commit",
            devices=(device.device,),
            does=f"reserve it, if a reservation costs less than {percent(hours)} of the price on demand",
            because=f"something ran on it in {percent(hours)} of the hours",
            formula=f"break-even: p_reserved / p_on_demand = share of hours in use = {hours:.2f}",
            figures={"hours_in_use_ratio": hours},
            preconditions=(
                "the load stays for as long as the commitment lasts",
                "nothing else that is advised of it is done: what goes needs no reservation",
            ),
            risk="a commitment outlives the need for it",
        )


RULES: Final = (replicas, consolidate, spot, commit)


def _alike(devices: Sequence[DeviceEvidence]) -> list[list[DeviceEvidence]]:
    """Devices of one hardware and price that serve the same models."""
    groups: dict[tuple[object, ...], list[DeviceEvidence]] = defaultdict(list)
    for device in devices:
        served = frozenset((model.service, model.model) for model in device.models)
        if served:
            groups[device.kind, device.hardware, device.usd_per_hour, served].append(device)
    return list(groups.values())


def _joint(group: Sequence[DeviceEvidence]) -> float | None:
    """The 95th percentile of their busy ratios added up, five minutes by five minutes."""
    numbers = {number for device in group for number in device.stretches}
    return quantile([sum(device.stretches[n].busy for device in group if n in device.stretches) for n in numbers], 0.95)


def _joint_rate(group: Sequence[DeviceEvidence]) -> float | None:
    numbers = {number for device in group for number in device.stretches}
    rates = [sum(d.stretches[n].requests_per_second for d in group if n in d.stretches) for n in numbers]
    return quantile(rates, 0.95)


def _most(device: DeviceEvidence) -> float:
    return max((stretch.requests_per_second for stretch in device.stretches.values()), default=0.0)


def _late(device: DeviceEvidence) -> bool:
    """Whether a model breaks its promise as things are: then there is nothing to spare."""
    return any(
        model.slo_seconds is not None and model.p95_seconds is not None and model.p95_seconds > model.slo_seconds
        for model in device.models
    )


def _may_share(one: DeviceEvidence, other: DeviceEvidence) -> bool:
    mine, theirs = ({(model.service, model.model) for model in device.models} for device in (one, other))
    return (
        one.kind == other.kind
        and one.hardware == other.hardware
        and bool(mine and theirs)
        and mine != theirs
        and max(one.busy_ratio, other.busy_ratio) < SHARED_UP_TO
    )


def _memory(one: DeviceEvidence, other: DeviceEvidence) -> tuple[int | None, int | None]:
    if one.memory_peak_bytes is None or other.memory_peak_bytes is None:
        return None, None
    totals = [total for total in (one.memory_total_bytes, other.memory_total_bytes) if total]
    return one.memory_peak_bytes + other.memory_peak_bytes, min(totals, default=None)


def _hours_in_use(device: DeviceEvidence) -> float | None:
    """Share of hours in which anything ran."""
    by_hour: dict[int, float] = defaultdict(float)
    for number, stretch in device.stretches.items():
        by_hour[number // 12] += stretch.busy
    return sum(1 for busy in by_hour.values() if busy > 0) / len(by_hour) if by_hour else None
