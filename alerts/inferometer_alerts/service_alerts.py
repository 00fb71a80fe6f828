"""Alerts on how a service works, whatever it promises: failures of one kind, queues, batches, restarts."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Final

from inferometer import promql
from inferometer.catalog.labels import MODEL, OUTCOME, REGION, SERVICE, STAGE, VERSION
from inferometer.catalog.requests import BATCHES, COLD_STARTS, QUEUE_DEPTH, REQUESTS
from inferometer.catalog.stages import FAILED, Outcome, Stage
from inferometer.promql import Matcher, Selector
from inferometer_alerts import recorded_models
from inferometer_alerts.rule import Alert, Board, Case, Severity
from inferometer_alerts.rule_labels import OF_MODEL
from inferometer_alerts.time_scale import TimeScale

_SPIKE_RATIO: Final = Decimal("0.05")
_SPIKE_FEWEST: Final = 10
QUEUE_SHARE: Final = Decimal("0.5")
_QUEUE_SECONDS: Final = Decimal("0.05")
"""A queue that nobody feels is no trouble, whatever its share."""
RESTARTS: Final = 3
_FAILED: Final = tuple(sorted(outcome.label for outcome in Outcome if outcome in FAILED))
_OF: Final = (promql.equal(SERVICE, "embedder"), promql.equal(MODEL, "minilm"))
_SISTER: Final = promql.select(
    REQUESTS, promql.equal(SERVICE, "embedder"), promql.equal(MODEL, "e5"), promql.equal(OUTCOME, "ok")
)
_NAMESAKE: Final = promql.select(
    REQUESTS, promql.equal(SERVICE, "search"), promql.equal(MODEL, "minilm"), promql.equal(OUTCOME, "ok")
)


def alerts(scale: TimeScale) -> Iterator[Alert]:
    """Failures of one kind, requests that mostly wait, batches that nobody closes, workers that start again."""
    yield _errors(scale)
    yield _queue()
    yield _batch(scale)
    yield _restarts(scale)


def _outcome(value: str, *more: Matcher) -> Selector:
    return promql.select(REQUESTS, *_OF, promql.equal(OUTCOME, value), *more)


def _of_two(outcome: str, values: str) -> dict[str, str]:
    return {_outcome(outcome, promql.equal(VERSION, version)).text: values for version in ("v1", "v2")}


def _errors(scale: TimeScale) -> Alert:
    window = scale.over("10m")
    failed = promql.increase(promql.select(REQUESTS, promql.one_of(OUTCOME, _FAILED)), window)
    every = promql.sum_by(promql.increase(promql.select(REQUESTS), window), *OF_MODEL)
    by_outcome = promql.sum_by(failed, *OF_MODEL, OUTCOME)
    return Alert(
        name="InferenceErrorSpike",
        expr=promql.both(
            promql.divide(by_outcome, every, on=OF_MODEL) > _SPIKE_RATIO,
            by_outcome >= _SPIKE_FEWEST,
        ),
        severity=Severity.TICKET,
        summary=(
            "{{ $value | humanizePercentage }} of requests to {{ $labels.service }} {{ $labels.model }} end as "
            "{{ $labels.outcome }}."
        ),
        description=(
            "In the last 10m one kind of failure is that frequent. An objective, where there is one, says whether "
            "that matters today; the kind says where to look."
        ),
        board=Board.VERSIONS,
        variables=(SERVICE, MODEL),
        hold="5m",
        cases=(
            Case(
                series={_outcome("ok").text: "0+94x120", _outcome("timeout").text: "0+6x60 360x60"},
                fires=("7m", "14m"),
                quiet=("4m", "20m"),
            ),
            Case(series={_outcome("ok").text: "0+9.6x120", _outcome("timeout").text: "0+0.45x120"}, quiet=("20m",)),
            # Ten minutes have 40 steps: 9 failures, and 11.
            Case(series={_outcome("ok").text: "0+0.2x120", _outcome("rejected").text: "0+0.22x120"}, quiet=("20m",)),
            Case(
                series={_outcome("ok").text: "0+0.2x120", _outcome("server_error").text: "0+0.28x120"}, fires=("20m",)
            ),
            # Two kinds, each below the limit: the objective adds them up, this says which kind it is.
            Case(
                series={
                    _outcome("ok").text: "0+9.2x120",
                    _outcome("timeout").text: "0+0.4x120",
                    _outcome("rejected").text: "0+0.4x120",
                },
                quiet=("20m",),
            ),
            Case(series={_outcome("ok").text: "0+9x120", _outcome("client_error").text: "0+9x120"}, quiet=("20m",)),
            # Half of it to each of two versions: 6 failures of 100; 11 in all; 5 of 120.
            Case(
                series={_outcome("ok").text: "0+94x120", **_of_two("timeout", "0+3x120")},
                fires=("20m",),
            ),
            Case(series={_outcome("ok").text: "0+0.2x120", **_of_two("timeout", "0+0.14x120")}, fires=("20m",)),
            Case(series={**_of_two("ok", "0+6x120"), _outcome("timeout").text: "0+0.5x120"}, quiet=("20m",)),
            # Beside it works another model of the service, and a model of that name in another service.
            Case(
                series={
                    _outcome("ok").text: "0+94x120",
                    _outcome("timeout").text: "0+6x120",
                    _SISTER.text: "0+1x120",
                    _NAMESAKE.text: "0+1x120",
                },
                only=_OF,
                fires=("20m",),
            ),
        ),
    )


def _queue() -> Alert:
    waited = promql.select(recorded_models.MODEL_STAGE_MEAN, promql.equal(STAGE, Stage.QUEUE.label))
    mean = promql.sum_by(promql.select(recorded_models.MODEL_STAGE_MEAN), *OF_MODEL)
    return Alert(
        name="InferenceQueueSaturated",
        expr=promql.both(promql.divide(waited, mean, on=OF_MODEL) > QUEUE_SHARE, waited > _QUEUE_SECONDS),
        severity=Severity.TICKET,
        summary=(
            "Requests to {{ $labels.service }} {{ $labels.model }} wait {{ $value | humanizePercentage }} of the time."
        ),
        description=(
            "That time goes by before anybody works on them: more comes than the replicas can do, or one of their "
            "queues (event loop, threads, connections, batches) is too narrow. The trace says which."
        ),
        board=Board.QUEUES,
        variables=(SERVICE, MODEL),
        hold="10m",
        cases=(
            Case(series=_stages(wait="0.22", work="0.18"), fires=("12m",), quiet=("8m",)),
            Case(series=_stages(wait="0.18", work="0.22"), quiet=("15m",)),
            Case(series=_stages(wait="0.055", work="0.001"), fires=("12m",)),
            Case(series=_stages(wait="0.045", work="0.001"), quiet=("15m",)),
            Case(series=_stages(wait="0.045", work="0.03"), quiet=("15m",)),
            # Another model of the service, and a model of that name in another service, hardly wait.
            Case(
                series={
                    **_stages(wait="0.22", work="0.18"),
                    **_stages(of=("embedder", "e5"), wait="0.01", work="0.18"),
                    **_stages(of=("search", "minilm"), wait="0.01", work="0.18"),
                },
                only=_OF,
                fires=("12m",),
            ),
        ),
    )


def _stages(*, of: tuple[str, str] = ("embedder", "minilm"), wait: str, work: str) -> dict[str, str]:
    """Mean seconds of two stages of a service's model, as the rules of models record them."""
    service, model = of

    def series(stage: Stage) -> str:
        matchers = (promql.equal(SERVICE, service), promql.equal(MODEL, model), promql.equal(STAGE, stage.label))
        return promql.select(recorded_models.MODEL_STAGE_MEAN, *matchers).text

    return {series(Stage.QUEUE): f"{wait}x120", series(Stage.EXECUTE): f"{work}x120"}


