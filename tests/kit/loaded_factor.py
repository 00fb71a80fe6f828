"""From marginal to fully loaded cost, reckoned from the ledger alone: what reports are compared with.

What a request used is known when it is settled; how long its device stood idle beside it is known only of a window
that is over. So the marginal cost stands with the request, and the fully loaded one is a question about a window.
"""

from fractions import Fraction
from typing import Any, Final

from inferometer_exporters.ledger.account import State
from inferometer_exporters.recorder.reading import Cursor, rows

_USED: Final = (State.ATTRIBUTED.value, State.SYSTEM.value)
# One row per device and state: the ledger's totals at the end of the window, and what they were at its beginning.
# Where the first entry of an account that is known covers less than the window, it was opened inside it: from nothing.
_ENTRIES: Final = """
    with entries as (select device, state, pass, wall_ns, ns, bill, idle_cost, span_ns from ledger
                     where wall_ns <= $until),
    ended as (select device, state, max_by(struct_pack(ns, bill, idle_cost), pass) as entry
              from entries where wall_ns > $since group by all),
    before as (select device, state, max_by(struct_pack(ns, bill, idle_cost), pass) as entry
               from entries where wall_ns <= $since group by all),
    first as (select device, state, min_by(struct_pack(ns, bill, idle_cost), pass) as entry,
                     min_by(wall_ns - span_ns, pass) as opened
              from entries where wall_ns > $since group by all)
    select names.name, ended.state, ended.entry, coalesce(before.entry, case when opened < $since then first.entry end)
    from ended join first using (device, state) left join before using (device, state)
    join names on names.id = ended.device
    order by 1
"""


def loaded_factor(cursor: Cursor, since_ns: int, until_ns: int) -> dict[str, Fraction]:
    """What to multiply the marginal cost of requests with, so that together they pay for their devices.

    A device's factor is its bill over what requests used of it: idle, loading, unallocated and unobserved time, and
    runs for no request, are carried by its requests in proportion to what they used. Multiply the marginal cost of an
    execute (`executes.cost`, or `requests.cost` where all of a request's runs are on its one `device`) with the factor
    of its device and round once, at the end: the sum over the window is then the device's bill, but for runs that
    reach over an edge of the window. Where the device has no price, the factor is one of device time.

    Args:
        cursor: of the recorder.
        since_ns: begin of the window, ns since the epoch; 0 is everything the ledger knows.
        until_ns: its end.

    Returns:
        Device name -> a fraction >= 1; without the devices that no request used in the window, whose bill is idle as
        a whole and nobody's.
    """
    spent: dict[str, dict[str, tuple[int, int, int]]] = {}
    for device, state, ended, began in rows(cursor, _ENTRIES, since=since_ns, until=until_ns):
        spent.setdefault(device, {})[state] = _gain(ended, began)
    factors = {device: _factor(states) for device, states in spent.items()}
    return {device: factor for device, factor in factors.items() if factor is not None}


def _gain(ended: dict[str, Any], began: dict[str, Any] | None) -> tuple[int, int, int]:
    ns, bill, idle = (int(ended[name]) - (0 if began is None else int(began[name])) for name in ended)
    return ns, bill, idle


def _factor(states: dict[str, tuple[int, int, int]]) -> Fraction | None:
    attributed = states.get(State.ATTRIBUTED.value, (0, 0, 0))[0]
    if attributed <= 0:
        return None
    used = sum(states[state][0] for state in _USED if state in states)
    # The bill and its idle part are of the whole device, and stand with each of its states.
    _, bill, idle = next(iter(states.values()))
    if bill > idle:
        return Fraction(bill, bill - idle) * Fraction(used, attributed)
    return Fraction(sum(ns for ns, _, _ in states.values()), attributed)
