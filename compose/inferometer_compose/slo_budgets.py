"""Error budgets: what is left of each, how fast it goes, and when it will be gone."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from inferometer.fleet import durations
from inferometer.fleet.budget_policy import BudgetStep, due

HOUR_SHARE: Final = 1 / 720
"""How things are now is what the window says that is nearest to this share of the period: an hour of 30 days."""
DAY_SHARE: Final = 1 / 30
"""A forecast goes by the window that is nearest to this share of the period: a day of 30."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """The budget of one SLO; what has no data is None."""

    slo: str
    service: str
    model: str
    objective: str
    sli: str
    target: float
    """Per cent, as in fleet.yaml."""
    period_seconds: float
    events: float | None
    """Requests of the period that count."""
    bad: float | None
    left: float | None
    """Share of the budget that is left; below 0 when it is overdrawn."""
    burn: Mapping[str, float] = field(default_factory=dict)
    """How many times too fast it was used, by window."""
    firing: tuple[str, ...] = ()
    """Tiers of its burn-rate alerts that fire."""
    known_seconds: float | None = None
    """How much of the period the source knows; None: it does not say."""

    @property
    def ratio(self) -> float:
        """Share of requests that may be bad."""
        return 1 - self.target / 100

    @property
    def good_now(self) -> float | None:
        """Share of good requests in the last hour or so; None without a request."""
        window = self.window(HOUR_SHARE)
        return None if window is None else 1 - self.burn[window] * self.ratio

    @property
    def good(self) -> float | None:
        """Share of good requests in the whole period; None without a request."""
        return None if self.left is None else 1 - (1 - self.left) * self.ratio

    @property
    def left_requests(self) -> float | None:
        """Requests that may still be bad, if as many come as in the period that is over."""
        if self.left is None or self.events is None:
            return None
        whole = self.period_seconds / self.known_seconds if self.known_seconds else 1.0
        return self.left * self.ratio * self.events * whole

    @property
    def left_seconds(self) -> float | None:
        """Seconds of a total outage that are left."""
        return None if self.left is None else self.left * self.ratio * self.period_seconds

    def window(self, share: float) -> str | None:
        """The window of a burn rate that is nearest to a share of the period; None without any."""
        near = share * self.period_seconds
        return min(self.burn, key=lambda window: abs(seconds(window) - near), default=None)

    @property
    def gone_in_seconds(self) -> float | None:
        """Seconds until nothing is left, if it goes on so; None: it does not run out, or nobody knows."""
        window = self.window(DAY_SHARE)
        if self.left is None or self.left <= 0 or window is None:
            return None
        rate = self.burn[window]
        return self.left * self.period_seconds / rate if rate > 0 else None

    def due(self, policy: Iterable[BudgetStep]) -> tuple[BudgetStep, ...]:
        """What a policy asks for now, the strictest first; nothing where no budget is known."""
        return () if self.left is None else due(policy, self.left)


def worst_first(budgets: Iterable[Budget]) -> list[Budget]:
    """Those that are worst off first, those without data at the end."""
    return sorted(budgets, key=lambda budget: (budget.left is None, budget.left or 0, budget.slo))


def seconds(text: str) -> float:
    """Of a duration as Prometheus writes it; 0 of a text that is none."""
    try:
        return durations.parse(text) / 1e9
    except ValueError:
        return 0.0
