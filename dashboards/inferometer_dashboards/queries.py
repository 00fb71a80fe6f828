"""Every query of every board as Prometheus gets it, for whoever runs them without Grafana."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from inferometer.fleet.model import Fleet
from inferometer_alerts.time_scale import TimeScale
from inferometer_dashboards.boards import boards
from inferometer_dashboards.panels import RANGE, RATE_INTERVAL, Board


@dataclass(frozen=True, slots=True, kw_only=True)
class PanelQuery:
    """A query of a panel, ready to run."""

    board: str
    panel: str
    expression: str


def expressions(fleet: Fleet, *, time_scale: int = 1) -> Iterator[PanelQuery]:
    """Every query with everything chosen and the shortest window that Grafana would take."""
    scale = TimeScale(time_scale)
    window, shown = scale.over("1m"), scale.over("1h")
    for board in boards(fleet):
        for panel in board.panels():
            for query in panel.promql:
                yield PanelQuery(
                    board=board.uid.value,
                    panel=panel.key,
                    expression=_substituted(query.expr.text, board, window, shown),
                )


def _substituted(text: str, board: Board, window: str, shown: str) -> str:
    everything = {variable.label.name: variable.everything for variable in board.variables}
    filled = text.replace(RATE_INTERVAL, window).replace(RANGE, shown)
    return re.sub(r"\$(\w+)\b", lambda match: everything.get(match[1], match[0]), filled)
