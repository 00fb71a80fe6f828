"""Where a value of a panel leads: to another board, at the same time and about the same thing, or to its traces.

What a result's labels say themselves needs no word of the panel: a model leads to its latency, a device to its board
at that minute, a tenant to what it costs, an SLO to its budget.
"""

from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import quote

from inferometer.catalog import spans
from inferometer.catalog.labels import DEVICE, MODEL, OUTCOME, SERVICE, SLO, TENANT, VERSION
from inferometer.catalog.model import Label
from inferometer_alerts.rule import Board as Uid
from inferometer_dashboards.panels import Board, Kind, Link, Panel

JAEGER_URL: Final = "jaeger_url"
"""Name of the hidden variable with the address of Jaeger's UI."""
LIVE_URL: Final = "live_url"
"""Name of the hidden variable with the address of the sidecar's own pages."""
_MINUTES_AROUND: Final = 10
_MOST_TRACES: Final = 50
_OF_A_MOMENT: Final = {Kind.LINES, Kind.STACK, Kind.TIMELINE}
"""Kinds of panels whose values have a time of their own."""
_LINKED: Final = {*_OF_A_MOMENT, Kind.HEATMAP, Kind.BARS, Kind.STAT, Kind.TABLE}
_TAGS: Final = {
    MODEL: spans.MODEL_NAME,
    VERSION: spans.MODEL_VERSION,
    TENANT: spans.TENANT,
    OUTCOME: spans.OUTCOME,
}
_BY_LABEL: Final = (
    Link(title="Where its time goes", board=Uid.MODEL, labels=(MODEL, SERVICE)),
    Link(title="Its budget", board=Uid.SLO, labels=(SLO, SERVICE, MODEL)),
    Link(title="The device at that minute", board=Uid.GPU, labels=(DEVICE,)),
    Link(title="What the tenant costs", board=Uid.COST, labels=(TENANT,)),
)
_VERSIONS: Final = Link(title="Versions side by side", board=Uid.VERSIONS, labels=(MODEL, SERVICE))
"""Of what has a version; without it, because one version alone has none beside it."""
_TRACES: Final = Link(title="Its traces in Jaeger", labels=(MODEL, SERVICE))


def of(panel: Panel, board: Board) -> tuple[Link, ...]:
    """All links of a panel: those of its own first; none to the board that it is on."""
    if panel.kind not in _LINKED or not panel.promql:
        return ()
    found = [*panel.links, *_said_by(_carried(panel))]
    # A later entry of a mapping wins, and the panel's own stand first.
    return tuple({(link.title, link.board): link for link in reversed(found) if link.board is not board.uid}.values())[
        ::-1
    ]


def _said_by(carried: set[str]) -> Iterator[Link]:
    yield from (link for link in _BY_LABEL if {label.name for label in link.labels} <= carried)
    if {label.name for label in (*_VERSIONS.labels, VERSION)} <= carried:
        yield _VERSIONS
    if {label.name for label in _TRACES.labels} <= carried:
        yield _TRACES


def _carried(panel: Panel) -> set[str]:
    """Labels of every query's result: a link must not depend on which line is clicked."""
    return set.intersection(*(set(query.expr.labels) for query in panel.promql))


def column(link: Link, panel: Panel) -> str | None:
    """Name of a table's column that a link stands in: that of its first label."""
    return next((label.name for label in link.labels if label.name in _carried(panel)), None)


def data_link(link: Link, panel: Panel, board: Board) -> dict[str, Any]:
    """A link as Grafana's JSON has it."""
    variables = {variable.label for variable in board.variables}
    carried = [label for label in link.labels if label.name in _carried(panel)]
    if link.live:
        return {"title": link.title, "url": _live(link, carried, panel), "targetBlank": True}
    if link.board is None:
        return {"title": link.title, "url": _search(link, carried, panel), "targetBlank": True}
    passed = [f"var-{label.name}={_value(label, panel)}" for label in carried]
    passed += [f"${{{label.name}:queryparam}}" for label in link.labels if label not in carried and label in variables]
    url = "&".join([f"/d/{link.board}?{_time(link, panel)}", *passed])
    return {"title": link.title, "url": url, "targetBlank": False}


def _value(label: Label, panel: Panel) -> str:
    where = "__data.fields" if panel.kind is Kind.TABLE else "__field.labels"
    return f"${{{where}.{label.name}:percentencode}}"


def _time(link: Link, panel: Panel) -> str:
    if link.board is Uid.GPU and panel.kind in _OF_A_MOMENT:
        return f"time=${{__value.time}}&time.window={_MINUTES_AROUND * 60_000}"
    return "${__url_time_range}"


def _live(link: Link, carried: list[Label], panel: Panel) -> str:
    # The live page counts seconds, and names what is chosen as the labels do.
    chosen = [f"{label.name}={_value(label, panel)}" for label in carried]
    shown = ["from=${__from:date:seconds}", "to=${__to:date:seconds}"]
    return f"${{{LIVE_URL}}}/{link.live}?{'&'.join([*chosen, *shown])}"


def _search(link: Link, carried: list[Label], panel: Panel) -> str:
    asked = [f"service={_value(SERVICE, panel)}"] if SERVICE in carried else []
    if tags := [_tag(label, panel) for label in _TAGS if label in carried]:
        asked.append(f"tags=%7B{'%2C'.join(tags)}%7D")
    if link.operation:
        asked.append(f"operation={quote(link.operation)}")
    # Jaeger counts microseconds.
    asked.append(f"start=${{__from}}000&end=${{__to}}000&lookback=custom&limit={_MOST_TRACES}")
    return f"${{{JAEGER_URL}}}/search?{'&'.join(asked)}"


def _tag(label: Label, panel: Panel) -> str:
    """A member of a JSON object."""
    name = f'"{_TAGS[label].name}":"'
    return f"{quote(name)}{_value(label, panel)}%22"
