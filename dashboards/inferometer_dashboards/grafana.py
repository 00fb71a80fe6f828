"""Boards as Grafana's classic JSON, which every Grafana from 10 to 13 loads; the same board gives the same bytes."""

import json
from typing import Any, Final
from zlib import crc32

from inferometer import promql
from inferometer.fleet.model import Links
from inferometer_dashboards.annotations import Annotation, annotations
from inferometer_dashboards.drawing import SOURCE, TRACE_SOURCE, drawn, position
from inferometer_dashboards.layout import Cell, cells
from inferometer_dashboards.links import JAEGER_URL, LIVE_URL
from inferometer_dashboards.panels import TRACE, Board, Row, Variable, chosen
from inferometer_dashboards.sdk import JSONEncoder, builders, dashboard

TAG: Final = "inferometer"


def dumps(board: Board, links: Links, *, note: str = "") -> bytes:
    """The board's file; ``note`` is added to its description."""
    built = builders.Dashboard(board.title).uid(board.uid.value).description(board.description + note)
    built.tags([TAG]).readonly().refresh("30s").time("now-1h", "now").timezone("browser")
    built.tooltip(dashboard.DashboardCursorSync.CROSSHAIR)
    built.variables(_variables(board, links)).link(_others())
    for marks in annotations(board):
        built.annotation(_marks(marks))
    encoded: dict[str, Any] = json.loads(JSONEncoder(sort_keys=True).encode(built.build()))
    encoded["panels"] = _panels(board)
    return (json.dumps(_trimmed(encoded), indent=2, sort_keys=True, ensure_ascii=False) + "\n").encode()


def panel_id(key: str) -> int:
    """The number of a panel: it follows from the key, so that links to a panel survive changes around it."""
    return 1 + crc32(key.encode()) % 1_000_000


def _panels(board: Board) -> list[dict[str, Any]]:
    """Headings and panels from top to bottom; those of a collapsed row are inside its heading."""
    made: list[dict[str, Any]] = []
    inside = made
    for item, cell in cells(board):
        if isinstance(item, Row):
            heading = _heading(item, cell)
            made.append(heading)
            inside = heading["panels"] if item.collapsed else made
        else:
            inside.append(drawn(item, cell, panel_id(item.key), board))
    return made


def _trimmed(encoded: dict[str, Any]) -> dict[str, Any]:
    """Without ``placement``, by which the SDK would hide links and annotations in a menu.

    And without what it writes for every variable, and Grafana knows of intervals only.
    """
    for entry in (*encoded["links"], *encoded["annotations"]["list"]):
        entry.pop("placement", None)
    for entry in encoded["templating"]["list"]:
        for key in ("auto", "auto_count", "auto_min"):
            entry.pop(key, None)
    return encoded


def _variables(board: Board, links: Links) -> list[Any]:
    source = builders.DatasourceVariable("datasource").label("Data source").type("prometheus")
    source.current(dashboard.VariableOption(text="Prometheus", value="prometheus"))
    trace = _of_trace() if board.of_one_trace else []
    addresses = [
        builders.ConstantVariable(JAEGER_URL).value(links.jaeger),
        builders.ConstantVariable(LIVE_URL).value(links.live),
    ]
    return [source, *trace, *(_variable(variable) for variable in board.variables), *addresses]


def _of_trace() -> list[Any]:
    source = builders.DatasourceVariable(TRACE_SOURCE).label("Traces").type("jaeger")
    source.current(dashboard.VariableOption(text="Jaeger", value="jaeger"))
    return [source, builders.TextBoxVariable(TRACE).label("Trace").default_value("")]


def _variable(variable: Variable) -> builders.QueryVariable:
    series = promql.select(variable.family, *chosen(*variable.within)).text
    built = builders.QueryVariable(variable.label.name).label(variable.label.name.capitalize()).datasource(SOURCE)
    built.query(f"label_values({series}, {variable.label.name})")
    built.multi(multi=True).include_all(include_all=True).all_value(variable.everything)
    built.current(dashboard.VariableOption(text="All", value="$__all"))
    return built.refresh(dashboard.VariableRefresh.ON_TIME_RANGE_CHANGED).sort(dashboard.VariableSort.ALPHABETICAL_ASC)


def _marks(marks: Annotation) -> builders.AnnotationQuery:
    built = builders.AnnotationQuery().name(marks.name).datasource(SOURCE).enable(enable=True)
    built.icon_color(marks.colour.value).expr(marks.expr.text)
    return built.title_format(marks.title).text_format(marks.text)


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
        "collapsed": row.collapsed,
        "gridPos": position(cell),
        "panels": [],
    }
