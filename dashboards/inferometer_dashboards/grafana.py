"""Boards as Grafana's classic JSON, which every Grafana from 10 to 13 loads; the same board gives the same bytes."""

import json
import warnings
from typing import Any, Final
from urllib.parse import quote
from zlib import crc32

from inferometer import promql
from inferometer.catalog import spans
from inferometer.catalog.labels import MODEL, SERVICE, SLO
from inferometer.fleet.model import Links
from inferometer_alerts import recorded
from inferometer_alerts.rule import Board as Uid
from inferometer_dashboards.layout import Cell, cells
from inferometer_dashboards.panels import Board, Colour, Kind, Panel, Query, Row, Show, Variable, chosen, named

with warnings.catch_warnings():
    # The SDK recommends its newer schema, which Grafana below 13 cannot load.
    warnings.simplefilter("ignore", DeprecationWarning)
    from grafana_foundation_sdk.builders import bargauge, heatmap, stat, table, timeseries
    from grafana_foundation_sdk.builders import common as common_builders
    from grafana_foundation_sdk.builders import dashboard as builders
    from grafana_foundation_sdk.builders import prometheus as prometheus_builders
    from grafana_foundation_sdk.cog.encoder import JSONEncoder
    from grafana_foundation_sdk.models import common, dashboard, prometheus
    from grafana_foundation_sdk.models import heatmap as heatmap_models

TAG: Final = "inferometer"
_SOURCE: Final = common.DataSourceRef(type_val="prometheus", uid="${datasource}")
_JAEGER: Final = "jaeger_url"
_UNITS: Final = {
    Show.SECONDS: "s",
    Show.USD: "currencyUSD",
    Show.USD_PER_HOUR: "currencyUSD",
    Show.RATIO: "percentunit",
    Show.PER_SECOND: "reqps",
    Show.COUNT: "short",
    Show.MULTIPLE: "none",
}
# Two digits that matter: a thousand requests may cost less than a cent.
_DECIMALS: Final = {Show.USD: 4, Show.USD_PER_HOUR: 3}
_NO_DATA: Final = "no data"

Builder = timeseries.Panel | heatmap.Panel | stat.Panel | bargauge.Panel | table.Panel


def dumps(board: Board, links: Links, *, note: str = "") -> bytes:
    """The board's file; ``note`` is added to its description."""
    built = builders.Dashboard(board.title).uid(board.uid.value).description(board.description + note)
    built.tags([TAG]).readonly().refresh("30s").time("now-1h", "now").timezone("browser")
    built.tooltip(dashboard.DashboardCursorSync.CROSSHAIR)
    built.variables(_variables(board, links)).annotation(_alerts()).link(_others())
    encoded: dict[str, Any] = json.loads(JSONEncoder(sort_keys=True).encode(built.build()))
    encoded["panels"] = [
        _heading(item, cell) if isinstance(item, Row) else _panel(item, cell) for item, cell in cells(board)
    ]
    return (json.dumps(_placed(encoded), indent=2, sort_keys=True, ensure_ascii=False) + "\n").encode()


def panel_id(key: str) -> int:
    """The number of a panel: it follows from the key, so that links to a panel survive changes around it."""
    return 1 + crc32(key.encode()) % 1_000_000


def _placed(encoded: dict[str, Any]) -> dict[str, Any]:
    """Without ``placement``: the SDK would hide links and annotations in a menu."""
    for entry in (*encoded["links"], *encoded["annotations"]["list"]):
        entry.pop("placement", None)
    return encoded


def _variables(board: Board, links: Links) -> list[Any]:
    source = builders.DatasourceVariable("datasource").label("Data source").type("prometheus")
    source.current(dashboard.VariableOption(text="Prometheus", value="prometheus"))
    jaeger = builders.ConstantVariable(_JAEGER).value(links.jaeger)
    return [source, *(_variable(variable) for variable in board.variables), jaeger]


