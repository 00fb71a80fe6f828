"""Proofs of the alerts on what is left of a budget: what the rules of objectives record is given as it is.

A case of its own in :mod:`budget_alerts` shows for each alert that those rules record it so.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from inferometer import promql
from inferometer.catalog.labels import SLO
from inferometer.fleet import durations
from inferometer.fleet.slos import Slo
from inferometer_alerts import recorded_slos, slo_labels
from inferometer_alerts.rule import Case
from inferometer_alerts.rule_labels import OF_SLO
from inferometer_alerts.samples import plain

EVERY: Final = "15m"
"""Between two evaluations."""
MANY: Final = 10_000
_NOT_YET: Final = "15m"
_HELD: Final = "45m"
"""Moments around those at which the alerts fire, counted from when enough of the period is known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """What is recorded of an SLO, the same all the time, and whether an alert must fire on it.

    Attributes:
        left: Share of the budget that is left.
        bad: Bad events in the period.
        burn: Burn rate in the forecast's window.
        lately: Bad events in that window.
        fires: Whether the alert fires.
    """

    left: Decimal
    bad: int = MANY
    burn: Decimal = Decimal(1)
    lately: int = MANY
    fires: bool


def cases(slo: Slo, *, long: str, known_after_ns: int, budgets: Iterable[Budget]) -> Iterator[Case]:
    """A case for each budget, side by side.

    Args:
        slo: whose labels they have, but for its name.
        long: window of the forecast.
        known_after_ns: from when enough is known of the period.
        budgets: what is recorded.
    """
    samples = (known_after_ns + durations.parse(_HELD)) // durations.parse(EVERY)
    not_yet, held = (durations.render(known_after_ns + durations.parse(after)) for after in (_NOT_YET, _HELD))
    for number, budget in enumerate(budgets):
        name = f"{slo.name}-{number}"
        labels = slo_labels.labels(slo) | {SLO.name: name}
        of = [promql.equal(label, labels[label.name]) for label in OF_SLO if label.name in labels]
        values = {
            recorded_slos.SLO_EVENTS_TILE: Decimal(1),
            recorded_slos.SLO_BUDGET_LEFT: budget.left,
            recorded_slos.SLO_BAD_PERIOD: Decimal(budget.bad),
            recorded_slos.burn_rate(long): budget.burn,
            recorded_slos.bad_events(long): Decimal(budget.lately),
        }
        yield Case(
            series={promql.select(series, *of).text: f"{plain(value)}x{samples}" for series, value in values.items()},
            only=(promql.equal(SLO, name),),
            about=frozenset({name}),
            given=True,
            fires=(held,) if budget.fires else (),
            quiet=(not_yet,) if budget.fires else (held,),
            step=EVERY,
            evaluation=EVERY,
        )
