"""All rules on all devices, and the guard-rails: nothing is advised from less than a day or a thousand requests."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from inferometer_exporters.rightsizing import device_rules, fleet_rules
from inferometer_exporters.rightsizing.advice import Advice, Confidence
from inferometer_exporters.rightsizing.evidence import HOUR_NS, DeviceEvidence
from inferometer_exporters.rightsizing.market import Market

LEAST_NS: Final = 24 * HOUR_NS
"""Less than a day does not know the night."""
SLACK_NS: Final = 10 * 60 * 10**9
"""Of a day: minutes are lost where the sidecar is restarted."""
LEAST_REQUESTS: Final = 1_000
LONG_NS: Final = 7 * LEAST_NS
"""Less than a week does not know the weekend."""
MANY_REQUESTS: Final = 10_000


@dataclass(frozen=True, slots=True)
class Judgement:
    """What is advised, and for which devices nothing is, and why."""

    advice: Sequence[Advice]
    withheld: Sequence[tuple[str, str]]
    """Device and reason."""


def judge(devices: Sequence[DeviceEvidence], market: Market, *, anyway: bool = False) -> Judgement:
    """Advice on devices, what saves most first.

    Args:
        devices: with their evidence.
        market: what else there is.
        anyway: advise from too little as well, of low confidence.
    """
    lacking = {device.device: reason for device in devices if (reason := _lacking(device))}
    judged = [device for device in devices if anyway or device.device not in lacking]
    found = [advice for device in judged for rule in device_rules.RULES for advice in rule(device, market)]
    found += [advice for rule in fleet_rules.RULES for advice in rule(judged)]
    mended = {device for advice in found if advice.rule == "mend-first" for device in advice.devices}
    limits = {device.device: _limit(device, lacking=device.device in lacking) for device in devices}
    advice = [_limited(one, limits, mended) for one in found]
    advice.sort(key=lambda one: (-(one.usd_per_month or 0.0), one.rule, tuple(one.devices)))
    return Judgement(advice, [] if anyway else list(lacking.items()))


def _lacking(device: DeviceEvidence) -> str:
    """What evidence a device lacks; empty where it is enough."""
    if device.observed_ns < LEAST_NS - SLACK_NS:
        hours = device.observed_ns / HOUR_NS
        known = f"{hours:.1f} h" if hours >= 1 else f"{60 * hours:.0f} min"
        return f"{known} are recorded, 24 h are needed"
    # Of a device on which nothing ever ran no request can tell more.
    if device.requests < LEAST_REQUESTS and device.used_ns:
        return f"{device.requests:,} requests are recorded, {LEAST_REQUESTS:,} are needed"
    return ""


def _limit(device: DeviceEvidence, *, lacking: bool) -> Confidence:
    if lacking:
        return Confidence.LOW
    unused = not device.used_ns
    much = device.observed_ns >= LONG_NS - SLACK_NS and (unused or device.requests >= MANY_REQUESTS)
    return Confidence.HIGH if much else Confidence.MEDIUM


def _limited(advice: Advice, limits: dict[str, Confidence], mended: set[str]) -> Advice:
    for device in advice.devices:
        advice = advice.at_most(limits[device])
    if advice.rule != "mend-first" and mended & set(advice.devices):
        # Another size would be judged by what the fault costs.
        return advice.at_most(Confidence.LOW)
    return advice
