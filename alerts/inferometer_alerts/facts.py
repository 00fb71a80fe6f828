"""What an alert's reader would look up first, asked by Prometheus when it sends the alert: the annotation ``now``.

How much of the budget is left, where the time of a request goes, and whom a device worked for. What is not known is
left out.
"""

from collections.abc import Iterator

from inferometer.catalog.labels import DEVICE, MODEL, SERVICE, SLO, STAGE
from inferometer.catalog.model import Label
from inferometer.catalog.requests import DEVICE_SECONDS
from inferometer.promql import Family
from inferometer_alerts import recorded_models, recorded_slos
from inferometer_alerts.rule import Alert
from inferometer_alerts.time_scale import TimeScale


def annotations(alert: Alert, scale: TimeScale) -> dict[str, str]:
    """The annotation, in Prometheus's template language; none where there is nothing to ask."""
    text = "".join(_facts(alert, scale))
    return {"now": text} if text else {}


def _facts(alert: Alert, scale: TimeScale) -> Iterator[str]:
    if SLO.name in alert.expr.labels:
        yield _when(
            _of(recorded_slos.SLO_BUDGET_LEFT, SLO),
            (SLO,),
            "{{ . | first | value | humanizePercentage }} of the error budget is left. ",
        )
    if MODEL in alert.variables:
        yield _when(
            f"topk(1, sum by ({STAGE.name}) ({_of(recorded_models.MODEL_STAGE_MEAN, SERVICE, MODEL)}))",
            (SERVICE, MODEL),
            f'Most of the time of a request goes into {{{{ . | first | label "{STAGE.name}" }}}}, '
            "{{ . | first | value | humanizeDuration }} each. ",
        )
    if DEVICE in alert.variables:
        names = " ".join(f"{{{{ $one.Labels.{label.name} }}}}" for label in (SERVICE, MODEL))
        yield _when(
            f"topk(3, sum by ({SERVICE.name}, {MODEL.name}) "
            f"(increase({_of(DEVICE_SECONDS, DEVICE)}[{scale.over('1h')}])) > 0)",
            (DEVICE,),
            f"In the last hour it worked for {{{{ range $i, $one := . }}}}{{{{ if $i }}}}, {{{{ end }}}}{names}"
            "{{ end }}. ",
        )


def _of(series: Family, *labels: Label) -> str:
    """A selector whose values are still to be written, each as Go quotes a string, which PromQL reads."""
    return f"{series.name}{{{', '.join(f'{label.name}=%q' for label in labels)}}}"


def _when(query: str, labels: tuple[Label, ...], text: str) -> str:
    values = " ".join(f"$labels.{label.name}" for label in labels)
    return f'{{{{ with printf "{query}" {values} | query }}}}{text}{{{{ end }}}}'
