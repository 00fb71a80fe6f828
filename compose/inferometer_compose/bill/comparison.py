"""The ledger and the bill, day by day: every figure in whole picodollars, every column adds up."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal, localcontext
from typing import Final

from inferometer.fleet.thresholds import PICODOLLARS
from inferometer_compose.bill.claims import Claim, Finder, OfHost
from inferometer_compose.bill.focus import Charge
from inferometer_compose.bill.periods import Periods
from inferometer_compose.bill.repeats import Repeats
from inferometer_exporters.recorder.ledger_days import DAY_NS, DeviceDay
from inferometer_exporters.recorder.remainders import split

_DIGITS: Final = 60
"""Of sums: a bill's costs have up to 20 decimals, and are many."""
_COVERED: Final = 0.95
"""Of the time that a device was billed for on a day: where the ledger knows less of it, the two are of different
times and their ratio is no price. It knows less on the day on which the sidecar was first started, and today."""
_MOST_SERVICES: Final = 1000
_OTHER: Final = "other"


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One SKU of one device on one day; picodollars."""

    device: str
    day: int
    """Days since the epoch."""
    sku: str
    service: str
    pricing_category: str
    ledger: int
    """This SKU's part of what the ledger says, in proportion to the bill."""
    billed: int

    @property
    def correction(self) -> int:
        """What the bill has more than the ledger."""
        return self.billed - self.ledger


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """One device on one day; picodollars."""

    ledger: DeviceDay
    lines: tuple[Line, ...]
    billed_ns: int
    """Time of that day that the bill is for."""

    @property
    def covered(self) -> bool:
        """Whether time was billed, and the ledger knows it: a day that has a credit alone is no price either."""
        return self.billed_ns > 0 and self.ledger.span >= _COVERED * self.billed_ns

    @property
    def billed(self) -> int:
        """What the bill says."""
        return sum(line.billed for line in self.lines)

    @property
    def correction(self) -> int:
        """What the bill has more than the ledger."""
        return self.billed - self.ledger.bill

    @property
    def ratio(self) -> float | None:
        """The bill by the ledger; None where the ledger has no cost."""
        return self.billed / self.ledger.bill if self.ledger.bill else None


@dataclass(slots=True, kw_only=True)
class Rest:
    """Charges of one service that are for no device here."""

    charges: int = 0
    usd: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What is known of a bill and a ledger."""

    days: tuple[Day, ...]
    """Days of devices that both know."""
    partial: tuple[Day, ...]
    """Days of devices of which the ledger does not know the time that was billed: they correct nothing."""
    unbilled: tuple[DeviceDay, ...]
    """Days of devices inside of the bill's time that are not in the bill."""
    unknown: tuple[tuple[int, int], ...]
    """(day, picodollars) of charges for devices here, on days of which the ledger knows nothing."""
    rest: Mapping[str, Rest]
    """By service."""
    unused: Decimal
    """US dollars of commitments and reservations that nothing used."""
    charges: int
    """Rows of the bill."""
    matched: int
    """Of them, for devices here."""


@dataclass(slots=True)
class _Sums:
    """What is remembered of a bill while it is read: little, however long it is."""

    matched: dict[tuple[int, int, str, str, str], Decimal] = field(default_factory=dict)
    """By claim, day, SKU, service, pricing category."""
    times: dict[tuple[int, int], Periods] = field(default_factory=dict)
    """By claim and day: what time its charges are for."""
    rest: dict[str, Rest] = field(default_factory=dict)
    unused: Decimal = Decimal(0)
    charges: int = 0
    rows: int = 0
    first: int | None = None
    last: int | None = None


