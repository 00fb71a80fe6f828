"""Alerts on streamed answers: the first token takes longer than it used to."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from inferometer import promql
from inferometer.catalog.labels import MODEL, SERVICE, VERSION
from inferometer.catalog.requests import TIME_TO_FIRST_TOKEN
from inferometer.fleet import durations
from inferometer.promql import Part
from inferometer_alerts.rule import Alert, Board, Case, Severity
from inferometer_alerts.rule_labels import OF_MODEL
from inferometer_alerts.samples import Phase, counter
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
    mean = promql.sum_by(promql.increase(spent, now), *OF_MODEL) / count
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
            _case((_usual("0.25"), _now("0.55")), fires=("4h25m",), quiet=("3h55m", "4h15m")),
            _case((_usual("0.25"), _now("0.45")), quiet=("4h30m",)),
            _case((_usual("0.05"), _now("0.18")), quiet=("4h30m",)),
            _case((_usual("0.05"), _now("0.22")), fires=("4h30m",)),
            # 18 now, and 24; as many in the day before.
            _case((_usual("0.25"), _now("0.55", "1.8")), quiet=("4h30m",)),
            _case((_usual("0.25"), _now("0.55", "2.4")), fires=("4h30m",)),
            _case((_usual("0.25", "0.086"), _now("0.55")), quiet=("4h30m",)),
            _case((_usual("0.25", "0.115"), _now("0.55")), fires=("4h30m",)),
            # Nobody measured how long they used to take.
            _case((_usual("0"), _now("0.55")), quiet=("4h30m",)),
            # The day before had two halves.
            _case(
                (_Phase("10h", "0.02"), _Phase("12h", "0.4"), _now("0.55")),
                fires=("22h45m",),
                step="5m",
            ),
            _case(
                (_Phase("10h", "0.6"), _Phase("12h", "0.1"), _now("0.55")),
                quiet=("22h45m",),
                step="5m",
            ),
            # What was a day earlier is forgotten.
            _case(
                (_Phase("20h", "2"), _Phase("25h", "0.25"), _now("0.55")),
                fires=("45h45m",),
                step="5m",
            ),
            _case(
                (_Phase("20h", "0.25"), _Phase("25h", "0.25"), _now("0.45")),
                quiet=("45h45m",),
                step="5m",
            ),
        ),
    )


@dataclass(frozen=True, slots=True)
class _Phase:
    """A time with so many first tokens in a minute, each after so many seconds."""

    lasts: str
    seconds: str
    per_minute: str = "10"


def _usual(seconds: str, per_minute: str = "10") -> _Phase:
    return _Phase("4h", seconds, per_minute)


def _now(seconds: str, per_minute: str = "10") -> _Phase:
    return _Phase("1h", seconds, per_minute)


def _case(
    phases: Sequence[_Phase], *, fires: tuple[str, ...] = (), quiet: tuple[str, ...] = (), step: str = "1m"
) -> Case:
    """Two versions take half of the requests each."""
    every = durations.parse(step)
    minutes = Decimal(every) / durations.parse("1m")
    steps = [durations.parse(phase.lasts) // every for phase in phases]
    begun = [Decimal(phase.per_minute) * minutes / 2 for phase in phases]
    spent = [count * Decimal(phase.seconds) for count, phase in zip(begun, phases, strict=True)]
    return Case(
        series={
            promql.select(TIME_TO_FIRST_TOKEN, *_OF, promql.equal(VERSION, version), part=part).text: counter(
                [Phase(number, rise) for number, rise in zip(steps, rises, strict=True)]
            )
            for part, rises in ((Part.COUNT, begun), (Part.SUM, spent))
            for version in ("v1", "v2")
        },
        fires=fires,
        quiet=quiet,
        step=step,
        evaluation="5m",
    )
