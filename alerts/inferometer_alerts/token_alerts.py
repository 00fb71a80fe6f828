"""Alerts on streamed answers: the first token takes longer than it used to."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Final

from inferometer import promql
from inferometer.catalog.labels import MODEL, SERVICE
from inferometer.catalog.requests import TIME_TO_FIRST_TOKEN
from inferometer.promql import Part
from inferometer_alerts.recorded import OF_MODEL
from inferometer_alerts.rule import Alert, Board, Case, Severity
from inferometer_alerts.time_scale import TimeScale

_FACTOR: Final = 2
_FEWEST: Final = 20
_FELT_SECONDS: Final = Decimal("0.2")
"""Below that nobody notices twice the time."""
_OF: Final = (promql.equal(SERVICE, "chat"), promql.equal(MODEL, "llama"))


def alerts(scale: TimeScale) -> Iterator[Alert]:
    """The first token."""
    now, day, ago = scale.over("10m"), scale.over("1d"), scale.over("1h")
    spent = promql.select(TIME_TO_FIRST_TOKEN, part=Part.SUM)
    begun = promql.select(TIME_TO_FIRST_TOKEN, part=Part.COUNT)
    count = promql.sum_by(promql.increase(begun, now), *OF_MODEL)
    mean = promql.sum_by(promql.increase(spent, now), *OF_MODEL) / (count > 0)
    earlier = promql.sum_by(promql.offset(promql.increase(begun, day), ago), *OF_MODEL)
    usual = promql.sum_by(promql.offset(promql.increase(spent, day), ago), *OF_MODEL) / (earlier >= _FEWEST)
    yield Alert(
        name="InferenceFirstTokenSlow",
        expr=promql.both(mean / (usual > 0) > _FACTOR, mean > _FELT_SECONDS, count >= _FEWEST),
        severity=Severity.TICKET,
        summary=(
            "First tokens of {{ $labels.service }} {{ $labels.model }} take {{ $value | humanize }} times as long as "
            "in the day before."
        ),
        description=(
            "Mean of the last 10m. Requests wait longer before their prompt is computed, prompts are longer, or the "
            "prefix cache does not hit any more. An objective, where there is one, says whether that matters today."
        ),
        board=Board.LLM,
        variables=(SERVICE, MODEL),
        hold="10m",
        cases=(
            _case(usual="0.25", now="0.55", fires=("4h25m",), quiet=("3h55m", "4h15m")),
            _case(usual="0.25", now="0.45", quiet=("4h30m",)),
            _case(usual="0.05", now="0.18", quiet=("4h30m",)),
            _case(usual="0.05", now="0.22", fires=("4h30m",)),
            _case(usual="0.25", now="0.55", per_minute="1.8", quiet=("4h30m",)),
            _case(usual="0.25", now="0.55", per_minute="2.4", fires=("4h30m",)),
        ),
    )


def _case(
    *, usual: str, now: str, per_minute: str = "10", fires: tuple[str, ...] = (), quiet: tuple[str, ...] = ()
) -> Case:
    """Four hours as usual, one as now; a sample each minute."""
    rate = Decimal(per_minute)
    before, after = rate * Decimal(usual), rate * Decimal(now)
    spent = promql.select(TIME_TO_FIRST_TOKEN, *_OF, part=Part.SUM).text
    begun = promql.select(TIME_TO_FIRST_TOKEN, *_OF, part=Part.COUNT).text
    return Case(
        series={
            begun: f"0+{rate}x300",
            spent: f"0+{before}x240 {240 * before + after}+{after}x60",
        },
        fires=fires,
        quiet=quiet,
        step="1m",
        evaluation="5m",
    )