def compare(charges: Iterable[Charge], claims: Sequence[Claim | OfHost], ledger: Sequence[DeviceDay]) -> Comparison:
    """Compare a bill with the ledger.

    A charge of several devices is divided in proportion to what the ledger says that they cost on that day; where it
    says that they cost nothing, to their time. A charge of several days is divided in proportion to its time on each.

    Args:
        charges: of the bill; read once.
        claims: which of them are for which devices.
        ledger: days of those devices.

    Raises:
        BillError: two files have the same charges.
    """
    with localcontext(prec=_DIGITS):
        sums = _read(charges, Finder(claims))
    known = {(day.device, day.day): day for day in ledger}
    lines: dict[tuple[str, int], list[Line]] = {}
    unknown: dict[int, int] = {}
    times: dict[tuple[str, int], int] = {}
    for (claim, day, sku, service, category), usd in sorted(sums.matched.items()):
        billed = _picodollars(usd)
        mine = [known[device, day] for device in claims[claim].devices if (device, day) in known]
        weights = [one.bill for one in mine] if any(one.bill for one in mine) else [one.span for one in mine]
        if not any(weights):
            unknown[day] = unknown.get(day, 0) + billed
            continue
        for one, part, weight in zip(mine, split(billed, weights), weights, strict=True):
            if weight:
                line = Line(
                    device=one.device,
                    day=day,
                    sku=sku,
                    service=service,
                    pricing_category=category,
                    ledger=0,
                    billed=part,
                )
                lines.setdefault((one.device, day), []).append(line)
                times[one.device, day] = max(times.get((one.device, day), 0), sums.times[claim, day].length)
    days = [
        Day(ledger=known[key], lines=_shared(known[key].bill, lines[key]), billed_ns=times[key])
        for key in sorted(lines)
    ]
    return Comparison(
        days=tuple(day for day in days if day.covered),
        partial=tuple(day for day in days if not day.covered),
        unbilled=tuple(
            day
            for key, day in sorted(known.items())
            if key not in lines and sums.first is not None and sums.first <= day.day <= (sums.last or 0)
        ),
        unknown=tuple(sorted(unknown.items())),
        rest=dict(sorted(sums.rest.items(), key=lambda one: -one[1].usd)),
        unused=sums.unused,
        charges=sums.charges,
        matched=sums.rows,
    )


def _read(charges: Iterable[Charge], finder: Finder) -> _Sums:
    sums, repeats = _Sums(), Repeats()
    for charge in charges:
        sums.charges += 1
        claim = finder.find(charge)
        if claim is None:
            _leave(sums, charge)
            continue
        sums.rows += 1
        repeats.see(charge)
        sku = charge.sku or charge.sku_price
        for day, usd in _by_day(charge):
            key = (claim, day, sku, charge.service, charge.pricing_category)
            sums.matched[key] = sums.matched.get(key, Decimal(0)) + usd
            begin, end = day * DAY_NS, (day + 1) * DAY_NS
            sums.times.setdefault((claim, day), Periods()).add(max(charge.begin_ns, begin), min(charge.end_ns, end))
            sums.first = day if sums.first is None else min(sums.first, day)
            sums.last = day if sums.last is None else max(sums.last, day)
    repeats.check()
    return sums


def _leave(sums: _Sums, charge: Charge) -> None:
    if charge.unused:
        sums.unused += charge.usd
        return
    service = charge.service if charge.service in sums.rest or len(sums.rest) < _MOST_SERVICES else _OTHER
    rest = sums.rest.setdefault(service, Rest())
    rest.charges += 1
    rest.usd += charge.usd


def _by_day(charge: Charge) -> Iterator[tuple[int, Decimal]]:
    """Parts of a charge by the day (UTC) on which its time lies; they sum to it."""
    first = charge.begin_ns // DAY_NS
    last = max(first, (charge.end_ns - 1) // DAY_NS)
    left = charge.usd
    for day in range(first, last):
        spent = min(charge.end_ns, (day + 1) * DAY_NS) - max(charge.begin_ns, day * DAY_NS)
        part = charge.usd * spent / (charge.end_ns - charge.begin_ns)
        left -= part
        yield day, part
    yield last, left


def _shared(bill: int, lines: Sequence[Line]) -> tuple[Line, ...]:
    """Lines with their part of what the ledger says; credits have none."""
    weights = [max(line.billed, 0) for line in lines]
    parts = split(bill, weights if any(weights) else [1] * len(lines))
    return tuple(replace(line, ledger=part) for line, part in zip(lines, parts, strict=True))


def _picodollars(usd: Decimal) -> int:
    with localcontext(prec=_DIGITS):
        return int((usd * PICODOLLARS).to_integral_value())
