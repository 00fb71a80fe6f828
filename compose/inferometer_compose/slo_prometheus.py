"""Error budgets as Prometheus has them now, by the series that the generated rules record."""

from collections.abc import Iterable
from decimal import Decimal
from typing import Final

from inferometer import promql
from inferometer.catalog.labels import MODEL, SERVICE, SLO
from inferometer.fleet.budget_policy import Action, BudgetStep
from inferometer_alerts import prometheus_series, recorded_slos, rule_labels
from inferometer_alerts.rule_labels import ACTION, OBJECTIVE
from inferometer_compose.prometheus_query import Sample, instant
from inferometer_compose.slo_budgets import Budget, seconds, worst_first

_BURN: Final = recorded_slos.burn_rate("").name


def budgets(prometheus: str) -> list[Budget]:
    """The budgets of all SLOs, the worst off first; those without data at the end.

    Args:
        prometheus: address of the server that evaluates the generated rules.

    Raises:
        AnswerError: it does not answer.
    """
    infos = instant(prometheus, promql.select(recorded_slos.SLO_INFO))
    events = _by_slo(instant(prometheus, promql.select(recorded_slos.SLO_EVENTS_PERIOD)))
    bad = _by_slo(instant(prometheus, promql.select(recorded_slos.SLO_BAD_PERIOD)))
    left = _by_slo(instant(prometheus, promql.select(recorded_slos.SLO_BUDGET_LEFT)))
    burns = instant(prometheus, f'{{__name__=~"{_BURN}.+"}}')
    firing = instant(
        prometheus, promql.select(prometheus_series.ALERTS, promql.equal(rule_labels.ALERT_STATE, "firing"))
    )
    found = [
        Budget(
            slo=slo,
            service=info.labels.get(SERVICE.name, ""),
            model=info.labels.get(MODEL.name, ""),
            objective=info.labels.get(OBJECTIVE.name, ""),
            sli=info.labels.get(rule_labels.SLI.name, ""),
            target=float(info.labels.get(rule_labels.TARGET.name, "nan")),
            period_seconds=seconds(info.labels.get(rule_labels.PERIOD.name, "0s")),
            events=events.get(slo),
            bad=bad.get(slo),
            left=left.get(slo),
            burn=_burns(burns, slo),
            firing=_tiers(firing, slo),
        )
        for info in infos
        if (slo := info.labels.get(SLO.name, ""))
    ]
    return worst_first(found)


def policy(prometheus: str) -> tuple[BudgetStep, ...]:
    """What is done as budgets shrink; empty where the server has rules of before there was a policy.

    Raises:
        AnswerError: it does not answer.
    """
    known = {action.value for action in Action}
    return tuple(
        BudgetStep(below=Decimal(str(100 * sample.value)), do=Action(sample.labels[ACTION.name]))
        for sample in instant(prometheus, promql.select(recorded_slos.BUDGET_POLICY))
        if sample.labels.get(ACTION.name) in known
    )


def _by_slo(samples: Iterable[Sample]) -> dict[str, float]:
    return {sample.labels.get(SLO.name, ""): sample.value for sample in samples}


def _burns(samples: Iterable[Sample], slo: str) -> dict[str, float]:
    mine = {
        sample.labels.get("__name__", "").removeprefix(_BURN): sample.value
        for sample in samples
        if sample.labels.get(SLO.name) == slo
    }
    return dict(sorted(mine.items(), key=lambda item: seconds(item[0])))


def _tiers(samples: Iterable[Sample], slo: str) -> tuple[str, ...]:
    of_slo = [sample.labels for sample in samples if sample.labels.get(SLO.name) == slo]
    tiers = {labels.get(rule_labels.SLO_TIER.name, "") for labels in of_slo}
    return tuple(tier for tier in rule_labels.SLO_TIER.values if tier in tiers)
