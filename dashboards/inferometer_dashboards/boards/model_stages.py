"""The row of the board *Model latency* that says which stage: shares of the mean and of the tail."""

from typing import Final

from inferometer import promql
from inferometer.catalog.labels import MODEL, SERVICE, STAGE
from inferometer.catalog.requests import (
    STAGE_DURATION,
)
from inferometer.promql import Expr, Part
from inferometer_alerts import recorded_models
from inferometer_alerts.rule_labels import OF_MODEL
from inferometer_dashboards.boards.histograms import quantile
from inferometer_dashboards.boards.model_lines import CHOSEN
from inferometer_dashboards.panels import (
    RATE_INTERVAL,
    Kind,
    Link,
    Panel,
    Query,
    Row,
    Show,
    named,
)
from inferometer_dashboards.sql import latency as sql

_EXACT: Final = Link(title="Exact shares of the slowest hundredth", live="model", labels=OF_MODEL)


def stages() -> Row:
    """Which stage takes the time, of all requests and of the slowest."""
    return Row(title="Stages", panels=(_shares(), _tail_shares(), _means(), _tails()))


def _spent() -> Expr:
    # Of an engine that does not tell a stage's sum it is NaN, which the comparison drops.
    return promql.rate(promql.select(STAGE_DURATION, *CHOSEN, part=Part.SUM), RATE_INTERVAL) >= 0


def _shares() -> Panel:
    return Panel(
        key="stage-shares",
        title="Shares of the mean",
        description=(
            "What all requests together spent their time on; the stages are exclusive and sum to 100 %. Execute "
            "large: the model itself. Queue large: too few workers or batches that wait. Serialize or deserialize "
            "large: the format of the data. Network or remote large: look at the callee."
        ),
        unit=Show.RATIO,
        kind=Kind.STACK,
        sql=sql.STAGE_SHARES,
        promql=(
            Query(
                expr=promql.divide(promql.sum_by(_spent(), STAGE), promql.sum_by(_spent()) > 0, on=()),
                legend=named(STAGE),
            ),
        ),
        maximum=1.0,
    )


def _of_stages(value: str) -> Expr:
    return quantile(float(value), STAGE_DURATION, *CHOSEN, by=(*OF_MODEL, STAGE))


def _tail_shares() -> Panel:
    excess = _of_stages("0.99") - _of_stages("0.5")
    return Panel(
        key="stage-shares-of-tail",
        title="Shares of the tail",
        description=(
            "By how much each stage is longer in its own slowest hundredth than usually, as a share of all stages'. A "
            "stage that is larger here than in the mean makes the tail: queue, and requests wait for others; execute, "
            "and these are larger or their device was slowed down; remote, and the callee's own board says more. An "
            "estimate, because the slowest of each stage need not be the same requests: the link leads to the exact "
            "shares of the slowest hundredth, where the recorder has them, and a dot above to one of them."
        ),
        unit=Show.RATIO,
        kind=Kind.STACK,
        promql=(
            Query(
                expr=promql.divide(excess, promql.sum_by(excess, *OF_MODEL) > 0, on=OF_MODEL),
                legend=named(SERVICE, MODEL, STAGE),
            ),
        ),
        maximum=1.0,
        links=(_EXACT,),
    )


def _tails() -> Panel:
    return Panel(
        key="stage-tails",
        title="p99 of each stage",
        description=(
            "The slowest hundredth of each stage by itself. The line that rose with the p99 of the duration is where "
            "to look; one that is flat is no cause. They do not sum to the p99 of the duration."
        ),
        unit=Show.SECONDS,
        kind=Kind.LINES,
        promql=(Query(expr=_of_stages("0.99"), legend=named(SERVICE, MODEL, STAGE)),),
        links=(_EXACT,),
    )


def _means() -> Panel:
    return Panel(
        key="stage-means",
        title="Mean time per stage",
        description=(
            "Recorded per model; the areas of a model sum to its mean duration. The area that grew when latency "
            "grew is the cause to look for; one that is as before is none."
        ),
        unit=Show.SECONDS,
        kind=Kind.STACK,
        sql=sql.STAGE_MEANS,
        promql=(
            Query(
                expr=promql.select(recorded_models.MODEL_STAGE_MEAN, *CHOSEN),
                legend=named(SERVICE, MODEL, STAGE),
            ),
        ),
    )
