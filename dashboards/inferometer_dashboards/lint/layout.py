"""Places on the grid, and ids."""

from collections.abc import Iterator, Sequence
from itertools import combinations

from inferometer_alerts.lint import Finding
from inferometer_dashboards.lint.document import Document, Json
from inferometer_dashboards.panels import GRID_COLUMNS


def check(document: Document) -> Iterator[Finding]:
    """Panels that stand outside of the grid or upon each other; ids that are missing or not alone."""
    yield from _grid(document, document.json["panels"])
    for heading in document.headings():
        yield from _grid(document, heading.get("panels") or ())
        if heading.get("panels") and not heading.get("collapsed"):
            yield Finding(document.where(heading), "row", "is open and holds panels: Grafana drops those")
    everything = [*document.headings(), *document.panels()]
    ids = [panel.get("id") for panel in everything]
    for panel in everything:
        if not panel.get("id"):
            yield Finding(document.where(panel), "id", "has none")
        elif ids.count(panel["id"]) > 1:
            yield Finding(document.where(panel), "id", f"{panel['id']} is another panel's, too")


def _grid(document: Document, panels: Sequence[Json]) -> Iterator[Finding]:
    for panel in panels:
        at = panel["gridPos"]
        if at["x"] < 0 or at["w"] <= 0 or at["h"] <= 0 or at["x"] + at["w"] > GRID_COLUMNS:
            yield Finding(document.where(panel), "grid", f"columns {at['x']} to {at['x'] + at['w']} of {GRID_COLUMNS}")
    for one, other in combinations(panels, 2):
        if _overlap(one["gridPos"], other["gridPos"]):
            yield Finding(document.where(one), "overlap", f"stands upon {other.get('title')}")


def _overlap(one: Json, other: Json) -> bool:
    across = one["x"] < other["x"] + other["w"] and other["x"] < one["x"] + one["w"]
    return bool(across and one["y"] < other["y"] + other["h"] and other["y"] < one["y"] + one["h"])
