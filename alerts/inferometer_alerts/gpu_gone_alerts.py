"""Alerts on GPUs and MIG instances that a sidecar told of and tells of no more, though it answers itself."""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Final

from inferometer import promql
from inferometer.catalog import gpus
from inferometer.catalog.labels import DEVICE, PARENT
from inferometer.catalog.model import Label
from inferometer.catalog.requests import DEVICE_SECONDS
from inferometer.promql import Expr, Matcher
from inferometer_alerts import prometheus_series
from inferometer_alerts.rule import Alert, Board, Case, Severity
from inferometer_alerts.rule_labels import INSTANCE, JOB
from inferometer_alerts.rule_series import Scraped
from inferometer_alerts.time_scale import TimeScale
from inferometer_alerts.traffic_alerts import SCRAPE_JOB

LOST: Final = "GpuLost"
_GPU: Final = promql.equal(DEVICE, "GPU-0b5b1c4e")
_INSTANCE: Final = promql.equal(INSTANCE, "sidecar:9464")
_OTHER_INSTANCE: Final = promql.equal(INSTANCE, "another:9464")
_OURS: Final = promql.equal(JOB, SCRAPE_JOB)
_INFO: Final = Scraped(gpus.GPU_INFO)
_MIG: Final = Scraped(gpus.GPU_MIG_INFO)


def alerts(scale: TimeScale) -> Iterator[Alert]:
    """A GPU that is gone, and an instance that somebody used."""
    yield _lost(scale)
    yield _instance_gone(scale)


def _gone(series: Scraped, window: str, *by: Label) -> Expr:
    """What a sidecar told of within a window and tells of no more, though it answers: a host may be switched off."""
    of = (*by, INSTANCE)
    before = promql.group_by(promql.max_over_time(promql.select(series), window), *of)
    now = promql.group_by(promql.select(series), *of)
    answers = promql.select(prometheus_series.UP, _OURS).equals(1)
    return promql.where(promql.unless(before, now, on=of), answers, on=(INSTANCE,))


def _up(values: str, instance: Matcher = _INSTANCE) -> dict[str, str]:
    return {promql.select(prometheus_series.UP, _OURS, instance).text: values}


def _lost(scale: TimeScale) -> Alert:
    series = promql.select(_INFO, _GPU, _INSTANCE).text
    return Alert(
        name=LOST,
        expr=_gone(_INFO, scale.over("1h"), DEVICE),
        severity=Severity.PAGE,
        summary="GPU {{ $labels.device }} does not answer any more; its sidecar {{ $labels.instance }} does.",
        description=(
            "Its readings came within the last hour and do not come now: it fell off the bus, or its driver was "
            "unloaded. What ran there is lost, the other replicas carry its load."
        ),
        board=Board.GPU,
        variables=(DEVICE,),
        hold="2m",
        cases=(
            Case(series={series: "1x40 _x260", **_up("1x300")}, fires=("18m", "1h8m"), quiet=("9m", "16m", "1h12m")),
            Case(series={series: "1x240", **_up("1x240")}, quiet=("20m",)),
            # The sidecar is down, or its host was taken out of the fleet: that is no news of the GPU.
            Case(series={series: "1x40 _x200", **_up("1x40 0x200")}, quiet=("20m",)),
            Case(series={series: "1x40 _x200", **_up("1x40 _x200")}, quiet=("20m",)),
            # Another host's sidecar answers; another sidecar of the same host still sees it.
            Case(series={series: "1x40 _x200", **_up("1x40 0x200"), **_up("1x240", _OTHER_INSTANCE)}, quiet=("20m",)),
            Case(
                series={
                    series: "1x40 _x200",
                    **_up("1x40 0x200"),
                    promql.select(prometheus_series.UP, promql.equal(JOB, "node"), _INSTANCE).text: "1x240",
                },
                quiet=("20m",),
            ),
            # The GPU beside it is there.
            Case(
                series={
                    series: "1x40 _x200",
                    promql.select(_INFO, promql.equal(DEVICE, "GPU-1"), _INSTANCE).text: "1x240",
                    **_up("1x240"),
                },
                only=(_GPU,),
                fires=("20m",),
            ),
            Case(
                series={
                    series: "1x40 _x200",
                    promql.select(_INFO, _GPU, _OTHER_INSTANCE).text: "1x240",
                    **_up("1x240"),
                    **_up("1x240", _OTHER_INSTANCE),
                },
                fires=("20m",),
            ),
        ),
    )


