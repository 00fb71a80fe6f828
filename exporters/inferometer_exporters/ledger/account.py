"""The account of one billed device: states that sum to wall time, and the money they cost."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from inferometer.catalog.labels import DEVICE_STATE
from inferometer.errors import StateError
from inferometer_exporters.ledger.prices import Rate


class State(StrEnum):
    """What a billed device did; values of the label ``state``."""

    ATTRIBUTED = "attributed"
    """Worked for requests."""
    WARM_IDLE = "warm_idle"
    """Had a server, and nothing to do."""
    LOADING = "loading"
    """Loaded a model."""
    UNALLOCATED = "unallocated"
    """Had no server at all."""
    SYSTEM = "system"
    """Ran a model for no request."""
    UNOBSERVED = "unobserved"
    """Nobody watched: the sidecar was down."""


if tuple(State) != DEVICE_STATE.values:
    raise StateError(f"the ledger's states are {tuple(State)}, the catalogue has {DEVICE_STATE.values}")
_USED = (State.ATTRIBUTED, State.SYSTEM)


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """A billed device."""

    name: str
    """Value of the label ``device``: UUID of a GPU, name of a CPU host."""
    kind: str
    """``cpu`` or ``gpu``, as the price book matches it."""
    model: str = ""
    """Name of the hardware, as the price book matches it."""


@dataclass(slots=True, kw_only=True)
class Account:
    """Everything that the ledger knows of one device; ns and picodollars."""

    device: Device
    opened: int
    """CLOCK_MONOTONIC ns at which this account began, or began anew after a boot."""
    since: int
    """Swept up to here."""
    rate: Rate | None = None
    earlier: int = 0
    """Wall time before `opened`: of earlier boots of the host."""
    states: dict[State, int] = field(default_factory=lambda: dict.fromkeys(State, 0))
    late: int = 0
    """Device time that was reported after those seconds were swept."""
    unpriced: int = 0
    bill: int = 0
    idle_cost: int = 0
    bill_carried: int = 0
    idle_carried: int = 0
    cost_carried: int = 0

    @property
    def wall(self) -> int:
        """Wall time that the account covers; the states sum to it."""
        return self.earlier + self.since - self.opened

    @property
    def residual(self) -> float:
        """What the states miss of wall time, as a ratio."""
        return (self.wall - sum(self.states.values())) / self.wall if self.wall else 0.0

    def enter(self, states: Mapping[State, int]) -> None:
        """Enter what a window was made of, and move on behind it."""
        span = sum(states.values())
        for state, ns in states.items():
            self.states[state] += ns
        self.since += span
        if self.rate is None:
            self.unpriced += span
            return
        idle = sum(ns for state, ns in states.items() if state not in _USED)
        billed, self.bill_carried = self.rate.charge(span, self.bill_carried)
        lost, self.idle_carried = self.rate.charge(idle, self.idle_carried)
        self.bill += billed
        self.idle_cost += lost

    def reopen(self, now: int, gap: int) -> None:
        """Go on after a boot of the host, on another clock: *gap* ns of it nobody watched."""
        self.earlier = self.wall
        self.opened = self.since = now - gap
        self.enter({State.UNOBSERVED: gap})

    def to_json(self) -> dict[str, Any]:
        """The form in which it stands in the state file; the rate is not part of it."""
        return {name: value for name, value in _plain(self).items() if name != "rate"}

    @classmethod
    def from_json(cls, data: Mapping[str, Any], rate: Rate | None) -> "Account":
        """Read it; the carried remainders are of another rate's size where the price changed, and are dropped.

        Raises:
            TypeError: it is not the form of `to_json`.
            KeyError: a part is missing.
        """
        given = dict(data)
        given["device"] = Device(**given["device"])
        given["states"] = {state: int(given["states"][state]) for state in State}
        account = cls(**given, rate=rate)
        if rate is not None:
            account.bill_carried %= rate.ns
            account.idle_carried %= rate.ns
            account.cost_carried %= rate.ns
        return account


def _plain(account: Account) -> dict[str, Any]:
    data = {name: getattr(account, name) for name in account.__slots__}
    return {**data, "device": asdict(account.device)}
