"""Nothing is measured for nobody: each series of the catalogue is on a board, or it is said why not."""

import re
from pathlib import Path

from inferometer.catalog import devices, index, telemetry
from inferometer.fleet.loader import load
from inferometer_dashboards.boards import boards

FLEET = load(Path(__file__).parents[2] / "examples/fleet.yaml")
NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
PARTS = ("", "_bucket", "_sum", "_count")
ELSEWHERE = {
    devices.IDLE_COST.name: "boards read what is recorded of it: the idle share and the idle dollars of an hour",
    devices.NODE_GPU_COST.name: "OpenCost's boards, which know it by this name",
    telemetry.WORKER_INFO.name: "a join on service and pid that adds pod and node to a series of workers",
}
"""Series that no board shows, and who reads them."""


def shown() -> set[str]:
    texts = (query.expr.text for board in boards(FLEET) for panel in board.panels() for query in panel.promql)
    return {word for text in texts for word in NAME.findall(text)}


def test_every_series_of_the_catalogue_is_on_a_board_or_it_is_said_who_reads_it():
    words = shown()

    unseen = {entry.name for entry in index.SERIES if not words & {f"{entry.name}{part}" for part in PARTS}}

    assert sorted(unseen - ELSEWHERE.keys()) == [], "show it, or say in ELSEWHERE who reads it"
    assert sorted(ELSEWHERE.keys() - unseen) == [], "a board shows it now: take it out of ELSEWHERE"
