"""Panels as Grafana's classic JSON: how each kind is drawn, with its unit, its limits and its links."""

import json
from typing import Any, Final

from inferometer.catalog.labels import STAGE
from inferometer_dashboards import colours, links
from inferometer_dashboards.layout import Cell
from inferometer_dashboards.panels import TRACE, Board, Colour, Kind, Panel, Query, Show
from inferometer_dashboards.sdk import (
    JSONEncoder,
    bargauge,
    builders,
    common,
    common_builders,
    dashboard,
    heatmap,
    heatmap_models,
    prometheus,
    prometheus_builders,
    stat,
    statetimeline,
    table,
    text,
    text_models,
    timeseries,
)

SOURCE: Final = common.DataSourceRef(type_val="prometheus", uid="${datasource}")
TRACE_SOURCE: Final = "traces"
"""Name of the variable that says which Jaeger is asked."""
_TRACES: Final = {"type": "jaeger", "uid": f"${{{TRACE_SOURCE}}}"}
UNITS: Final = {
    Show.SECONDS: "s",
    Show.USD: "currencyUSD",
    Show.USD_PER_HOUR: "currencyUSD",
    Show.RATIO: "percentunit",
    Show.PER_SECOND: "reqps",
    Show.COUNT: "short",
    Show.MULTIPLE: "none",
    Show.EVENTS_PER_SECOND: "cps",
    Show.TOKENS_PER_SECOND: "suffix: tok/s",
    Show.BYTES: "bytes",
    Show.BYTES_PER_SECOND: "binBps",
    Show.WATTS: "watt",
    Show.JOULES: "joule",
    Show.CELSIUS: "celsius",
    Show.HERTZ: "hertz",
    Show.AGE: "dtdurations",
    Show.DATE: "dateTimeAsIso",
}
# Two digits that matter: a thousand requests may cost less than a cent.
_DECIMALS: Final = {Show.USD: 4, Show.USD_PER_HOUR: 3, Show.TOKENS_PER_SECOND: 0}
_SPAN_COLUMNS: Final = ("serviceName", "operationName", "startTime", "duration", "tags")
"""Fields of a trace in Grafana that a person reads; the others are ids."""

Builder = timeseries.Panel | heatmap.Panel | stat.Panel | bargauge.Panel | table.Panel | statetimeline.Panel


def drawn(panel: Panel, cell: Cell, number: int, board: Board) -> dict[str, Any]:
    """A panel in its place; *number* is its id on the board."""
    match panel.kind:
        case Kind.TEXT:
            made = _text(panel)
        case Kind.TRACE | Kind.SPANS:
            made = _trace(panel)
        case _:
            made = _queried(panel, board)
    made |= {"id": number, "title": panel.title, "description": panel.description, "gridPos": position(cell)}
    return made


def position(cell: Cell) -> dict[str, int]:
    """A place on the grid, as Grafana's JSON has it."""
    return {"x": cell.x, "y": cell.y, "w": cell.w, "h": cell.h}


def _text(panel: Panel) -> dict[str, Any]:
    built = text.Panel().mode(text_models.TextMode.MARKDOWN).content(panel.text)
    encoded: dict[str, Any] = json.loads(JSONEncoder(sort_keys=True).encode(built.build()))
    return encoded


def _trace(panel: Panel) -> dict[str, Any]:
    """A trace by its id: Grafana's Jaeger source takes the id itself as the query."""
    target = {"datasource": _TRACES, "query": f"${{{TRACE}}}", "refId": "A"}
    made: dict[str, Any] = {"type": "traces", "datasource": _TRACES, "targets": [target], "options": {}}
    if panel.kind is Kind.SPANS:
        places = {name: index for index, name in enumerate(_SPAN_COLUMNS)}
        order = {"includeByName": dict.fromkeys(_SPAN_COLUMNS, True), "indexByName": places}
        made |= {
            "type": "table",
            "fieldConfig": {"defaults": {"noValue": panel.empty}, "overrides": [_of_field("duration", unit="ms")]},
            "options": {"showHeader": True, "cellHeight": "sm"},
            "transformations": [{"id": "organize", "options": order}],
        }
    return made


def _of_field(name: str, **settings: object) -> dict[str, Any]:
    properties = [{"id": key, "value": value} for key, value in settings.items()]
    return {"matcher": {"id": "byName", "options": name}, "properties": properties}


def _queried(panel: Panel, board: Board) -> dict[str, Any]:
    built = _built(panel).datasource(SOURCE).unit(UNITS[panel.unit]).no_value(panel.empty)
    built.thresholds(_limits(panel))
    if panel.unit in _DECIMALS:
        built.decimals(_DECIMALS[panel.unit])
    if panel.maximum is not None:
        built.max(panel.maximum)
    for index, query in enumerate(panel.promql):
        built.with_target(_target(panel, query, chr(ord("A") + index)))
    if all(STAGE.name in query.expr.labels for query in panel.promql):
        for stage, colour in colours.STAGES.items():
            settings = {"mode": "fixed", "fixedColor": colour}
            built.override_by_regexp(
                rf"/(^|\s){stage.label}$/", [dashboard.DynamicConfigValue(id_val="color", value=settings)]
            )
    encoded: dict[str, Any] = json.loads(JSONEncoder(sort_keys=True).encode(built.build()))
    # Grafana 13's tables have no footer of their own any more; the SDK writes one that shows nothing.
    encoded["options"].pop("footer", None)
    _link(encoded["fieldConfig"], panel, board)
    return encoded


