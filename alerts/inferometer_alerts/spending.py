"""Budgets of money: what is spent of each, how fast, and alerts when that is too fast.

A burn rate of money is what was spent in a window by what the budget allows in it; at 1 the budget is used up exactly.
Spending has seasons: nights and weekends are cheap. So what is sudden is compared with the same hours of the week
before, and what goes on is looked at over a whole week, in which every season is once.
"""

from collections.abc import Iterator
from decimal import Decimal
from typing import Final

from inferometer import promql
from inferometer.catalog import devices
from inferometer.catalog.labels import DEVICE, SERVICE, TENANT
from inferometer.catalog.requests import COST
from inferometer.fleet.budgets import CostBudget, usd_per_hour
from inferometer.fleet.model import Fleet
from inferometer.fleet.teams import services_by_team, team_of
from inferometer.promql import Expr
from inferometer_alerts import recorded_costs
from inferometer_alerts.rule import Alert, Board, Case, Group, Rule, Severity
from inferometer_alerts.rule_labels import BUDGET, TEAM
from inferometer_alerts.time_scale import TimeScale

SUDDEN: Final = 3
"""Three times too fast in six hours is a tenth of a month's budget in a day."""
UNUSUAL: Final = Decimal("1.5")
_HOUR, _HOURS, _DAY, _WEEK = "1h", "6h", "1d", "7d"
_CENTS: Final = Decimal("0.0000000001")


def groups(fleet: Fleet, scale: TimeScale) -> tuple[Group, ...]:
    """Rules and alerts of the budgets; none where fleet.yaml has none."""
    if not fleet.budgets:
        return ()
    return (
        Group(
            name="cost-budgets",
            interval="2m",
            rules=(*_recorded(fleet, scale), *_alerts(fleet.budgets[0], fleet, scale)),
        ),
    )


def _recorded(fleet: Fleet, scale: TimeScale) -> Iterator[Rule]:
    for budget in fleet.budgets:
        yield Rule(series=recorded_costs.BUDGET_SPENT, expr=_spent(budget, fleet), labels=_labels(budget, fleet))
    for budget in fleet.budgets:
        # With a time scale an hour of a window is shorter, and so is what may be spent in it.
        allowed = (usd_per_hour(budget) / scale.factor).quantize(_CENTS)
        yield Rule(series=recorded_costs.BUDGET_ALLOWED, expr=promql.scalar(allowed), labels=_labels(budget, fleet))
    yield Rule(
        series=recorded_costs.spending(_HOUR),
        expr=promql.select(recorded_costs.BUDGET_SPENT) / promql.select(recorded_costs.BUDGET_ALLOWED),
    )
    for window in (_HOURS, _DAY, _WEEK):
        of_hours = promql.average_over_time(promql.select(recorded_costs.spending(_HOUR)), scale.over(window))
        yield Rule(series=recorded_costs.spending(window), expr=of_hours)


def _labels(budget: CostBudget, fleet: Fleet) -> dict[str, str]:
    service = next((service for service in fleet.services if service.name == budget.service), None)
    team = budget.team or (fleet.team if service is None else team_of(fleet, service))
    return {
        BUDGET.name: budget.name,
        SERVICE.name: budget.service or "",
        TEAM.name: team or "",
        TENANT.name: budget.tenant or "",
    }


def _spent(budget: CostBudget, fleet: Fleet) -> Expr:
    """The whole bill, or what requests cost with their share of it."""
    if budget.service is not None:
        only = promql.equal(SERVICE, budget.service)
    elif budget.team is not None:
        only = promql.one_of(SERVICE, services_by_team(fleet).get(budget.team, ()))
    elif budget.tenant is not None:
        only = promql.equal(TENANT, budget.tenant)
    else:
        return promql.sum_by(promql.select(recorded_costs.BILL))
    marginal = promql.sum_by(promql.select(recorded_costs.COST_MODEL, only))
    return promql.multiply(marginal, promql.select(recorded_costs.LOAD_FACTOR), on=())


def _alerts(example: CostBudget, fleet: Fleet, scale: TimeScale) -> Iterator[Alert]:
    yield _sudden(example, fleet, scale)
    yield _lasting(example, fleet, scale)


_ABOUT: Final = (
    "budget {{ $labels.budget }}"
    "{{ with $labels.service }} of service {{ . }}{{ end }}{{ with $labels.tenant }} of tenant {{ . }}{{ end }}"
)


