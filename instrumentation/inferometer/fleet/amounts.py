"""Shares, money, and how many of something, as fleet.yaml writes them: plain numbers without a unit."""

import re
from decimal import Decimal
from typing import Final

from inferometer.fleet.scalars import Json, Kind, WrongValueError

LOWEST_TARGET = Decimal(90)
HIGHEST_TARGET = Decimal("99.99")
_NUMBER = re.compile(r"[0-9]+(?:\.[0-9]+)?", re.ASCII)


def _decimal(text: str, name: str, example: str) -> Decimal:
    if not _NUMBER.fullmatch(text):
        raise WrongValueError(f"{text!r} is no {name}", f"write a plain number: {example}")
    return Decimal(text)


def _percent(text: str) -> Decimal:
    if text.endswith("%"):
        raise WrongValueError(f"{text!r} carries a unit", f"targets are in percent already: {text[:-1].strip()}")
    target = _decimal(text, "percentage", "99.9")
    if target < 1:
        as_percent = f"{(target * 100).normalize():f}"
        raise WrongValueError(f"target {text} looks like a ratio", f"targets are in percent: {as_percent}")
    if target >= 100:  # noqa: PLR2004 - 100 percent
        raise WrongValueError(
            f"target {text} % leaves no budget: one bad request would break it for good",
            f"write {LOWEST_TARGET} to {HIGHEST_TARGET}",
        )
    if not LOWEST_TARGET <= target <= HIGHEST_TARGET:
        raise WrongValueError(
            f"target {text} % is outside of what burn-rate alerts can watch",
            f"write {LOWEST_TARGET} to {HIGHEST_TARGET}",
        )
    return target


PERCENT: Final = Kind(
    name="percentage",
    written_as=("number", "text"),
    read=_percent,
    json={"type": "number", "minimum": float(LOWEST_TARGET), "maximum": float(HIGHEST_TARGET)},
    example="99.9",
)


MOST_USD: Final = 10**9
"""Dollars of one device: more is a slip of the pen, and would not fit the ledger's integers for long."""


def _usd(text: str) -> Decimal:
    if not _NUMBER.fullmatch(text):
        raise WrongValueError(f"{text!r} is no amount of money", "write US dollars as a plain number: 2.99")
    if Decimal(text) > MOST_USD:
        raise WrongValueError(f"{text} US dollars is more than any device costs", f"write at most {MOST_USD}")
    return Decimal(text)


USD: Final = Kind(
    name="amount of US dollars",
    written_as=("number", "text"),
    read=_usd,
    json={"type": "number", "minimum": 0, "maximum": MOST_USD},
    example="2.99",
)


def _budget_usd(text: str) -> Decimal:
    amount = _usd(text)
    if not amount:
        raise WrongValueError("a budget of nothing is always spent", "write US dollars as a plain number: 250")
    return amount


BUDGET_USD: Final = Kind(
    name="amount of US dollars",
    written_as=("number", "text"),
    read=_budget_usd,
    json={"type": "number", "exclusiveMinimum": 0, "maximum": MOST_USD},
    example="250",
)


def between(low: str, high: str, *, name: str, example: str) -> Kind[Decimal]:
    """A plain number from *low* to *high*, both included."""
    lowest, highest = Decimal(low), Decimal(high)

    def read(text: str) -> Decimal:
        value = _decimal(text, name, example)
        if not lowest <= value <= highest:
            raise WrongValueError(f"{text} is outside of {low} to {high}", f"write a {name}: {example}")
        return value

    json: Json = {"type": "number", "minimum": float(lowest), "maximum": float(highest)}
    return Kind(name=name, written_as=("number", "text"), read=read, json=json, example=example)


SHARE: Final = between("0", "100", name="percentage", example="10")
YEARS: Final = between("0.1", "30", name="number of years", example="4")
WATTS: Final = between("0", "200000", name="number of watts", example="700")
PUE: Final = between("1", "5", name="power usage effectiveness", example="1.3")
GIGABYTES: Final = between("1", "10000", name="number of gigabytes", example="80")
_MOST_GPUS = 128


def _gpus(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= _MOST_GPUS:
        raise WrongValueError(f"{text!r} is no number of GPUs", f"write 1 to {_MOST_GPUS}")
    return int(text)


GPUS: Final = Kind(
    name="number of GPUs",
    written_as=("number",),
    read=_gpus,
    json={"type": "integer", "minimum": 1, "maximum": _MOST_GPUS},
    example="8",
)