def _batch(scale: TimeScale) -> Alert:
    waiting = promql.max_by(promql.select(QUEUE_DEPTH), *OF_MODEL)
    closed = promql.sum_by(promql.increase(promql.select(BATCHES), scale.over("5m")), *OF_MODEL)
    depth = promql.select(QUEUE_DEPTH, *_OF).text
    batches = promql.select(BATCHES, *_OF).text
    return Alert(
        name="InferenceBatchStuck",
        # An engine of somebody else tells of its queue and of no batch: there is no count to stand still.
        expr=promql.both(waiting > 0, closed.equals(0)),
        severity=Severity.PAGE,
        summary="{{ $labels.service }} {{ $labels.model }} closes no batch, and {{ $value | humanize }} requests wait.",
        description=(
            "Requests stand in the batch queue and no batch was closed in the last 5m: the loop that makes batches, or "
            "the model behind it, hangs. Every request that waits there runs into its timeout."
        ),
        board=Board.QUEUES,
        variables=(SERVICE, MODEL),
        hold="5m",
        cases=(
            Case(series={depth: "3x120", batches: "0+1x40 40x80"}, fires=("22m",), quiet=("9m", "19m")),
            Case(series={depth: "3x120"}, quiet=("22m",)),
            Case(series={depth: "3x80 0x40", batches: "40x120"}, fires=("12m",), quiet=("21m",)),
            Case(series={depth: "3x120", batches: "0+1x120"}, quiet=("22m",)),
            Case(series={depth: "0x120", batches: "40x120"}, quiet=("22m",)),
            Case(series={depth: "1x120", batches: "40x120"}, fires=("22m",)),
        ),
    )


def _starts_in(region: str) -> str:
    return promql.select(COLD_STARTS, promql.equal(SERVICE, "embedder"), promql.equal(REGION, region)).text


def _restarts(scale: TimeScale) -> Alert:
    starts = promql.sum_by(promql.increase(promql.select(COLD_STARTS), scale.over("10m")), SERVICE)
    series = promql.select(COLD_STARTS, promql.equal(SERVICE, "embedder")).text
    return Alert(
        name="InferenceColdStartLoop",
        expr=starts > RESTARTS,
        severity=Severity.TICKET,
        summary="{{ $value | humanize }} workers of {{ $labels.service }} started in 10m, and it goes on.",
        description=(
            "It has gone on for 20m: that is no deploy. "
            "They crash, are killed for memory, or an autoscaler swings; each start loads its models anew."
        ),
        board=Board.COLD_START,
        variables=(SERVICE,),
        hold="20m",
        cases=(
            Case(series={series: "0+0.09x240"}, fires=("32m",), quiet=("18m",)),
            Case(series={series: "0+0.07x240"}, quiet=("35m",)),
            Case(series={series: "0+0.2x120 24x120"}, fires=("30m",), quiet=("42m",)),
            # It goes on for twelve minutes: a slow deploy.
            Case(series={series: "0+0.2x40 8x180"}, quiet=("15m", "16m")),
            # Two regions, in each of which it starts twice in ten minutes.
            Case(series={_starts_in(region): "0+0.05x240" for region in ("eu-west-1", "us-east-1")}, fires=("32m",)),
            # A deploy of eight workers.
            Case(series={series: "0x20 8x180"}, quiet=("12m", "26m")),
        ),
    )
