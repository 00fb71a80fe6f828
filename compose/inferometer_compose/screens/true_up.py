"""The ledger beside a bill: as lines of a screen, as JSON, as rows of CSV."""

from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from rich.text import Text

from inferometer.catalog.devices import BILL_CORRECTION
from inferometer.fleet.thresholds import PICODOLLARS
from inferometer_compose.bill.comparison import Comparison, Day
from inferometer_compose.bill.costs import Cost
from inferometer_compose.screens.columns import Column, plain, table
from inferometer_compose.screens.money import amount, places, rounded, text
from inferometer_compose.screens.units import dollars
from inferometer_exporters.ledger_api import date

_WIDTH: Final = 120
_HOUR_NS: Final = 3_600 * 10**9
_MOST_SERVICES: Final = 8
CSV_COLUMNS: Final = (
    "day", "device", "sku", "service", "pricing_category", "ledger_usd", "billed_usd", "correction_usd",
)  # fmt: skip


def lines(compared: Comparison, written: Path | None) -> Iterator[Text]:
    """The screen: a line for each device and day, then what is in one of the two only."""
    if compared.days:
        ledger = sum(day.ledger.bill for day in compared.days)
        billed = sum(day.billed for day in compared.days)
        decimals = places(_usd(ledger), _usd(billed))
        yield from _days(compared.days, ledger, billed, decimals)
        (ledger_usd,), (billed_usd,) = (rounded([_usd(one)], _usd(one), decimals) for one in (ledger, billed))
        ratio = f", {billed / ledger:.3f} of the ledger" if ledger else ""
        yield Text()
        yield Text(
            f"  ledger {text(ledger_usd)}   bill {text(billed_usd)}   correction {text(billed_usd - ledger_usd)}{ratio}"
        )
    yield Text(f"  {compared.matched:,} of {compared.charges:,} charges are for devices of this ledger")
    if compared.unused:
        yield Text(f"  ${compared.unused:,.2f} of commitments and reservations that nothing used")
    for day, cost in compared.unknown:
        yield Text(f"  {date(day)}: {amount(_usd(cost), 2)} billed, and the ledger knows nothing of that day")
    for part in compared.partial:
        yield Text(
            f"  {date(part.ledger.day)}: {plain(part.ledger.device)} was billed for {_hours(part.billed_ns)} h, "
            f"{amount(_usd(part.billed), 4)}, and the ledger knows {_hours(part.ledger.span)} h, "
            f"{amount(_usd(part.ledger.bill), 4)}: no correction"
        )
    # A host whose GPUs carry its price costs nothing, and is on no bill.
    for one in (one for one in compared.unbilled if one.bill or one.unpriced):
        yield Text(
            f"  {date(one.day)}: {plain(one.device)} is not in the bill, {amount(_usd(one.bill), 4)} in the ledger"
        )
    rest = list(compared.rest.items())
    for service, found in rest[:_MOST_SERVICES]:
        yield Text(
            f"  not for devices here: {plain(service) or 'no service'}, "
            f"{found.charges:,} charge{'s' if found.charges != 1 else ''}, {dollars(float(found.usd))}"
        )
    if len(rest) > _MOST_SERVICES:
        yield Text(f"  and {len(rest) - _MOST_SERVICES} more services")
    if written is not None:
        yield Text(f"  written to {written}: the sidecar shows it as {BILL_CORRECTION.name}")


def _days(days: Sequence[Day], ledger: int, billed: int, decimals: int) -> Iterator[Text]:
    """A row for each day; every column of money sums to the whole as it is shown, every correction is a difference."""
    ledgers = rounded([_usd(day.ledger.bill) for day in days], _usd(ledger), decimals)
    bills = rounded([_usd(day.billed) for day in days], _usd(billed), decimals)
    columns = [
        Column("day", [date(day.ledger.day) for day in days], figure=False),
        Column("device", [plain(day.ledger.device) for day in days], figure=False),
        Column("ledger", list(map(text, ledgers))),
        Column("bill", list(map(text, bills))),
        Column("correction", [text(bill - cost) for bill, cost in zip(bills, ledgers, strict=True)]),
        Column("ratio", ["-" if day.ratio is None else f"{day.ratio:.3f}" for day in days]),
        Column("hours", [_hours(day.ledger.span) for day in days], rank=1),
        Column("unpriced", [_hours(day.ledger.unpriced) for day in days], rank=3),
        Column("SKU", [_skus(day) for day in days], rank=2, figure=False),
    ]
    yield from table(columns, _WIDTH)[0]


def _skus(day: Day) -> str:
    return plain(" ".join(dict.fromkeys(line.sku for line in day.lines)))


def _hours(ns: int) -> str:
    return f"{ns / _HOUR_NS:.3g}"


def _usd(picodollars: int) -> float:
    return picodollars / PICODOLLARS


def as_json(compared: Comparison, bills: Sequence[Path], cost: Cost, written: Path | None) -> dict[str, Any]:
    """One object with everything; money in US dollars, time in seconds."""
    ledger = sum(day.ledger.bill for day in compared.days)
    billed = sum(day.billed for day in compared.days)
    return {
        "bill": {
            "files": [str(bill) for bill in bills],
            "cost": cost.value,
            "charges": compared.charges,
            "matched": compared.matched,
        },
        "ledger_usd": _usd(ledger),
        "billed_usd": _usd(billed),
        "correction_usd": _usd(billed - ledger),
        "ratio": billed / ledger if ledger else None,
        "days": [_day(day) for day in compared.days],
        "partial_days": [_day(day) for day in compared.partial],
        "only_in_ledger": [
            {"day": date(one.day), "device": one.device, "ledger_usd": _usd(one.bill)} for one in compared.unbilled
        ],
        "only_in_bill": [{"day": date(day), "billed_usd": _usd(cost)} for day, cost in compared.unknown],
        "other_services": [
            {"service": service, "charges": rest.charges, "usd": float(rest.usd)}
            for service, rest in compared.rest.items()
        ],
        "unused_commitments_usd": float(compared.unused),
        "written": None if written is None else str(written),
    }


def _day(day: Day) -> dict[str, Any]:
    return {
        "day": date(day.ledger.day),
        "device": day.ledger.device,
        "ledger_usd": _usd(day.ledger.bill),
        "billed_usd": _usd(day.billed),
        "correction_usd": _usd(day.correction),
        "ratio": day.ratio,
        "ledger_seconds": day.ledger.span / 1e9,
        "billed_seconds": day.billed_ns / 1e9,
        "unpriced_seconds": day.ledger.unpriced / 1e9,
        "skus": [
            {
                "sku": line.sku,
                "service": line.service,
                "pricing_category": line.pricing_category,
                "ledger_usd": _usd(line.ledger),
                "billed_usd": _usd(line.billed),
                "correction_usd": _usd(line.correction),
            }
            for line in day.lines
        ],
    }


def rows(compared: Comparison) -> Iterator[Sequence[str]]:
    """The header, and a row for each device, day and SKU; every column of money sums to the whole."""
    yield CSV_COLUMNS
    for day in compared.days:
        for line in day.lines:
            named = (date(line.day), line.device, line.sku, line.service, line.pricing_category)
            yield (*named, *(_exact(cost) for cost in (line.ledger, line.billed, line.correction)))


def _exact(picodollars: int) -> str:
    return f"{Decimal(picodollars).scaleb(-12):f}"
