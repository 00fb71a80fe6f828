"""What Grafana reads at its start: where the data are, what leads from one to the other, and where the boards lie."""

from typing import Final

from inferometer import promql
from inferometer.catalog import spans
from inferometer.catalog.labels import MODEL, SERVICE
from inferometer.catalog.requests import QUEUE_DEPTH, REQUEST_COST, REQUEST_DURATION
from inferometer.catalog.spans import EXEMPLAR_TRACE_ID
from inferometer.fleet.model import Links
from inferometer.promql import Expr, Family, Selector
from inferometer_alerts.addresses import Addresses
from inferometer_alerts.rule import Board as Uid
from inferometer_alerts.time_scale import TimeScale
from inferometer_alerts.yaml_text import Yaml
from inferometer_dashboards.panels import TRACE

PROMETHEUS_UID: Final = "prometheus"
JAEGER_UID: Final = "jaeger"
REGIONS_UID: Final = "thanos"
FOLDER_UID: Final = "inferometer"
FOLDERS: Final = {"datasources": False, "datasources-scale": True}
"""Folders of data sources, of which an installation mounts one; whether Thanos is among them."""
BOARDS_IN_CONTAINER: Final = "/etc/grafana/dashboards"


_AROUND: Final = "5m"
"""How far before and after a span its model's series are looked at."""
_SPAN: Final = "of the span"
# Grafana reads `$` in these files as a variable of its environment; a doubled one is itself.
_DOLLAR: Final = "$$"


def datasources(addresses: Addresses, links: Links, scale: TimeScale, *, every_region: bool = False) -> Yaml:
    """Prometheus, whose dots open traces, and Jaeger, whose spans open their model's series at that minute.

    With *every_region* also Thanos, which a board asks once it is chosen as its data source.
    """
    asked: dict[str, Yaml] = {
        "httpMethod": "POST",
        # From this Grafana makes $__rate_interval: four scrapes at least.
        "timeInterval": scale.every("15s"),
        "exemplarTraceIdDestinations": _destinations(links),
    }
    prometheus: Yaml = {
        "name": "Prometheus",
        "uid": PROMETHEUS_UID,
        "type": "prometheus",
        "access": "proxy",
        "url": f"http://{addresses.prometheus}",
        "isDefault": True,
        "editable": False,
        "jsonData": asked,
    }
    regions: Yaml = {
        "name": "Every region",
        "uid": REGIONS_UID,
        "type": "prometheus",
        "access": "proxy",
        "url": f"http://{addresses.regions}",
        "editable": False,
        "jsonData": {**asked, "prometheusType": "Thanos"},
    }
    jaeger: Yaml = {
        "name": "Jaeger",
        "uid": JAEGER_UID,
        "type": "jaeger",
        "access": "proxy",
        "url": f"http://{addresses.jaeger}",
        "editable": False,
        "jsonData": {
            "nodeGraph": {"enabled": True},
            "tracesToMetrics": {
                "datasourceUid": PROMETHEUS_UID,
                "spanStartTimeShift": f"-{scale.over(_AROUND)}",
                "spanEndTimeShift": scale.over(_AROUND),
                "tags": [
                    {"key": spans.SERVICE_NAME.name, "value": SERVICE.name},
                    {"key": spans.MODEL_NAME.name, "value": MODEL.name},
                ],
                "queries": _beside_a_span(scale),
            },
        },
    }
    known = [prometheus, *([regions] if every_region else []), jaeger]
    return {"apiVersion": 1, "prune": True, "datasources": known}


def _destinations(links: Links) -> list[Yaml]:
    """Where a dot leads: the waterfall beside the panel, the board of this request, and Jaeger's own page."""
    trace = f"{_DOLLAR}{{__value.raw}}"
    fields = {label.name: f"{_DOLLAR}{{__data.fields.{label.name}:percentencode}}" for label in (SERVICE, MODEL)}
    chosen = "&".join(f"var-{name}={value}" for name, value in fields.items())
    board = f"{links.grafana}/d/{Uid.REQUEST}?var-{TRACE}={trace}&{chosen}&{_DOLLAR}{{__url_time_range}}"
    return [
        {"name": EXEMPLAR_TRACE_ID, "datasourceUid": JAEGER_UID, "urlDisplayLabel": "Waterfall"},
        {"name": EXEMPLAR_TRACE_ID, "url": board, "urlDisplayLabel": "Request detail: cost and device"},
        # Grafana of some versions opens Explore with an empty query; this one always works.
        {"name": EXEMPLAR_TRACE_ID, "url": f"{links.jaeger}/trace/{trace}", "urlDisplayLabel": "Waterfall in Jaeger"},
    ]


def _beside_a_span(scale: TimeScale) -> list[Yaml]:
    """What is asked of a span's service and model; Grafana puts them in the place of ``$__tags``."""
    window = scale.over("5m")

    def of_span(family: Family) -> Selector:
        return promql.select(family, promql.equal(SERVICE, _SPAN))

    asked: list[tuple[str, Expr]] = [
        ("p99 of this model", promql.quantile(0.99, promql.sum_by(promql.rate(of_span(REQUEST_DURATION), window)))),
        ("Requests that wait", promql.sum_by(of_span(QUEUE_DEPTH))),
        ("p99 of a request's cost", promql.quantile(0.99, promql.sum_by(promql.rate(of_span(REQUEST_COST), window)))),
    ]
    tags = str(promql.equal(SERVICE, _SPAN))
    return [{"name": name, "query": expr.text.replace(tags, f"{_DOLLAR}__tags")} for name, expr in asked]


def providers() -> Yaml:
    """The folder of boards, which nobody edits in the browser."""
    return {
        "apiVersion": 1,
        "providers": [
            {
                "name": FOLDER_UID,
                "orgId": 1,
                "folder": "Inferometer",
                "folderUid": FOLDER_UID,
                "type": "file",
                "disableDeletion": True,
                "allowUiUpdates": False,
                "updateIntervalSeconds": 30,
                "options": {"path": BOARDS_IN_CONTAINER},
            }
        ],
    }
