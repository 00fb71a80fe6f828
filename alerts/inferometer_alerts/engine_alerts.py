"""Alerts on what only model servers of others tell: their KV cache, their queue, their replicas."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Final

from inferometer import promql
from inferometer.catalog import engines
from inferometer.catalog.labels import MODEL, REPLICA, SERVICE, VERSION
from inferometer.catalog.requests import QUEUE_DEPTH, REQUESTS
from inferometer_alerts.rule import Alert, Board, Case, Severity
from inferometer_alerts.rule_labels import OF_MODEL
from inferometer_alerts.time_scale import TimeScale

FULL: Final = Decimal("0.9")
_PREEMPTED: Final = Decimal("0.1")
_FEWEST: Final = 10
_OF: Final = (promql.equal(SERVICE, "chat"), promql.equal(MODEL, "llama"))
_ONE: Final = (*_OF, promql.equal(REPLICA, "a:8000"))
_OTHER: Final = (*_OF, promql.equal(REPLICA, "b:8000"))


def alerts(scale: TimeScale) -> Iterator[Alert]:
    """A KV cache that is too small, requests that are begun again, an engine that stalls or is gone."""
    yield _kv_cache(scale)
    yield _preemptions(scale)
    yield _stalled()
    yield _down()
    yield _replica_down()


def _kv_cache(scale: TimeScale) -> Alert:
    window = scale.over("10m")
    of = (*OF_MODEL, REPLICA)
    used = promql.max_by(promql.average_over_time(promql.select(engines.KV_CACHE), window), *of)
    preempted = promql.sum_by(promql.increase(promql.select(engines.PREEMPTIONS), window), *of) > 0

    def case(usage: str, preemptions: str, fires: tuple[str, ...] = (), quiet: tuple[str, ...] = ()) -> Case:
        series = {
            promql.select(engines.KV_CACHE, *_ONE).text: usage,
            promql.select(engines.PREEMPTIONS, *_ONE).text: preemptions,
            promql.select(engines.PREEMPTIONS, *_OTHER).text: "0+1x200",
            promql.select(engines.KV_CACHE, *_OTHER).text: "0.5x200",
        }
        return Case(series=series, fires=fires, quiet=quiet)

    return Alert(
        name="InferenceKvCachePressure",
        expr=promql.where(used > FULL, preempted, on=of),
        severity=Severity.TICKET,
        summary=(
            "The KV cache of {{ $labels.service }} {{ $labels.model }} on {{ $labels.replica }} is "
            "{{ $value | humanizePercentage }} full, and requests lose their place in it."
        ),
        description=(
            "Mean of the last 10m. Whoever is preempted begins again, and new requests wait: time to first token "
            "and cost rise together. There are too many or too long requests for the memory of this replica."
        ),
        board=Board.LLM,
        variables=(SERVICE, MODEL),
        hold="10m",
        cases=(
            case("0.92x200", "0+1x200", fires=("12m",), quiet=("8m",)),
            case("0.88x200", "0+1x200", quiet=("20m",)),
            # Hardly anybody suffers, but somebody does.
            case("0.92x200", "0+0.02x200", fires=("22m",)),
            # Full, and nobody suffers: that is what the cache is for.
            case("0.99x200", "7x200", quiet=("20m",)),
            # It falls at 20m: a mean of ten minutes is below the limit a minute and a half later.
            case("0.99x80 0.4x120", "0+1x200", fires=("18m", "21m"), quiet=("22m30s",)),
            case("0.99x200", "0+1x80 80x120", fires=("28m",), quiet=("31m",)),
            # Two versions in one cache are not twice as full.
            Case(
                series={
                    promql.select(engines.KV_CACHE, *_ONE, promql.equal(VERSION, "v1")).text: "0.5x100",
                    promql.select(engines.KV_CACHE, *_ONE, promql.equal(VERSION, "v2")).text: "0.6x100",
                    promql.select(engines.PREEMPTIONS, *_ONE).text: "0+1x100",
                },
                quiet=("20m",),
            ),
            # Others have the preemptions: another service, another model, on a replica of the same name.
            Case(
                series={
                    promql.select(engines.KV_CACHE, *_ONE).text: "0.99x100",
                    promql.select(engines.PREEMPTIONS, promql.equal(SERVICE, "code"), *_ONE[1:]).text: "0+1x100",
                    promql.select(engines.PREEMPTIONS, _ONE[0], promql.equal(MODEL, "phi"), _ONE[2]).text: "0+1x100",
                },
                quiet=("20m",),
            ),
            case("0.99x200", "40x40 0x160", quiet=("20m",)),
        ),
    )


def _preemptions(scale: TimeScale) -> Alert:
    window = scale.over("10m")
    preempted = promql.sum_by(promql.increase(promql.select(engines.PREEMPTIONS), window), *OF_MODEL)
    ended = promql.sum_by(promql.increase(promql.select(REQUESTS), window), *OF_MODEL)

    def case(preemptions: str, requests: str, fires: tuple[str, ...] = (), quiet: tuple[str, ...] = ()) -> Case:
        series = {
            promql.select(engines.PREEMPTIONS, *_ONE).text: preemptions,
            promql.select(REQUESTS, *_OF).text: requests,
        }
        return Case(series=series, fires=fires, quiet=quiet)

    return Alert(
        name="InferencePreemptions",
        expr=promql.both(preempted / (ended > 0) > _PREEMPTED, preempted >= _FEWEST),
        severity=Severity.TICKET,
        summary=(
            "{{ $value | humanizePercentage }} as many preemptions as requests at {{ $labels.service }} "
            "{{ $labels.model }}."
        ),
        description=(
            "In the last 10m running requests lost their place in the KV cache and were computed again: GPU time "
            "that is paid twice, and answers that pause in the middle."
        ),
        board=Board.LLM,
        variables=(SERVICE, MODEL),
        hold="10m",
        cases=(
            case("0+1.1x160", "0+10x160", fires=("14m", "30m"), quiet=("8m",)),
            # Nothing ends: how many that are per request nobody knows, and admission or traffic tell of it.
            case("0+1x160", "5x160", quiet=("20m",)),
            # Two replicas, and two versions.
            Case(
                series={
                    **{promql.select(engines.PREEMPTIONS, *of).text: "0+0.6x100" for of in (_ONE, _OTHER)},
                    **{
                        promql.select(REQUESTS, *_OF, promql.equal(VERSION, version)).text: "0+5x100"
                        for version in ("v1", "v2")
                    },
                },
                fires=("20m",),
            ),
            Case(
                series={
                    promql.select(engines.PREEMPTIONS, *_ONE).text: "0+0.8x100",
                    **{
                        promql.select(REQUESTS, *_OF, promql.equal(VERSION, version)).text: "0+5x100"
                        for version in ("v1", "v2")
                    },
                },
                quiet=("20m",),
            ),
            case("0+0.9x160", "0+10x160", quiet=("20m",)),
            case("0+0.2x160", "0+0.3x160", quiet=("25m",)),
            case("0+1x160", "0+0.02x160", fires=("25m",)),
            Case(
                series={
                    **{promql.select(engines.PREEMPTIONS, *of).text: "0+0.15x120" for of in (_ONE, _OTHER)},
                    promql.select(REQUESTS, *_OF).text: "0+0.3x120",
                },
                fires=("25m",),
            ),
            case("0+0.3x160", "0+0.3x160", fires=("25m",)),
            case("0+2x80 160x80", "0+10x160", fires=("18m", "23m"), quiet=("27m",)),
            case("160x40 0x120", "0+10x160", quiet=("15m",)),
        ),
    )


def _stalled() -> Alert:
    waiting = promql.sum_by(promql.select(QUEUE_DEPTH), *OF_MODEL)
    running = promql.sum_by(promql.select(engines.RUNNING), *OF_MODEL)

    def case(waits: str, runs: str, fires: tuple[str, ...] = (), quiet: tuple[str, ...] = ()) -> Case:
        series = {
            promql.select(QUEUE_DEPTH, *_OF).text: waits,
            promql.select(engines.RUNNING, *_ONE).text: "0x160",
            promql.select(engines.RUNNING, *_OTHER).text: runs,
        }
        return Case(series=series, fires=fires, quiet=quiet)

    return Alert(
        name="InferenceAdmissionStalled",
        expr=promql.both(waiting > 0, running.equals(0)),
        severity=Severity.PAGE,
        summary=(
            "{{ $value | humanize }} requests wait at {{ $labels.service }} {{ $labels.model }}, and it works on none."
        ),
        description=(
            "The engine answers and takes requests, and admits none: its scheduler hangs, a peer of a group of GPUs "
            "is gone, or one request does not fit into the KV cache. Who waits runs into the timeout."
        ),
        board=Board.LLM,
        variables=(SERVICE, MODEL),
        hold="5m",
        cases=(
            case("1x160", "1x40 0x120", fires=("16m",), quiet=("9m", "14m")),
            case("4x160", "1x160", quiet=("16m",)),
            case("0x160", "0x160", quiet=("16m",)),
            case("4x160", "0x60 2x100", fires=("8m",), quiet=("4m", "16m")),
        ),
    )


def _down() -> Alert:
    up = promql.max_by(promql.select(engines.UP), SERVICE)

    def case(one: str, other: str, fires: tuple[str, ...] = (), quiet: tuple[str, ...] = ()) -> Case:
        return Case(series=_replicas(one, other), fires=fires, quiet=quiet)

    return Alert(
        name="InferenceEngineDown",
        expr=up.equals(0),
        severity=Severity.PAGE,
        summary="No replica of {{ $labels.service }} answers ({{ $value | humanize }} up).",
        description=(
            "The sidecar cannot read the metrics page of any replica of this engine. Requests to it most likely fail "
            "too; what it served is measured by nobody."
        ),
        board=Board.SELF,
        variables=(SERVICE,),
        hold="2m",
        cases=(
            case("1x40 0x60 1x20", "0x120", fires=("13m", "24m"), quiet=("9m", "12m", "26m")),
            case("0x120", "1x120", quiet=("13m",)),
        ),
    )


def _replica_down() -> Alert:
    of = (SERVICE, REPLICA)
    return Alert(
        name="InferenceReplicaDown",
        expr=promql.max_by(promql.select(engines.UP), *of).equals(0),
        severity=Severity.TICKET,
        summary="{{ $labels.replica }} of {{ $labels.service }} does not answer ({{ $value | humanize }} up).",
        description=(
            "The sidecar has not been able to read this replica's metrics page for 10m. The others carry its load; "
            "if it is still billed, it costs as before."
        ),
        board=Board.SELF,
        variables=(SERVICE,),
        hold="10m",
        cases=(
            Case(
                series=_replicas("1x40 0x80 1x40", "1x160"),
                only=(promql.equal(REPLICA, "a:8000"),),
                fires=("21m", "29m"),
                quiet=("18m", "32m"),
            ),
            Case(series=_replicas("1x160", "1x160"), quiet=("21m",)),
        ),
    )


def _replicas(one: str, other: str) -> dict[str, str]:
    def of(replica: str) -> str:
        matchers = (promql.equal(SERVICE, "chat"), promql.equal(REPLICA, replica))
        return promql.select(engines.UP, *matchers).text

    return {of("a:8000"): one, of("b:8000"): other}
