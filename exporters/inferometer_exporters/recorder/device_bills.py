"""The bill of each device over a window, and what it went for, to the picodollar."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from inferometer_exporters.ledger.account import State
from inferometer_exporters.recorder.cost_query import Share
from inferometer_exporters.recorder.ledger_hours import DeviceHour, Priced
from inferometer_exporters.recorder.remainders import split

USED = (State.ATTRIBUTED, State.SYSTEM)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceBill:
    """A device's bill: ``sum(costs.values()) == bill``, and ``requests + warmup + carried == costs["attributed"]``."""

    device: str
    price: Priced | None
    """None: no bill is known, every sum of money is 0."""
    span: int
    """Ns of wall time."""
    unpriced: int
    """Ns of it in hours in which no price was known."""
    states: dict[str, int]
    """Ns of each state."""
    costs: dict[str, int]
    """Picodollars of each state, as all that follow."""
    bill: int
    requests: int
    warmup: int

    @property
    def carried(self) -> int:
        """Of requests that are not settled at the end, less what the window's requests had used before it."""
        return self.costs[State.ATTRIBUTED] - self.requests - self.warmup

    @property
    def idle(self) -> int:
        """Of what no request and no system work used."""
        return sum(cost for state, cost in self.costs.items() if state not in USED)


def bill(hours: Sequence[DeviceHour], shares: Iterable[Share]) -> DeviceBill:
    """The bill of one device.

    Args:
        hours: of that device; at least one.
        shares: of that device, in the same time.
    """
    states: dict[str, int] = {state: sum(hour.states.get(state, 0) for hour in hours) for state in State}
    parts = [state_costs(hour) for hour in hours]
    mine = list(shares)
    return DeviceBill(
        device=hours[0].device,
        price=hours[-1].price,
        span=sum(hour.span for hour in hours),
        unpriced=sum(hour.span for hour in hours if hour.price is None),
        states=states,
        costs={state: sum(part[state] for part in parts) for state in State},
        bill=sum(hour.bill for hour in hours),
        requests=sum(share.cost for share in mine if not share.warm),
        warmup=sum(share.cost for share in mine if share.warm),
    )


def state_costs(hour: DeviceHour) -> dict[str, int]:
    """Picodollars of each state of an hour; they sum to its bill, those of idle states to its idle cost."""
    used = [state for state in State if state in USED]
    idle = [state for state in State if state not in USED]
    return _costs(hour, used, hour.bill - hour.idle_cost) | _costs(hour, idle, hour.idle_cost)


def _costs(hour: DeviceHour, states: Sequence[str], cost: int) -> dict[str, int]:
    weights = [hour.states.get(state, 0) for state in states]
    # Less than a picodollar of rounding may be left of a state in which no time was spent.
    return dict(zip(states, split(cost, weights if any(weights) else [1] * len(weights)), strict=True))


def loaded(bill: int, costs: Sequence[int]) -> list[int] | None:
    """A device's bill in parts for those who used it, in proportion to their cost; None where nobody did."""
    return split(bill, costs) if any(costs) else None
