"""An alert on what requests cost: more than before, since a deploy."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Final

from inferometer import promql
from inferometer.catalog.labels import MODEL, REGION, SERVICE, VERSION
from inferometer.catalog.requests import COLD_STARTS, COST, REQUESTS
from inferometer_alerts import recorded
from inferometer_alerts.recorded import OF_MODEL
from inferometer_alerts.rule import Alert, Board, Case, Group, Severity
from inferometer_alerts.time_scale import TimeScale

JUMP: Final = Decimal("1.5")
_FEWEST: Final = 100
_OF: Final = (promql.equal(SERVICE, "embedder"), promql.equal(MODEL, "minilm"))


def group(scale: TimeScale) -> Group:
    """The alerts, behind the rules that record what requests cost."""
    return Group(name="cost-jumps", interval="1m", rules=tuple(_alerts(scale)))


def _alerts(scale: TimeScale) -> Iterator[Alert]:
    hour, day = scale.over("1h"), scale.over("1d")
    of = (*OF_MODEL, VERSION)
    requests = promql.sum_by(promql.increase(promql.select(REQUESTS), hour), *of)
    cost = promql.sum_by(promql.increase(promql.select(COST), hour), *of)
    # A day ago, so that the deploy is not in it while the alert is about it.
    before = promql.offset(promql.average_over_time(promql.select(recorded.MODEL_PER_1K), day), day)
    dearer = promql.divide(1000 * cost / (requests >= _FEWEST), before > 0, on=OF_MODEL) > JUMP
    old = promql.group_by(promql.offset(promql.select(REQUESTS), day), *of)
    restarted = promql.sum_by(promql.increase(promql.select(COLD_STARTS), day), SERVICE) > 0
    yield Alert(
        name="CostPer1kJump",
        # A new version, or where nobody says versions, new processes.
        expr=promql.either(promql.unless(dearer, old, on=of), promql.where(dearer, restarted, on=(SERVICE,))),
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
        cases=(
            _case(factor="1.65", new="v2", fires=("26h",), quiet=("23h", "24h")),
            _case(factor="1.35", new="v2", quiet=("26h",)),
            _case(factor="1.65", new="v2", requests="20", quiet=("26h",)),
            _case(factor="1.65", new="v2", requests="28", fires=("26h",)),
            # The same version: inputs grew, or a process was started from another image of the same name.
            _case(factor="1.65", new="v1", quiet=("26h",)),
            _case(factor="1.65", new="v1", restarts=True, fires=("26h",), quiet=("23h",)),
            # It was for nothing: there is no factor.
            _case(before="0", factor="1.65", new="v2", quiet=("26h",)),
            # After a day it is what the model costs.
            _case(factor="1.65", new="v2", hours=36, fires=("30h", "46h"), quiet=("50h",)),
        ),
    )


def _case(
    *,
    factor: str,
    new: str,
    before: str = "1",
    requests: str = "40",
    restarts: bool = False,
    hours: int = 4,
    fires: tuple[str, ...] = (),
    quiet: tuple[str, ...] = (),
) -> Case:
    """A day of v1, then a deploy; so many *requests* in each quarter of an hour, *before* dollars per 1,000 of them.

    Half of them come from each of two regions.
    """
    day, after = 96, 4 * hours
    rise = Decimal(requests) / 2
    cost, dearer = rise / 1000 * Decimal(before), rise / 1000 * Decimal(factor)
    last = cost * day
    samples = {}
    for region in ("eu", "us"):
        (count, usd), (new_count, new_usd) = (_series(version, region) for version in ("v1", new))
        if new_count == count:
            samples[count] = f"0+{rise}x{day + after}"
            samples[usd] = f"0+{cost}x{day} {last + dearer}+{dearer}x{after - 1}"
        else:
            samples |= {count: f"0+{rise}x{day}", usd: f"0+{cost}x{day}"}
            samples |= {new_count: f"_x{day} 0+{rise}x{after}", new_usd: f"_x{day} 0+{dearer}x{after}"}
    starts = promql.select(COLD_STARTS, promql.equal(SERVICE, "embedder")).text
    samples[starts] = f"2x{day} {2 if not restarts else 4}x{after}"
    return Case(series=samples, fires=fires, quiet=quiet, step="15m", evaluation="15m")


def _series(version: str, region: str) -> tuple[str, str]:
    of = (*_OF, promql.equal(VERSION, version), promql.equal(REGION, region))
    return promql.select(REQUESTS, *of).text, promql.select(COST, *of).text
