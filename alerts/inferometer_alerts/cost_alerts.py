"""An alert on what requests cost: more than before, since a deploy."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Final

from inferometer import promql
from inferometer.catalog.labels import MODEL, SERVICE, VERSION
from inferometer.catalog.requests import COLD_STARTS, COST, REQUESTS
from inferometer_alerts import cost_jump_proofs, recorded_costs
from inferometer_alerts.rule import Alert, Board, Group, Severity
from inferometer_alerts.rule_labels import OF_MODEL
from inferometer_alerts.time_scale import TimeScale

JUMP: Final = Decimal("1.5")
_FEWEST: Final = 100


def group(scale: TimeScale) -> Group:
    """The alerts, behind the rules that record what requests cost."""
    return Group(name="cost-jumps", interval="1m", rules=tuple(_alerts(scale)))


def _alerts(scale: TimeScale) -> Iterator[Alert]:
    hour, day = scale.over("1h"), scale.over("1d")
    of = (*OF_MODEL, VERSION)
    requests = promql.sum_by(promql.increase(promql.select(REQUESTS), hour), *of)
    cost = promql.sum_by(promql.increase(promql.select(COST), hour), *of)
    # A day ago, so that the deploy is not in it while the alert is about it.
    before = promql.offset(promql.average_over_time(promql.select(recorded_costs.MODEL_PER_1K), day), day)
    dearer = promql.divide(1000 * cost / (requests >= _FEWEST), before > 0, on=OF_MODEL) > JUMP
    old = promql.group_by(promql.offset(promql.select(REQUESTS), day), *of)
    restarted = promql.sum_by(promql.increase(promql.select(COLD_STARTS), day), SERVICE) > 0
    yield Alert(
        name="CostPer1kJump",
        # Of a new version, or where nobody says versions, of new processes.
        expr=promql.unless(dearer, promql.unless(old, restarted, on=(SERVICE,)), on=of),
        severity=Severity.TICKET,
        summary=(
            "1,000 requests to {{ $labels.service }} {{ $labels.model }} {{ $labels.version }} cost "
            "{{ $value | humanize }} times as much as before the deploy."
        ),
        description=(
            "Marginal cost of the last hour by that of the day that ended a day ago; processes or a version are new. "
            "Each request takes more of the device: the model is bigger, batches are smaller, a cache or a kernel is "
            "not used any more, or inputs are longer."
        ),
        board=Board.COST,
        variables=(SERVICE, MODEL),
        hold="15m",
        shows="1d",
        cases=tuple(cost_jump_proofs.cases()),
    )
