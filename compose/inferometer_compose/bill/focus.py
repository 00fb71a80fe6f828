"""Charges of a FOCUS export (FinOps Open Cost and Usage Specification 1.0 to 1.3), whoever made it.

A name of a column is found without regard to case and underscores: exports that went through a data catalogue have
lost both. Which columns there must be follows the specification's level *mandatory*; the others are read where they
are. Earlier names of a column stand behind the present one.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any, Final

from inferometer_compose.bill.costs import Cost
from inferometer_compose.bill.table import BillError, Table

USD: Final = "USD"
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND_NS: Final = 1000
_LONGEST: Final = timedelta(days=6 * 366)
"""Of a charge period: a commitment of five years is the longest that is sold, and may be billed at once."""
_COSTS: Final = {Cost.EFFECTIVE: "EffectiveCost", Cost.BILLED: "BilledCost", Cost.LIST: "ListCost"}
_MANDATORY: Final = ("ChargePeriodStart", "ChargePeriodEnd", "ServiceName", "BillingCurrency")
_CONDITIONAL: Final[Mapping[str, tuple[str, ...]]] = {
    "SkuId": (),
    "SkuPriceId": (),
    "ResourceId": (),
    "ResourceName": (),
    "RegionId": ("Region",),  # 1.0-preview
    "PricingCategory": (),
    "CommitmentDiscountStatus": (),
    "CapacityReservationStatus": (),  # since 1.1
    "ConsumedQuantity": ("UsageQuantity",),  # 1.0-preview
    "ConsumedUnit": ("UsageUnit",),
    "Tags": (),
}
_ONE_OF: Final = ("ResourceId", "ResourceName", "SkuId", "SkuPriceId")
"""Without any of these nothing says what a charge is for."""
_UNUSED: Final = "Unused"
"""CommitmentDiscountStatus of what was committed and not used, CapacityReservationStatus of what was reserved so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Charge:
    """A row of a bill, in US dollars; empty text where the bill says nothing."""

    begin_ns: int
    """Since the epoch; `end_ns` is exclusive, and the same where a charge is of a moment, as some fees are."""
    end_ns: int
    usd: Decimal
    service: str
    sku: str
    sku_price: str
    resource: str
    resource_name: str
    region: str
    pricing_category: str
    commitment_status: str
    capacity_status: str = ""
    consumed: Decimal | None
    consumed_unit: str
    tags: str
    """As the file has them: JSON."""
    file: str = field(default="", compare=False)
    """In which it stands."""

    @property
    def unused(self) -> bool:
        """Whether it is for what was committed or reserved, and not used: no device stands behind it."""
        return _UNUSED in {self.commitment_status, self.capacity_status}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """How a bill is read."""

    cost: Cost = Cost.EFFECTIVE
    rates: Mapping[str, Decimal]
    """US dollars per unit of other currencies."""


def charges(table: Table, reading: Reading) -> Iterator[Charge]:
    """The charges of a table, one by one.

    Raises:
        BillError: a column is missing, or a value cannot be right.
    """
    columns = _Columns.of(table, reading.cost)
    rates = {USD: Decimal(1), **reading.rates}
    for number, values in table.rows:
        try:
            yield columns.charge(values, rates, table.name)
        except _WrongValueError as error:
            raise table.wrong(number, str(error)) from error


class _WrongValueError(ValueError):
    """A value is not what its column holds."""

    def __init__(self, column: str, value: str, hint: str) -> None:
        super().__init__(f"{column} is {value[:80]!r}: {hint}")