def _variable(variable: Variable) -> builders.QueryVariable:
    series = promql.select(variable.family, *chosen(*variable.within)).text
    built = builders.QueryVariable(variable.label.name).label(variable.label.name.capitalize()).datasource(_SOURCE)
    built.query(f"label_values({series}, {variable.label.name})")
    built.multi(multi=True).include_all(include_all=True).all_value(".+")
    built.current(dashboard.VariableOption(text="All", value="$__all"))
    return built.refresh(dashboard.VariableRefresh.ON_TIME_RANGE_CHANGED).sort(dashboard.VariableSort.ALPHABETICAL_ASC)


def _alerts() -> builders.AnnotationQuery:
    firing = promql.select(
        recorded.ALERTS, promql.equal(recorded.ALERT_STATE, "firing"), promql.equal(recorded.SEVERITY, "page")
    )
    built = builders.AnnotationQuery().name("Pages").datasource(_SOURCE).enable(enable=True).icon_color("red")
    built.expr(promql.group_by(firing, recorded.ALERT_NAME, SERVICE, MODEL, SLO).text)
    return built.title_format(named(recorded.ALERT_NAME)).text_format(named(SERVICE, MODEL, SLO))


def _others() -> builders.DashboardLink:
    link = builders.DashboardLink("Boards").type(dashboard.DashboardLinkType.DASHBOARDS).tags([TAG])
    return (
        link.as_dropdown(as_dropdown=True)
        .icon("external link")
        .include_vars(include_vars=True)
        .keep_time(keep_time=True)
    )


def _heading(row: Row, cell: Cell) -> dict[str, Any]:
    return {
        "type": "row",
        "id": panel_id(f"row {row.title}"),
        "title": row.title,
        "collapsed": False,
        "gridPos": _position(cell),
        "panels": [],
    }


def _position(cell: Cell) -> dict[str, int]:
    return {"x": cell.x, "y": cell.y, "w": cell.w, "h": cell.h}


def _panel(panel: Panel, cell: Cell) -> dict[str, Any]:
    built = _drawn(panel).id(panel_id(panel.key)).title(panel.title).description(panel.description)
    built.datasource(_SOURCE).unit(_UNITS[panel.unit]).no_value(_NO_DATA)
    built.thresholds(_limits(panel))
    if panel.unit in _DECIMALS:
        built.decimals(_DECIMALS[panel.unit])
    if panel.maximum is not None:
        built.max(panel.maximum)
    for index, query in enumerate(panel.promql):
        built.with_target(_target(panel, query, chr(ord("A") + index)))
    encoded: dict[str, Any] = json.loads(JSONEncoder(sort_keys=True).encode(built.build()))
    encoded["gridPos"] = _position(cell)
    if links := _links(panel):
        encoded["fieldConfig"]["defaults"]["links"] = links
    return encoded


def _target(panel: Panel, query: Query, letter: str) -> prometheus_builders.Dataquery:
    built = prometheus_builders.Dataquery().datasource(_SOURCE).ref_id(letter).expr(query.expr.text)
    built = built.instant() if query.instant else built.range()
    if query.exemplar:
        built.exemplar(exemplar=True)
    if panel.kind is Kind.TABLE:
        return built.format(prometheus.PromQueryFormat.TABLE)
    if panel.kind is Kind.HEATMAP:
        return built.format(prometheus.PromQueryFormat.HEATMAP)
    return built.legend_format(query.legend)


def _drawn(panel: Panel) -> Builder:
    match panel.kind:
        case Kind.LINES | Kind.STACK:
            return _lines(panel)
        case Kind.HEATMAP:
            return _heatmap(panel)
        case Kind.STAT:
            return stat.Panel().reduce_options(_last()).graph_mode(common.BigValueGraphMode.NONE)
        case Kind.BARS:
            bars = bargauge.Panel().reduce_options(_last()).orientation(common.VizOrientation.HORIZONTAL)
            return bars.display_mode(common.BarGaugeDisplayMode.BASIC).min(0)
        case Kind.TABLE:
            return _table(panel)


def _last() -> common_builders.ReduceDataOptions:
    return common_builders.ReduceDataOptions().calcs(["lastNotNull"])


