"""The board *Versions*: is the new version as good as the one that it replaces?"""

from typing import Final

from inferometer import promql
from inferometer.catalog.labels import MODEL, OUTCOME, SERVICE, STAGE, VERSION
from inferometer.catalog.requests import COST, REQUEST_DURATION, REQUESTS, STAGE_DURATION
from inferometer.catalog.stages import FAILED
from inferometer.promql import Expr, Part
from inferometer_alerts import recorded_models
from inferometer_alerts.rule import Board as Uid
from inferometer_alerts.rule_labels import OF_MODEL, QUANTILE
from inferometer_alerts.rule_series import Recorded
from inferometer_dashboards.panels import (
    RANGE,
    Board,
    Kind,
    Panel,
    Query,
    Row,
    Show,
    Variable,
    chosen,
    named,
)

_CHOSEN: Final = chosen(SERVICE, MODEL, VERSION)
_OF_VERSION: Final = (*OF_MODEL, VERSION)
_THOUSAND: Final = 1000


def versions() -> Board:
    """Versions of a model side by side: traffic, failures, percentiles, stages and cost; marks say when each came."""
    return Board(
        uid=Uid.VERSIONS,
        title="Canary and versions",
        description=(
            "Is the new version as good as the one that it replaces? Choose one model. Blue marks: a version was "
            "asked for the first time in an hour. Compare at the same minutes, and only where both had traffic."
        ),
        variables=(
            Variable(label=SERVICE, family=REQUESTS),
            Variable(label=MODEL, family=REQUESTS, within=(SERVICE,)),
            Variable(label=VERSION, family=REQUESTS, within=OF_MODEL, optional=True),
        ),
        rows=(
            Row(title="Side by side", panels=(_table(), _intervals())),
            Row(
                title="Latency",
                panels=(
                    _percentile("0.5", "Median", "Half of the requests"),
                    _percentile("0.95", "p95", "One request in twenty"),
                    _percentile("0.99", "p99", "One request in a hundred"),
                ),
            ),
            Row(title="Traffic and failures", panels=(_requests(), _failed(), _first_chunk())),
            Row(title="Where the difference is", panels=(_stages(), _costs())),
        ),
    )


def _rate() -> Expr:
    return promql.sum_by(promql.select(recorded_models.MODEL_REQUESTS, *_CHOSEN), *_OF_VERSION)


def _error_ratio() -> Expr:
    failures = promql.one_of(OUTCOME, [outcome.label for outcome in FAILED])
    failed = promql.sum_by(promql.select(recorded_models.MODEL_REQUESTS, *_CHOSEN, failures), *_OF_VERSION)
    return failed / (_rate() > 0)


def _quantile(series: Recorded, value: str) -> Expr:
    return promql.sum_by(promql.select(series, *_CHOSEN, promql.equal(QUANTILE, value)), *_OF_VERSION)


def _per_1k() -> Expr:
    cost, requests = (
        promql.sum_by(promql.increase(promql.select(family, *_CHOSEN), RANGE), *_OF_VERSION)
        for family in (COST, REQUESTS)
    )
    return cost / (requests > 0) * _THOUSAND


def _table() -> Panel:
    def column(expr: Expr, legend: str, show: Show) -> Query:
        return Query(expr=expr, legend=legend, instant=True, show=show)

    return Panel(
        key="versions",
        title="Versions, now",
        description=(
            "A line for each version; cost is that of the time that is shown. A canary that fails more or is slower, "
            "with more than a few requests: stop the rollout. With few requests per second p99 is the luck of one "
            "request: wait, or ask `inferometer compare`, which says how sure it is."
        ),
        unit=Show.SECONDS,
        kind=Kind.TABLE,
        promql=(
            column(_rate(), "Requests/s", Show.PER_SECOND),
            column(_error_ratio(), "Failed", Show.RATIO),
            *(
                column(_quantile(recorded_models.MODEL_DURATION, value), f"p{float(value) * 100:g}", Show.SECONDS)
                for value in QUANTILE.values
            ),
            column(_per_1k(), "Cost per 1k", Show.USD),
        ),
        width=24,
        sort="Requests/s",
    )


