"""Where an alert's reader goes next: its board and its slow requests at that minute, and its runbook.

Prometheus evaluates the annotations at each round, so ``now`` is the moment at which the alert was last sent: a link
that is opened the next morning still shows the hour before it.
"""

from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, urlencode

from inferometer.catalog import spans
from inferometer.catalog.labels import DEVICE, MODEL, OUTCOME, SERVICE, TENANT, VERSION
from inferometer.catalog.model import Label
from inferometer.fleet import durations
from inferometer.fleet.model import Links
from inferometer_alerts.rule import Alert
from inferometer_alerts.time_scale import TimeScale

_AFTERWARDS: Final = "15m"
"""How far a link looks beyond the moment of the alert: what was done about it is seen, too."""
_MOST_TRACES: Final = 50
_TAGS: Final = {
    MODEL: spans.MODEL_NAME,
    VERSION: spans.MODEL_VERSION,
    OUTCOME: spans.OUTCOME,
    TENANT: spans.TENANT,
}
_LIVE: Final = (SERVICE, MODEL, VERSION, TENANT, OUTCOME, DEVICE)
"""Labels by which the live page filters requests, under the same names."""


@dataclass(frozen=True, slots=True)
class _Range:
    """The time that a link shows, from *before_seconds* before the alert."""

    before_seconds: float
    after_seconds: float

    def moment(self, method: str, seconds: float) -> str:
        """A template of a time: *method* of Go's `time.Time` says in which unit."""
        return f"{{{{ ((now | toTime).Add (toDuration {seconds:g})).{method} }}}}"

    def start(self, method: str) -> str:
        return self.moment(method, -self.before_seconds)

    def end(self, method: str) -> str:
        return self.moment(method, self.after_seconds)


def annotations(alert: Alert, links: Links, scale: TimeScale) -> dict[str, str]:
    """The links of an alert, as annotations in Prometheus's template language."""
    shown = _Range(_seconds(scale, alert.shows), _seconds(scale, _AFTERWARDS))
    return {
        "runbook_url": f"{links.runbook_folder}/{alert.name}.md",
        "dashboard_url": _board(alert, links, shown),
        "traces_url": _traces(alert, links, shown),
    }


def _seconds(scale: TimeScale, text: str) -> float:
    return scale.window(durations.parse(text)) / 1e9


def _value(label: Label) -> str:
    # The template engine of Prometheus escapes the values: a route has slashes, a name may have spaces.
    return f"{{{{ $labels.{label.name} | urlquery }}}}"


def _board(alert: Alert, links: Links, shown: _Range) -> str:
    variables = "".join(f"&var-{label.name}={_value(label)}" for label in alert.variables)
    return f"{links.grafana}/d/{alert.board}?from={shown.start('UnixMilli')}&to={shown.end('UnixMilli')}{variables}"


def _traces(alert: Alert, links: Links, shown: _Range) -> str:
    """Jaeger, where a service is known, which is all that Jaeger can search in; else the sidecar's own page."""
    carried = set(alert.expr.labels)
    if SERVICE in alert.variables:
        return f"{links.jaeger}/search?{_jaeger(alert, shown)}"
    chosen = "".join(f"&{label.name}={_value(label)}" for label in _LIVE if label.name in carried)
    return f"{links.live}/requests?from={shown.start('Unix')}&to={shown.end('Unix')}{chosen}"


def _jaeger(alert: Alert, shown: _Range) -> str:
    carried = set(alert.expr.labels)
    tags = [(attribute.name, label) for label, attribute in _TAGS.items() if label.name in carried]
    fixed = urlencode({"limit": _MOST_TRACES, "lookback": "custom"})
    query = f"service={_value(SERVICE)}&{fixed}&start={shown.start('UnixMicro')}&end={shown.end('UnixMicro')}"
    if alert.slower_than_ns is not None:
        query += f"&minDuration={durations.render(alert.slower_than_ns)}"
    if tags:
        query += f"&tags={quote('{')}{quote(',').join(_tag(name, label) for name, label in tags)}{quote('}')}"
    return query


def _tag(name: str, label: Label) -> str:
    """A member of a JSON object: the name is ours and needs no escaping, the value is quoted as Go quotes a string."""
    written = quote(f'"{name}":')
    return f'{written}{{{{ $labels.{label.name} | printf "%q" | urlquery }}}}'
