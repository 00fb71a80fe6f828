"""Which devices a charge is for: as fleet.yaml says, else by the name of the host."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Final

from inferometer.fleet.devices import Match
from inferometer.fleet.model import Fleet
from inferometer_compose.bill.focus import Charge, tags

_PARTS: Final = re.compile(r"[/:]")
_REMEMBERED: Final = 10_000
_NAMES: Final = frozenset({"name", "host", "hostname", "node", "nodename"})
"""Keys of tags that hold the name of a host; a prefix such as ``user:`` is left out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Billed:
    """A device of the ledger."""

    name: str
    kind: str
    model: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """Devices, and the charges that are for them."""

    devices: tuple[str, ...]
    resources: tuple[str, ...] = ()
    """Patterns of ResourceId, of its last part or of ResourceName; any where there are none."""
    skus: tuple[str, ...] = ()
    """Patterns of SkuId or SkuPriceId; any where there are none."""

    def wants(self, charge: Charge) -> bool:
        """Whether a charge is for these devices."""
        resources = (charge.resource, _last(charge.resource), charge.resource_name)
        return _any(resources, self.resources) and _any((charge.sku, charge.sku_price), self.skus)


@dataclass(frozen=True, slots=True, kw_only=True)
class OfHost:
    """All devices of a host, and the charges that carry its name."""

    devices: tuple[str, ...]
    host: str

    def wants(self, charge: Charge) -> bool:
        """Whether a charge is for this host."""
        host = self.host.casefold()
        known = {_last(charge.resource), charge.resource_name, *_named(charge.tags)}
        return bool({host, host.partition(".")[0]} & {name.casefold() for name in known if name})


def claims(devices: Sequence[Billed], host: str, region: str, fleet: Fleet | None) -> tuple[Claim | OfHost, ...]:
    """Every claim, in the order in which they count.

    Args:
        devices: of one ledger.
        host: their host; empty where it is not known.
        region: of it; empty where it is not known.
        fleet: with entries of `devices` that have a `bill`; None where there is no file.
    """
    return (
        *_of_fleet(devices, host, region, fleet),
        *([OfHost(devices=tuple(device.name for device in devices), host=host)] if host else []),
    )


def _of_fleet(devices: Sequence[Billed], host: str, region: str, fleet: Fleet | None) -> Iterator[Claim]:
    for entry in fleet.devices if fleet is not None else ():
        if entry.bill is not None and fnmatchcase(host, entry.match.host) and fnmatchcase(region, entry.match.region):
            mine = tuple(device.name for device in devices if _matches(entry.match, device))
            if mine and (entry.bill.resources or entry.bill.skus):
                yield Claim(devices=mine, resources=entry.bill.resources, skus=entry.bill.skus)


def _matches(match: Match, device: Billed) -> bool:
    return (
        match.kind.value == device.kind
        and fnmatchcase(device.model, match.model)
        and fnmatchcase(device.name, match.name)
    )


class Finder:
    """Says which claim a charge is for; charges of one resource and SKU are asked about once.

    Args:
        claims: in the order in which they count.
    """

    def __init__(self, claims: Sequence[Claim | OfHost]) -> None:
        self._claims = claims
        self._known: dict[tuple[str, ...], int | None] = {}

    def find(self, charge: Charge) -> int | None:
        """The place of the first claim that a charge is for; None where it is for none.

        What was committed or reserved and not used is for none.
        """
        if charge.unused:
            return None
        key = (charge.resource, charge.resource_name, charge.sku, charge.sku_price, charge.tags)
        if key not in self._known:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            self._known[key] = next((index for index, claim in enumerate(self._claims) if claim.wants(charge)), None)
        return self._known[key]


def _any(values: tuple[str, ...], patterns: tuple[str, ...]) -> bool:
    # Azure writes one resource in several cases.
    return not patterns or any(
        fnmatchcase(value.casefold(), pattern.casefold()) for value in values if value for pattern in patterns
    )


def _last(resource: str) -> str:
    return _PARTS.split(resource)[-1]


def _named(text: str) -> Iterator[str]:
    for key, value in tags(text).items():
        if _PARTS.split(key)[-1].lower() in _NAMES:
            yield value
