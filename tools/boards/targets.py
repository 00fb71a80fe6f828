"""Queries of boards, as their JSON has them, and what they yield."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from boards.grafana_variables import ALL, Chosen, Range, Variable, filled, references, resolved
from boards.server import Server

_LEGEND: Final = re.compile(r"\{\{\s*(\w+)\s*\}\}")
_STEP: Final = 60
"""Seconds between two points of a range: enough to see each value, and fewer of them."""
_PROMETHEUS: Final = "prometheus"


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One query of a panel, or of an annotation.

    Attributes:
        board: uid of the board.
        panel: title of the panel.
        letter: which of its queries.
        instant: whether only the last value is asked for.
        exemplar: whether the dots of traces are asked for.
        legend: name of each result.
        unit: unit of its values, as Grafana calls it.
    """

    board: str
    panel: str
    letter: str
    expr: str
    instant: bool
    exemplar: bool
    legend: str
    unit: str

    @property
    def legend_labels(self) -> tuple[str, ...]:
        """Labels that the legend names."""
        return tuple(_LEGEND.findall(self.legend))

    def __str__(self) -> str:
        return f"{self.board} / {self.panel} / {self.letter}"


@dataclass(frozen=True, slots=True)
class Found:
    """A series that a query yielded: its labels, and its numbers; a native histogram's number is its count."""

    labels: Mapping[str, str]
    values: tuple[float, ...]

    @property
    def last(self) -> float:
        """The newest number."""
        return self.values[-1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A target as it was run."""

    target: Target
    query: str
    chosen: Mapping[str, Chosen]
    found: tuple[Found, ...]
    exemplars: int = 0

    @property
    def variable(self) -> str | None:
        """The variable of which one value was chosen; None: everything."""
        return next((name for name, value in self.chosen.items() if value is not ALL), None)


def panels(document: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Panels of a board, those inside of collapsed rows too, without the rows."""
    for panel in document["panels"]:
        if panel["type"] == "row":
            yield from panel.get("panels") or ()
        else:
            yield panel


def targets(document: Mapping[str, Any]) -> Iterator[Target]:
    """Every query of a board that Prometheus answers."""
    for panel in panels(document):
        defaults = panel.get("fieldConfig", {}).get("defaults", {})
        units = _units(panel)
        for target in panel.get("targets") or ():
            if (target.get("datasource") or panel["datasource"])["type"] != _PROMETHEUS:
                continue
            yield Target(
                board=document["uid"],
                panel=panel["title"],
                letter=target["refId"],
                expr=target["expr"],
                instant=bool(target.get("instant")) and not target.get("range"),
                exemplar=bool(target.get("exemplar")),
                legend=target.get("legendFormat", ""),
                unit=units.get(target["refId"], defaults.get("unit", "")),
            )
    for annotation in document["annotations"]["list"]:
        if annotation["datasource"]["type"] == _PROMETHEUS:
            yield Target(
                board=document["uid"],
                panel=f"annotation {annotation['name']}",
                letter="A",
                expr=annotation["expr"],
                instant=False,
                exemplar=False,
                legend=annotation.get("titleFormat", "") + annotation.get("textFormat", ""),
                unit="",
            )


def _units(panel: Mapping[str, Any]) -> dict[str, str]:
    """Unit by the letter of a table's query: overrides name columns as they were renamed."""
    renamed: dict[str, str] = {}
    for transformation in panel.get("transformations") or ():
        renamed |= transformation.get("options", {}).get("renameByName", {})
    units = {
        override["matcher"]["options"]: setting["value"]
        for override in panel.get("fieldConfig", {}).get("overrides", ())
        for setting in override["properties"]
        if setting["id"] == "unit" and isinstance(override["matcher"].get("options"), str)
    }
    letters = [target["refId"] for target in panel.get("targets") or ()]
    columns = (
        {letter: f"Value #{letter}" for letter in letters} if len(letters) > 1 else dict.fromkeys(letters, "Value")
    )
    shown = {letter: renamed.get(column, column) for letter, column in columns.items()}
    return {letter: units[name] for letter, name in shown.items() if name in units}


def runs(document: Mapping[str, Any], server: Server, over: Range) -> Iterator[Run]:
    """Every query of a board: once with everything chosen, and once for each value of each variable in it."""
    variables = resolved(document, server, over)
    for target in targets(document):
        yield _run(target, server, over, variables, {})
        for name in sorted(references(target.expr) & variables.keys()):
            if variables[name].multi:
                for value in variables[name].values:
                    yield _run(target, server, over, variables, {name: value})


def _run(
    target: Target, server: Server, over: Range, variables: Mapping[str, Variable], chosen: Mapping[str, Chosen]
) -> Run:
    query = filled(target.expr, variables, chosen, over)
    if target.instant:
        found = [_instant(one) for one in server.instant(query, over.end)]
    else:
        found = [_ranged(one) for one in server.range(query, over.begin, over.end, _STEP)]
    exemplars = 0
    if target.exemplar and not chosen:
        times = [("start", f"{over.begin:.3f}"), ("end", f"{over.end:.3f}")]
        exemplars = sum(len(one["exemplars"]) for one in server.ask("query_exemplars", [("query", query), *times]))
    return Run(target=target, query=query, chosen=dict(chosen), found=tuple(found), exemplars=exemplars)


def _instant(one: Mapping[str, Any]) -> Found:
    if "histogram" in one:
        return Found(one["metric"], (float(one["histogram"][1]["count"]),))
    return Found(one["metric"], (float(one["value"][1]),))


def _ranged(one: Mapping[str, Any]) -> Found:
    values = [float(text) for _, text in one.get("values", ())]
    values += [float(histogram["count"]) for _, histogram in one.get("histograms", ())]
    return Found(one["metric"], tuple(values))
