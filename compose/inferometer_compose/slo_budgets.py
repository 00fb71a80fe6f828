"""Error budgets as Prometheus has them now, by the series that the generated rules record."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from inferometer import promql
from inferometer.catalog.labels import MODEL, SERVICE, SLO
from inferometer.fleet import durations
from inferometer_alerts import recorded
from inferometer_alerts.recorded import OBJECTIVE
from inferometer_compose.prometheus_query import Sample, instant

_BURN: Final = recorded.burn_rate("").name
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

    @property
    def ratio(self) -> float:
        """Share of requests that may be bad."""
        return 1 - self.target / 100

    @property
    def left_requests(self) -> float | None:
        """Requests that may still be bad, if as many come as in the period that is over."""
        if self.left is None or self.events is None:
            return None
        return self.left * self.ratio * self.events

    @property
    def left_seconds(self) -> float | None:
        """Seconds of a total outage that are left."""
        return None if self.left is None else self.left * self.ratio * self.period_seconds

    def window(self, share: float) -> str | None:
        """The window of a burn rate that is nearest to a share of the period; None without any."""
        near = share * self.period_seconds
        return min(self.burn, key=lambda window: abs(_seconds(window) - near), default=None)

    @property
    def gone_in_seconds(self) -> float | None:
        """Seconds until nothing is left, if it goes on so; None: it does not run out, or nobody knows."""
        window = self.window(DAY_SHARE)
        if self.left is None or self.left <= 0 or window is None:
            return None
        rate = self.burn[window]
        return self.left * self.period_seconds / rate if rate > 0 else None


def budgets(prometheus: str) -> list[Budget]:
    """The budgets of all SLOs, the worst off first; those without data at the end.

    Args:
        prometheus: address of the server that evaluates the generated rules.

    Raises:
        AnswerError: it does not answer.
    """
    infos = instant(prometheus, promql.select(recorded.SLO_INFO))
    events = _by_slo(instant(prometheus, promql.select(recorded.SLO_EVENTS_PERIOD)))
    bad = _by_slo(instant(prometheus, promql.select(recorded.SLO_BAD_PERIOD)))
    left = _by_slo(instant(prometheus, promql.select(recorded.SLO_BUDGET_LEFT)))
    burns = instant(prometheus, f'{{__name__=~"{_BURN}.+"}}')
    firing = instant(prometheus, promql.select(recorded.ALERTS, promql.equal(recorded.ALERT_STATE, "firing")))
    found = [
        Budget(
            slo=slo,
            service=info.labels.get(SERVICE.name, ""),
            model=info.labels.get(MODEL.name, ""),
            objective=info.labels.get(OBJECTIVE.name, ""),
            sli=info.labels.get(recorded.SLI.name, ""),
            target=float(info.labels.get(recorded.TARGET.name, "nan")),
            period_seconds=_seconds(info.labels.get(recorded.PERIOD.name, "0s")),
            events=events.get(slo),
            bad=bad.get(slo),
            left=left.get(slo),
            burn=_burns(burns, slo),
            firing=_tiers(firing, slo),
        )
        for info in infos
        if (slo := info.labels.get(SLO.name, ""))
    ]
    return sorted(found, key=lambda budget: (budget.left is None, budget.left or 0, budget.slo))


def _by_slo(samples: Iterable[Sample]) -> dict[str, float]:
    return {sample.labels.get(SLO.name, ""): sample.value for sample in samples}


def _burns(samples: Iterable[Sample], slo: str) -> dict[str, float]:
    mine = {
        sample.labels.get("__name__", "").removeprefix(_BURN): sample.value
        for sample in samples
        if sample.labels.get(SLO.name) == slo
    }
    return dict(sorted(mine.items(), key=lambda item: _seconds(item[0])))


def _tiers(samples: Iterable[Sample], slo: str) -> tuple[str, ...]:
    of_slo = [sample.labels for sample in samples if sample.labels.get(SLO.name) == slo]
    tiers = {labels.get(recorded.SLO_TIER.name, "") for labels in of_slo}
    return tuple(tier for tier in recorded.SLO_TIER.values if tier in tiers)


def _seconds(text: str) -> float:
    try:
        return durations.parse(text) / 1e9
    except ValueError:
        return 0.0
