"""A piece of advice: what to do, what it saves, and everything that it rests on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from inferometer_exporters.recorder.idle_query import MONTH_HOURS


class Confidence(StrEnum):
    """How far a piece of advice is to be trusted."""

    HIGH = "high"
    """A week or more, ten thousand requests or more, nothing but measured."""
    MEDIUM = "medium"
    """A day or more, nothing but measured, or with one assumption that is named."""
    LOW = "low"
    """Datasheets, list prices, or less than is needed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """What to do about a device, or several."""

    rule: str
    devices: Sequence[str]
    does: str
    """One sentence: what to do."""
    because: str
    """One sentence with the figures that triggered it."""
    formula: str = ""
    """With its numbers: what begins with ``730 h`` comes to the saving."""
    usd_per_month: float | None = None
    """Saved; None where that is not known, or is no money."""
    confidence: Confidence = Confidence.MEDIUM
    figures: Mapping[str, float] = field(default_factory=dict)
    preconditions: Sequence[str] = ()
    risk: str = ""

    def at_most(self, confidence: Confidence) -> "Advice":
        """The same, trusted no further than this."""
        order = list(Confidence)
        return replace(self, confidence=max(self.confidence, confidence, key=order.index))


def per_month(usd_per_hour: float) -> float:
    """US dollars of an average month."""
    return usd_per_hour * MONTH_HOURS


def price(usd_per_hour: float) -> str:
    """``$6.88``, ``$0.8048``: cents, and what stands behind them."""
    text = f"{usd_per_hour:.4f}"
    return f"${text[:-2]}{text[-2:].rstrip('0')}"


def share(ratio: float) -> str:
    """``0.00433``: digits that a product with it needs."""
    return f"{ratio:.3g}"


def percent(ratio: float) -> str:
    """``20 %``; never 0 % of what is more."""
    return "< 1 %" if 0 < ratio < 0.005 else f"{100 * ratio:.0f} %"  # noqa: PLR2004 - half a percent