def _link(config: dict[str, Any], panel: Panel, board: Board) -> None:
    found = links.of(panel, board)
    if panel.kind is not Kind.TABLE:
        if found:
            config["defaults"]["links"] = [links.data_link(link, panel, board) for link in found]
        return
    by_column: dict[str, list[dict[str, Any]]] = {}
    for link in found:
        if (name := links.column(link, panel)) is not None:
            by_column.setdefault(name, []).append(links.data_link(link, panel, board))
    for name, entries in by_column.items():
        config["overrides"].append(_of_field(name, links=entries))


def _target(panel: Panel, query: Query, letter: str) -> prometheus_builders.Dataquery:
    built = prometheus_builders.Dataquery().datasource(SOURCE).ref_id(letter).expr(query.expr.text)
    built = built.instant() if query.instant else built.range()
    if query.exemplar:
        built.exemplar(exemplar=True)
    if panel.kind is Kind.TABLE:
        return built.format(prometheus.PromQueryFormat.TABLE)
    if panel.kind is Kind.HEATMAP:
        return built.format(prometheus.PromQueryFormat.HEATMAP)
    return built.legend_format(query.legend)


def _built(panel: Panel) -> Builder:
    match panel.kind:
        case Kind.HEATMAP:
            return _heatmap(panel)
        case Kind.STAT:
            return stat.Panel().reduce_options(_last()).graph_mode(common.BigValueGraphMode.NONE)
        case Kind.BARS:
            bars = bargauge.Panel().reduce_options(_last()).orientation(common.VizOrientation.HORIZONTAL)
            bars.display_mode(common.BarGaugeDisplayMode.BASIC)
            return bars if panel.minimum is None else bars.min(panel.minimum)
        case Kind.TABLE:
            return _table(panel)
        case Kind.TIMELINE:
            return _timeline(panel)
        case _:
            return _lines(panel)


def _last() -> common_builders.ReduceDataOptions:
    return common_builders.ReduceDataOptions().calcs(["lastNotNull"])


def _tooltip() -> common_builders.VizTooltipOptions:
    return common_builders.VizTooltipOptions().mode(common.TooltipDisplayMode.MULTI).sort(common.SortOrder.DESCENDING)


def _lines(panel: Panel) -> timeseries.Panel:
    legend = common_builders.VizLegendOptions().show_legend(show_legend=True).calcs(["lastNotNull", "max"])
    legend.display_mode(common.LegendDisplayMode.TABLE).placement(common.LegendPlacement.BOTTOM)
    built = timeseries.Panel().legend(legend).tooltip(_tooltip())
    if panel.minimum is not None:
        built.min(panel.minimum)
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
    axis = heatmap.YAxisConfig().unit(UNITS[panel.unit])
    return heatmap.Panel().calculate(calculate=False).color(colour).y_axis(axis).exemplars_color("rgba(255,0,255,0.7)")


def _timeline(panel: Panel) -> statetimeline.Panel:
    legend = common_builders.VizLegendOptions().show_legend(show_legend=True)
    legend.display_mode(common.LegendDisplayMode.LIST).placement(common.LegendPlacement.BOTTOM)
    names = {
        str(state.value): dashboard.ValueMappingResult(text=state.text, color=state.colour.value, index=index)
        for index, state in enumerate(panel.states)
    }
    built = statetimeline.Panel().merge_values(merge_values=True).legend(legend).tooltip(_tooltip())
    built.show_value(common.VisibilityMode.AUTO).row_height(0.9).line_width(0).fill_opacity(70)
    return built.mappings([dashboard.ValueMap(options=names)]) if names else built


def _table(panel: Panel) -> table.Panel:
    letters = [chr(ord("A") + index) for index in range(len(panel.promql))]
    values = ["Value"] if len(letters) == 1 else [f"Value #{letter}" for letter in letters]
    built = table.Panel().with_transformation(dashboard.DataTransformerConfig(id_val="merge", options={}))
    names = dict(zip(values, (query.legend for query in panel.promql), strict=True))
    tidy = {"excludeByName": {"Time": True}, "renameByName": names}
    built.with_transformation(dashboard.DataTransformerConfig(id_val="organize", options=tidy))
    for query in panel.promql:
        shown = query.show or panel.unit
        settings = [dashboard.DynamicConfigValue(id_val="unit", value=UNITS[shown])]
        if shown in _DECIMALS:
            settings.append(dashboard.DynamicConfigValue(id_val="decimals", value=_DECIMALS[shown]))
        built.override_by_name(query.legend, settings)
    if panel.sort:
        built.sort_by([common_builders.TableSortByFieldState().display_name(panel.sort).desc(desc=True)])
    return built


def _limits(panel: Panel) -> builders.ThresholdsConfig:
    # Where the highest limit is the good one, what is below all of them is the worst.
    rises_to_good = bool(panel.steps) and panel.steps[-1].colour is Colour.GOOD
    steps = [dashboard.Threshold(value=None, color=(Colour.ACT if rises_to_good else Colour.GOOD).value)]
    steps += [dashboard.Threshold(value=step.at, color=step.colour.value) for step in panel.steps]
    return builders.ThresholdsConfig().mode(dashboard.ThresholdsMode.ABSOLUTE).steps(steps)
