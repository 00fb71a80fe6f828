"""Boards as ConfigMaps: the sidecar beside Grafana puts them into its folder."""

from collections.abc import Iterator
from typing import Final

from inferometer.fleet.model import Fleet
from inferometer_alerts.time_scale import TimeScale
from inferometer_compose.kubernetes.names import Manifest, metadata
from inferometer_dashboards import grafana
from inferometer_dashboards.boards import boards

SELECTED: Final = {"grafana_dashboard": "1"}
"""Label that Grafana's chart lets its sidecar look for."""
FOLDER: Final = {"grafana_folder": "Inferometer"}
"""Annotation; with `folderAnnotation: grafana_folder` and `foldersFromFilesStructure: true` in the chart."""


def config_maps(fleet: Fleet, scale: TimeScale) -> Iterator[tuple[str, Manifest]]:
    """A ConfigMap for each board, by the board's uid: together they may be too large for one."""
    for board in boards(fleet):
        text = grafana.dumps(board, fleet.links, note=scale.note).decode()
        made = metadata(fleet, board.uid, **SELECTED)
        made["annotations"] = FOLDER
        yield (
            board.uid,
            {
                "apiVersion": "v1",
                "kind": "ConfigMap",
                "metadata": made,
                "data": {f"{board.uid}.json": text},
            },
        )