def _intervals() -> Panel:
    return Panel(
        key="intervals",
        title="How sure is it?",
        description=(
            "The command that gives the difference of two versions with intervals that hold for all lines together. "
            "Use it before a rollout goes on: two lines on a panel may differ by chance."
        ),
        unit=Show.COUNT,
        kind=Kind.TEXT,
        text=(
            "Two lines that differ may do so by chance. This says by how much they differ, with intervals, for "
            "percentiles, stages, failures and cost together:\n\n"
            "```\ninferometer compare --versions OLD,NEW \\\n  --model ${model} --within 6h..now\n```\n\n"
            "It exits with 1 where something is worse, so that a pipeline can stop there. "
            "`inferometer slo gate` says whether the budget allows a release at all."
        ),
        width=24,
        height=6,
    )


def _percentile(value: str, name: str, who: str) -> Panel:
    return Panel(
        key=f"duration-{name.lower()}",
        title=f"{name} by version",
        description=(
            f"{who} take{'s' if who.startswith('One') else ''} longer, per version. The new version above the old one "
            "in the same minutes: find the stage that grew below, and roll back if users feel it. Both moved at the "
            "mark: the release changed what both share."
        ),
        unit=Show.SECONDS,
        kind=Kind.LINES,
        promql=(Query(expr=_quantile(recorded_models.MODEL_DURATION, value), legend=named(SERVICE, MODEL, VERSION)),),
        width=8,
    )


def _requests() -> Panel:
    return Panel(
        key="traffic",
        title="Requests per second by version",
        description=(
            "How traffic moves from one version to the other. A canary without traffic: nothing on this board says "
            "anything about it. An old version that keeps some: a client or a replica was left behind."
        ),
        unit=Show.PER_SECOND,
        kind=Kind.STACK,
        promql=(Query(expr=_rate(), legend=named(SERVICE, MODEL, VERSION)),),
        width=8,
    )


def _failed() -> Panel:
    return Panel(
        key="failed",
        title="Failed requests by version",
        description=(
            "Share of errors of the server, timeouts and refusals. The new version above the old one: roll back "
            "first, then read its failed traces. Both rise together: it is not the release."
        ),
        unit=Show.RATIO,
        kind=Kind.LINES,
        promql=(Query(expr=_error_ratio(), legend=named(SERVICE, MODEL, VERSION)),),
        width=8,
    )


def _first_chunk() -> Panel:
    return Panel(
        key="first-chunk",
        title="p99 of the time to the first chunk",
        description=(
            "Streams only: what a person waits for. The new version above the old one: its queue or its first step "
            "is slower, even where the whole takes no longer; compare stages below."
        ),
        unit=Show.SECONDS,
        kind=Kind.LINES,
        promql=(
            Query(expr=_quantile(recorded_models.MODEL_FIRST_CHUNK, "0.99"), legend=named(SERVICE, MODEL, VERSION)),
        ),
        width=8,
        empty="no answer of these models is a stream",
    )


def _stages() -> Panel:
    # Of an engine that does not tell a stage's sum it is NaN, which the comparison drops.
    spent = promql.increase(promql.select(STAGE_DURATION, *_CHOSEN, part=Part.SUM), RANGE) >= 0
    ended = promql.increase(promql.select(REQUEST_DURATION, *_CHOSEN, part=Part.COUNT), RANGE)
    mean = promql.divide(
        promql.sum_by(spent, *_OF_VERSION, STAGE), promql.sum_by(ended, *_OF_VERSION) > 0, on=_OF_VERSION
    )
    return Panel(
        key="stages",
        title="Mean time per stage, by version",
        description=(
            "Of the time that is shown; the stages of a version sum to its mean duration. The stage whose bar is "
            "longer for the new version is what it made slower; equal bars: the difference above is one of few slow "
            "requests, look at p99 and at a dot on the latency board."
        ),
        unit=Show.SECONDS,
        kind=Kind.BARS,
        promql=(Query(expr=mean > 0, legend=named(SERVICE, MODEL, VERSION, STAGE), instant=True),),
        height=12,
    )


def _costs() -> Panel:
    return Panel(
        key="costs",
        title="Cost of 1,000 requests by version",
        description=(
            "Marginal, of the time that is shown. The new version dearer: it uses more device time per request, or "
            "its batches are smaller because it has less traffic; a canary's batches always are."
        ),
        unit=Show.USD,
        kind=Kind.BARS,
        promql=(Query(expr=_per_1k(), legend=named(SERVICE, MODEL, VERSION), instant=True),),
        height=12,
        empty="no device of these models has a price",
    )
