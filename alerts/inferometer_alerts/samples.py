"""Samples of counters in promtool's notation, for proofs: they rise, stop, restart, are missing or no number."""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum


class Kind(Enum):
    """What is special about some samples in a row."""

    RISING = "rising"
    RESTARTED = "restarted"
    """The first of them is 0: the process began anew."""
    MISSING = "missing"
    """Nobody scraped; the process goes on counting."""
    NO_NUMBER = "no number"
    """NaN, as a broken exporter shows it; the process goes on counting."""


@dataclass(frozen=True, slots=True)
class Phase:
    """Some samples in a row, and by how much the counter rises from one to the next."""

    samples: int
    rise: Decimal
    kind: Kind = Kind.RISING


def counter(phases: Iterable[Phase]) -> str:
    """Samples of a counter in promtool's notation; the first sample is 0, nothing falls between two phases."""
    written, value = [], Decimal(0)
    for phase in phases:
        if phase.samples < 1:
            continue
        if phase.kind is Kind.RESTARTED:
            value = Decimal(0)
        written.append(_written(phase, value))
        value += phase.rise * phase.samples
    return " ".join(written)


def gauge(phases: Iterable[Phase]) -> str:
    """Samples of a gauge that is, at each sample, what a counter would have risen by since the one before."""
    rises = (
        f"_x{phase.samples - 1}" if phase.kind is Kind.MISSING else f"{plain(phase.rise)}x{phase.samples - 1}"
        for phase in phases
        if phase.samples > 0
    )
    return " ".join(("0", *rises))


def _written(phase: Phase, value: Decimal) -> str:
    if phase.kind is Kind.MISSING:
        # Prometheus marks a series as ended when a scrape fails.
        return f"stale _x{phase.samples - 1}" if phase.samples > 1 else "stale"
    if phase.kind is Kind.NO_NUMBER:
        return f"NaN+0x{phase.samples - 1}"
    return f"{plain(value)}+{plain(phase.rise)}x{phase.samples - 1}"


def plain(value: Decimal) -> str:
    """A number without an exponent."""
    return f"{value.normalize():f}"
