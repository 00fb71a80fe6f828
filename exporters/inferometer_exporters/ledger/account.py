"""The account of one billed device: states that sum to wall time, the money they cost and the energy they used."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any, Final

from inferometer.catalog.labels import DEVICE_STATE
from inferometer.errors import StateError
from inferometer_exporters.ledger.energy import Meter
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
    """Nobody watched: the sidecar was down, or the device is gone from the driver's list."""


if tuple(State) != DEVICE_STATE.values:
    raise StateError(f"the ledger's states are {tuple(State)}, the catalogue has {DEVICE_STATE.values}")
_USED = (State.ATTRIBUTED, State.SYSTEM)
_NOT_PLAIN: Final = frozenset({"rate", "meter", "device", "users"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """A billed device."""

    name: str
    """Value of the label ``device``: UUID of a GPU or of a MIG slice, name of a CPU host."""
    kind: str
    """``cpu`` or ``gpu``, as the price book matches it."""
    model: str = ""
    """Name of the hardware, as the price book matches it; empty where nobody has said it yet."""
    parts: int = 1
    """Of `whole` equal parts of the hardware these are billed here: 3 of 7 for a MIG slice of three."""
    whole: int = 1


@dataclass(slots=True, kw_only=True)
class Account:
    """Everything that the ledger knows of one device; ns, picodollars and microjoules."""

    device: Device
    opened: int
    """CLOCK_MONOTONIC ns at which this account began, or began anew after a boot."""
    since: int
    """Swept up to here."""
    rate: Rate | None = None
    earlier: int = 0
    """Wall time before `opened`: of earlier boots of the host, or of before it was closed."""
    closed: bool = False
    """Nothing is billed here now: a MIG slice that was removed, a GPU all of which is slices."""
    states: dict[State, int] = field(default_factory=lambda: dict.fromkeys(State, 0))
    energies: dict[State, int] = field(default_factory=lambda: dict.fromkeys(State, 0))
    """Microjoules; they sum to what the counter rose by, as far as the ledger has come."""
    meter: Meter | None = None
    """None where nobody ever read the device's energy: then there is none, not 0."""
    users: set[int] = field(default_factory=set)
    """Workers that live and have run something here."""
    late: int = 0
    """Device time that was reported after those seconds were swept."""
    engine: bool = False
    """An engine works here that tells of it afterwards: time without a run may have been work."""
    lag: int = 0
    """Ns that the sweep stays behind here: an engine tells of its requests when they have ended."""
    credits: dict[int, int] = field(default_factory=dict)
    """Ns that requests of a service were charged more than its engine's page told of; by service, see `claims`."""
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

    def used(self, begin: int, end: int, microjoules: int) -> None:
        """The device used that much energy between two readings, in ns; energy of settled time is nobody's."""
        if self.meter is None:
            self.meter = Meter()
        settled = end if self.closed else self.since
        self.energies[State.UNOBSERVED] += self.meter.add(begin, end, microjoules, settled)

    def become(self, device: Device, rate: Rate | None) -> None:
        """It is known better what the device is, or what it costs: from here on."""
        self.device = device
        self._price(rate)

    def _price(self, rate: Rate | None) -> None:
        self.rate = rate
        if rate is not None:
            # Of another rate's size; less than a picodollar.
            self.bill_carried %= rate.ns
            self.idle_carried %= rate.ns
            self.cost_carried %= rate.ns

    def close(self) -> None:
        """Bill nothing any more."""
        self.closed = True
        self._forget_energy()

    def skip(self, until: int) -> None:
        """Move on to *until* in ns, where that is later, and bill nothing."""
        self.earlier = self.wall
        self.opened = self.since = max(self.since, until)

    def open(self, now: int) -> None:
        """Bill again, from *now* in ns."""
        self.skip(now)
        self.closed = False

    def reopen(self, now: int, gap: int) -> None:
        """Go on after a boot of the host, on another clock: *gap* ns of it nobody watched."""
        self._forget_energy()
        self.users.clear()
        self.earlier = self.wall
        self.opened = self.since = now if self.closed else now - gap
        if not self.closed:
            self.enter({State.UNOBSERVED: gap})

    def _forget_energy(self) -> None:
        if self.meter is not None:
            self.energies[State.UNOBSERVED] += self.meter.rest(self.since)

    def to_json(self) -> dict[str, Any]:
        """The form in which it stands in the state file; the rate is not part of it."""
        plain = {name: getattr(self, name) for name in self.__slots__ if name not in _NOT_PLAIN}
        meter = None if self.meter is None else self.meter.to_json()
        return plain | {"device": asdict(self.device), "users": sorted(self.users), "meter": meter}

    @classmethod
    def from_json(cls, data: Mapping[str, Any], rate: Rate | None) -> "Account":
        """Read it, also as earlier versions wrote it.

        The carried remainders are of another rate's size where the price changed, and are cut to it.

        Raises:
            TypeError: it is not the form of `to_json`.
            KeyError: a part is missing.
        """
        given = dict(data)
        given["device"] = Device(**given["device"])
        given["states"] = {state: int(given["states"][state]) for state in State}
        given["energies"] = {state: int(given.get("energies", {}).get(state, 0)) for state in State}
        given["users"] = set(given.get("users", ()))
        given["credits"] = {int(source): int(ns) for source, ns in given.get("credits", {}).items()}
        meter = given.get("meter")
        given["meter"] = None if meter is None else Meter.from_json(meter)
        account = cls(**given)
        account._price(rate)
        return account