def _sudden(example: CostBudget, fleet: Fleet, scale: TimeScale) -> Alert:
    hour, hours = (promql.select(recorded_costs.spending(window)) for window in (_HOUR, _HOURS))
    usual = promql.offset(hours, scale.over(_WEEK))
    return Alert(
        name="CostBudgetSpike",
        expr=promql.unless(promql.both(hours > SUDDEN, hour > SUDDEN), hours <= UNUSUAL * usual, on=(BUDGET,)),
        severity=Severity.TICKET,
        summary=f"The {_ABOUT} is spent {{{{ $value | humanize }}}} times too fast.",
        description=(
            "In the last 6h, and it goes on. In the same hours of the week before it was not like this: something "
            "was scaled out, a load began, or requests became dearer. At this pace a month's budget lasts "
            '{{ with $value }}{{ printf "%.3g" . }}{{ end }} times shorter than a month.'
        ),
        board=Board.COST,
        hold="10m",
        shows="6h",
        cases=(
            # Idle before; a week is not known, or was as cheap.
            _spent_case(example, fleet, hours=((8, "0.5"), (8, "3.2")), fires=("14h30m",), quiet=("7h", "12h")),
            _spent_case(example, fleet, hours=((8, "0.5"), (8, "2.8")), quiet=("15h30m",)),
            # It was over an hour ago.
            _spent_case(example, fleet, hours=((2, "0.5"), (6, "9"), (3, "0.5")), fires=("7h30m",), quiet=("10h",)),
            # Each week the same: a batch that is paid for on purpose.
            _spent_case(
                example,
                fleet,
                hours=((8, "0.5"), (12, "4"), (148, "0.5"), (8, "0.5"), (12, "4")),
                quiet=("7d7h", "7d15h", "7d19h"),
            ),
            # Twice as dear as last week.
            _spent_case(
                example,
                fleet,
                hours=((8, "0.5"), (12, "4"), (148, "0.5"), (8, "0.5"), (12, "8")),
                fires=("7d19h",),
            ),
        ),
    )


def _lasting(example: CostBudget, fleet: Fleet, scale: TimeScale) -> Alert:
    week, day = (promql.select(recorded_costs.spending(window)) for window in (_WEEK, _DAY))
    # Of a budget of today nobody knows how a week will be.
    known = promql.offset(promql.select(recorded_costs.spending(_HOUR)), scale.over(_DAY))
    return Alert(
        name="CostBudgetOverrun",
        expr=promql.both(week > 1, day > 1, known),
        severity=Severity.TICKET,
        summary=f"The {_ABOUT} will not be kept: spending runs at {{{{ $value | humanizePercentage }}}} of it.",
        description=(
            "Mean of the last 7d, and the last day is above the budget, too. If it goes on like that, every period "
            "ends above its budget: spend less, or allow more."
        ),
        board=Board.COST,
        hold="1h",
        shows="7d",
        cases=(
            _spent_case(example, fleet, hours=((60, "1.1"),), fires=("2d2h",), quiet=("23h",)),
            _spent_case(example, fleet, hours=((60, "0.9"),), quiet=("2d2h",)),
            # Weekdays are dear and weekends cheap: the week counts.
            _spent_case(example, fleet, hours=((120, "1.2"), (48, "0.2"), (30, "1.2")), quiet=("8d",)),
            # It is better since yesterday.
            _spent_case(example, fleet, hours=((72, "2"), (48, "0.8")), fires=("3d",), quiet=("4d12h",)),
        ),
    )


def _spent_case(
    example: CostBudget,
    fleet: Fleet,
    *,
    hours: tuple[tuple[int, str], ...],
    fires: tuple[str, ...] = (),
    quiet: tuple[str, ...] = (),
) -> Case:
    """So many hours each, at a multiple of what the budget allows; a sample every quarter of an hour."""
    per_quarter = usd_per_hour(example) / 4
    phases, value = [], Decimal(0)
    for count, times in hours:
        rise = per_quarter * Decimal(times)
        phases.append(f"{value:.9f}+{rise:.9f}x{4 * count - 1}")
        value += rise * 4 * count
    # Of one device, whose whole time one tenant's requests to one service use: so every budget is spent by them.
    service = example.service or next(iter(services_by_team(fleet).get(example.team or "", ("embedder",))))
    of = (promql.equal(SERVICE, service), promql.equal(TENANT, example.tenant or "acme"))
    bill = promql.select(devices.BILL, promql.equal(DEVICE, "GPU-0b5b1c4e")).text
    cost = promql.select(COST, *of).text
    return Case(
        series={bill: " ".join(phases), cost: " ".join(phases)},
        only=(promql.equal(BUDGET, example.name),),
        without=tuple(
            label for label, of_budget in ((SERVICE, example.service), (TENANT, example.tenant)) if of_budget is None
        ),
        fires=fires,
        quiet=quiet,
        step="15m",
        evaluation="15m",
    )