@dataclass(frozen=True, slots=True)
class _Columns:
    """Where each column is; None where the file does not have it."""

    at: Mapping[str, int | None]
    cost: str

    @classmethod
    def of(cls, table: Table, cost: Cost) -> "_Columns":
        found = {_plain(name): index for index, name in reversed(list(enumerate(table.columns)))}
        mandatory = (*_MANDATORY, _COSTS[cost])
        if missing := [name for name in mandatory if _plain(name) not in found]:
            raise BillError(
                f"{table.name}: no column {', '.join(missing)}: a FOCUS export has it (1.0 or later); "
                f"this file has {_listed(table.columns)}"
            )
        at: dict[str, int | None] = {name: found[_plain(name)] for name in mandatory}
        for name, earlier in _CONDITIONAL.items():
            at[name] = next((found[_plain(one)] for one in (name, *earlier) if _plain(one) in found), None)
        if all(at[name] is None for name in _ONE_OF):
            raise BillError(
                f"{table.name}: no column {', '.join(_ONE_OF[:-1])} or {_ONE_OF[-1]}: one of them must say what a "
                f"charge is for; this file has {_listed(table.columns)}"
            )
        return cls(at, _COSTS[cost])

    def charge(self, values: Sequence[str], rates: Mapping[str, Decimal], file: str) -> Charge:
        def text(name: str) -> str:
            index = self.at[name]
            return "" if index is None else values[index]

        currency = text("BillingCurrency").strip()
        if (rate := rates.get(currency)) is None:
            hint = f"USD is read here; say what it is worth: --rate {currency or 'EUR'}=1.08"
            raise _WrongValueError("BillingCurrency", currency, hint)
        begin, end = (_time(name, text(name)) for name in ("ChargePeriodStart", "ChargePeriodEnd"))
        if not begin <= end <= begin + _LONGEST // timedelta(microseconds=1) * _MICROSECOND_NS:
            hint = f"after ChargePeriodStart ({text('ChargePeriodStart')}) by at most {_LONGEST.days} days is right"
            raise _WrongValueError("ChargePeriodEnd", text("ChargePeriodEnd"), hint)
        consumed = text("ConsumedQuantity").strip()
        return Charge(
            begin_ns=begin,
            end_ns=end,
            usd=_cost(self.cost, text(self.cost)) * rate,
            service=text("ServiceName"),
            sku=text("SkuId"),
            sku_price=text("SkuPriceId"),
            resource=text("ResourceId"),
            resource_name=text("ResourceName"),
            region=text("RegionId"),
            pricing_category=text("PricingCategory"),
            commitment_status=text("CommitmentDiscountStatus"),
            capacity_status=text("CapacityReservationStatus"),
            consumed=_number("ConsumedQuantity", consumed) if consumed else None,
            consumed_unit=text("ConsumedUnit"),
            tags=text("Tags"),
            file=file,
        )


def _plain(name: str) -> str:
    return name.replace("_", "").lower()


def _listed(names: Sequence[str], most: int = 12) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def _cost(column: str, text: str) -> Decimal:
    billed = _COSTS[Cost.BILLED]
    if not text.strip() and column != billed:
        hint = f"a number such as 12.5 is right; where a provider leaves it out, --cost {Cost.BILLED} takes {billed}"
        raise _WrongValueError(column, text, hint)
    return _number(column, text)


def _number(column: str, text: str) -> Decimal:
    try:
        value = Decimal(text.strip())
    except InvalidOperation:
        raise _WrongValueError(column, text, "a number such as 12.5 is right") from None
    if not value.is_finite():
        raise _WrongValueError(column, text, "a number such as 12.5 is right")
    return value


@lru_cache(maxsize=4096)
def _instant(text: str) -> int:
    moment = datetime.fromisoformat(text.strip().removesuffix(" UTC"))
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return (moment - _EPOCH) // timedelta(microseconds=1) * _MICROSECOND_NS


def _time(column: str, text: str) -> int:
    """Ns since the epoch; without a zone it is UTC, as the specification asks."""
    try:
        return _instant(text)
    except ValueError:
        raise _WrongValueError(column, text, "a time such as 2026-10-01T00:00:00Z is right") from None


@lru_cache(maxsize=4096)
def tags(text: str) -> Mapping[str, str]:
    """Tags by key: of an object, or of a list of keys and values as BigQuery has it; none where it is neither."""
    try:
        found: Any = json.loads(text)
    except ValueError:
        return {}
    if isinstance(found, list):
        pairs = (one for one in found if isinstance(one, dict))
        found = {str(one.get("key", "")): one.get("value", "") for one in pairs}
    return {str(key): str(value) for key, value in found.items()} if isinstance(found, dict) else {}
