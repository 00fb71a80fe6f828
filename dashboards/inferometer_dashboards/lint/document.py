"""A board's JSON, as the checks read it."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

PROMETHEUS: Final = "prometheus"
_REFERENCE: Final = re.compile(r"\$(\w+)|\$\{(\w+)[^}]*\}|\[\[(\w+)[^\]]*\]\]")
_OF_GRAFANA: Final = "__"
"""Names that begin so are Grafana's own: the range, the interval, the value that was clicked."""

Json = Mapping[str, Any]


def references(text: str) -> set[str]:
    """Names of the board's variables in a text."""
    names = {plain or braced or square for plain, braced, square in _REFERENCE.findall(text)}
    return {name for name in names if not name.startswith(_OF_GRAFANA)}


@dataclass(frozen=True, slots=True)
class Document:
    """One board."""

    json: Json

    @classmethod
    def parse(cls, content: bytes) -> "Document":
        """Read a board's file."""
        return cls(json.loads(content))

    @property
    def uid(self) -> str:
        """Its name in URLs."""
        return str(self.json.get("uid", ""))

    @property
    def variables(self) -> dict[str, Json]:
        """Variables by name, in their order."""
        return {entry["name"]: entry for entry in self.json["templating"]["list"]}

    @property
    def annotations(self) -> list[Json]:
        """Marks on the time axis."""
        return list(self.json["annotations"]["list"])

    def headings(self) -> Iterator[Json]:
        """Rows."""
        yield from (panel for panel in self.json["panels"] if panel["type"] == "row")

    def panels(self) -> Iterator[Json]:
        """Panels from top to bottom, without the rows; those inside of collapsed rows too."""
        for panel in self.json["panels"]:
            if panel["type"] == "row":
                yield from panel.get("panels") or ()
            else:
                yield panel

    def where(self, panel: Json) -> str:
        """How a finding names a panel."""
        return f"{self.uid}/{panel.get('title') or panel.get('id')}"

    def texts(self) -> Iterator[str]:
        """Everything that is written on it and may refer to a variable, without the variables themselves."""
        for part in ("panels", "annotations", "links"):
            yield from strings(self.json[part])


def strings(value: Any) -> Iterator[str]:
    """Every text in a piece of JSON."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from strings(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from strings(inner)


def targets(panel: Json) -> list[Json]:
    """Queries of a panel."""
    return list(panel.get("targets") or ())


def of_prometheus(panel: Json) -> list[Json]:
    """Queries of a panel that Prometheus answers."""
    own = panel.get("datasource") or {}
    return [target for target in targets(panel) if (target.get("datasource") or own).get("type") == PROMETHEUS]