def _lines(panel: Panel) -> timeseries.Panel:
    legend = common_builders.VizLegendOptions().show_legend(show_legend=True).calcs(["lastNotNull", "max"])
    legend.display_mode(common.LegendDisplayMode.TABLE).placement(common.LegendPlacement.BOTTOM)
    tooltip = common_builders.VizTooltipOptions().mode(common.TooltipDisplayMode.MULTI)
    built = timeseries.Panel().legend(legend).tooltip(tooltip.sort(common.SortOrder.DESCENDING)).min(0)
    if panel.kind is Kind.STACK:
        stacking = common_builders.StackingConfig().mode(common.StackingMode.NORMAL)
        built.stacking(stacking).fill_opacity(60).line_width(0)
    if panel.steps:
        mode = common.GraphThresholdsStyleMode.DASHED
        built.thresholds_style(common_builders.GraphThresholdsStyleConfig().mode(mode))
    return built


def _heatmap(panel: Panel) -> heatmap.Panel:
    colour = heatmap.HeatmapColorOptions().mode(heatmap_models.HeatmapColorMode.SCHEME).scheme("Viridis")
    colour.steps(64).exponent(0.5).fill("dark-orange").reverse(reverse=True)
    axis = heatmap.YAxisConfig().unit(_UNITS[panel.unit])
    return heatmap.Panel().calculate(calculate=False).color(colour).y_axis(axis).exemplars_color("rgba(255,0,255,0.7)")


def _table(panel: Panel) -> table.Panel:
    letters = [chr(ord("A") + index) for index in range(len(panel.promql))]
    values = ["Value"] if len(letters) == 1 else [f"Value #{letter}" for letter in letters]
    built = table.Panel().with_transformation(dashboard.DataTransformerConfig(id_val="merge", options={}))
    built.with_transformation(
        dashboard.DataTransformerConfig(
            id_val="organize",
            options={
                "excludeByName": {"Time": True},
                "renameByName": dict(zip(values, (query.legend for query in panel.promql), strict=True)),
            },
        )
    )
    for query in panel.promql:
        shown = query.show or panel.unit
        settings = [dashboard.DynamicConfigValue(id_val="unit", value=_UNITS[shown])]
        if shown in _DECIMALS:
            settings.append(dashboard.DynamicConfigValue(id_val="decimals", value=_DECIMALS[shown]))
        built.override_by_name(query.legend, settings)
    if {SERVICE.name, MODEL.name} <= set(panel.promql[0].expr.labels):
        opens = dashboard.DynamicConfigValue(id_val="links", value=[_to_latency()])
        built.override_by_name(MODEL.name, [opens])
    return built


def _to_latency() -> dict[str, Any]:
    service = f"var-{SERVICE.name}=${{__data.fields.{SERVICE.name}:percentencode}}"
    model = f"var-{MODEL.name}=${{__value.raw:percentencode}}"
    return {
        "title": "Where its time goes",
        "url": f"/d/{Uid.MODEL}?{service}&{model}&${{__url_time_range}}",
        "targetBlank": False,
    }


def _limits(panel: Panel) -> builders.ThresholdsConfig:
    # Where the highest limit is the good one, what is below all of them is the worst.
    rises_to_good = bool(panel.steps) and panel.steps[-1].colour is Colour.GOOD
    steps = [dashboard.Threshold(value=None, color=(Colour.ACT if rises_to_good else Colour.GOOD).value)]
    steps += [dashboard.Threshold(value=step.at, color=step.colour.value) for step in panel.steps]
    return builders.ThresholdsConfig().mode(dashboard.ThresholdsMode.ABSOLUTE).steps(steps)


def _links(panel: Panel) -> list[dict[str, Any]]:
    """From a line to the traces of that service and model at that time, in Jaeger's own page."""
    labels = set(panel.promql[0].expr.labels)
    if panel.kind is not Kind.LINES or not {SERVICE.name, MODEL.name} <= labels:
        return []
    tags = quote(f'{{"{spans.MODEL_NAME.name}":"') + f"${{__field.labels.{MODEL.name}:percentencode}}" + quote('"}')
    search = (
        f"${{{_JAEGER}}}/search?service=${{__field.labels.{SERVICE.name}:percentencode}}&tags={tags}"
        # Jaeger counts microseconds.
        "&start=${__from}000&end=${__to}000&lookback=custom&limit=50"
    )
    return [{"title": "Its traces in Jaeger", "url": search, "targetBlank": True}]