def _instance_gone(scale: TimeScale) -> Alert:
    window = scale.over("1h")
    gone = _gone(_MIG, window, DEVICE, PARENT)
    used = promql.sum_by(promql.increase(promql.select(DEVICE_SECONDS), window), DEVICE) > 0
    mig, parent = promql.equal(DEVICE, "MIG-5f1ac3c2"), promql.equal(PARENT, "GPU-0b5b1c4e")
    series = promql.select(_MIG, mig, parent, _INSTANCE).text
    told_by_another = promql.select(_MIG, mig, parent, _OTHER_INSTANCE).text
    beside = promql.select(_MIG, promql.equal(DEVICE, "MIG-1"), parent, _INSTANCE).text
    work = promql.select(DEVICE_SECONDS, mig).text
    work_beside = promql.select(DEVICE_SECONDS, promql.equal(DEVICE, "MIG-1")).text

    def case(
        series_of: Mapping[str, str],
        fires: tuple[str, ...] = (),
        quiet: tuple[str, ...] = (),
        answers: Mapping[str, str] = MappingProxyType(_up("1x400")),
    ) -> Case:
        return Case(series={**series_of, **answers}, only=(mig,), fires=fires, quiet=quiet)

    return Alert(
        name="GpuMigInstanceGone",
        expr=promql.where(gone, used, on=(DEVICE,)),
        severity=Severity.PAGE,
        summary="MIG instance {{ $labels.device }} of GPU {{ $labels.parent }} is gone, and requests ran on it.",
        description=(
            "Its GPU was cut anew or reset while a server used the instance: that server fails until it is started "
            "on an instance that is there."
        ),
        board=Board.GPU,
        variables=(DEVICE,),
        hold="2m",
        cases=(
            case(
                {series: "1x40 _x260", work: "0+1x40 40x260"},
                fires=("18m", "1h5m"),
                quiet=("9m", "16m", "1h12m"),
            ),
            case({series: "1x40 _x260", work: "0+0.02x40 0.8x260"}, fires=("18m",)),
            # Somebody works there still, whatever it is called now; nobody has for an hour.
            case({series: "1x40 _x300", work: "0+1x340"}, fires=("18m",), quiet=("1h12m",)),
            case({series: "1x320 _x80", work: "0+1x40 40x360"}, quiet=("1h25m",)),
            # The instance beside it is there, and used.
            case({series: "1x40 _x200", work: "0+1x240", beside: "1x240"}, fires=("18m",)),
            case({series: "1x40 _x200", work_beside: "0+1x240", beside: "1x240"}, quiet=("18m",)),
            # Nobody used it: somebody cuts a spare GPU.
            case({series: "1x40 _x200", work: "40x240"}, quiet=("18m",)),
            case({series: "1x240", work: "0+1x240"}, quiet=("18m",)),
            # The sidecar does not answer, but another one does, or another program on its host; another one sees it.
            *(
                case({series: "1x40 _x200", work: "0+1x240"}, quiet=("18m",), answers={**_up("1x40 0x200"), **up})
                for up in (
                    {},
                    _up("1x240", _OTHER_INSTANCE),
                    {promql.select(prometheus_series.UP, promql.equal(JOB, "node"), _INSTANCE).text: "1x240"},
                )
            ),
            case(
                {series: "1x40 _x200", told_by_another: "1x240", work: "0+1x240"},
                fires=("18m",),
                answers={**_up("1x240"), **_up("1x240", _OTHER_INSTANCE)},
            ),
        ),
    )
