"""Every query of every board as Prometheus gets it, for whoever runs them without Grafana."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from inferometer.fleet.model import Fleet
from inferometer_alerts.time_scale import TimeScale
from inferometer_dashboards.boards import boards
from inferometer_dashboards.panels import RATE_INTERVAL, Board

ALL = ".+"
"""What stands for a variable when everything is chosen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PanelQuery:
    """A query of a panel, ready to run."""

    board: str
    panel: str
    expression: str


def expressions(fleet: Fleet, *, time_scale: int = 1) -> Iterator[PanelQuery]:
    """Every query with everything chosen and the shortest window that Grafana would take."""
    window = TimeScale(time_scale).over("1m")
    for board in boards(fleet):
        for panel in board.panels():
            for query in panel.promql:
                yield PanelQuery(
                    board=board.uid.value,
                    panel=panel.key,
                    expression=_substituted(query.expr.text, board, window),
                )


def _substituted(text: str, board: Board, window: str) -> str:
    names = "|".join(variable.label.name for variable in board.variables)
    return re.sub(rf"\$(?:{names})\b", ALL, text.replace(RATE_INTERVAL, window))
