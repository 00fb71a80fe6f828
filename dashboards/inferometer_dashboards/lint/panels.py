"""What a panel says of itself: title, description, unit, where its data come from."""

import re
from collections.abc import Iterator
from typing import Any, Final

from inferometer_alerts.lint import Finding
from inferometer_dashboards.lint.document import Document, Json, of_prometheus, references, targets
from inferometer_dashboards.sdk import units

_WITHOUT_UNIT: Final = frozenset({"text", "traces", "state-timeline"})
"""They show no numbers, or names of them."""
_WITHOUT_TARGETS: Final = frozenset({"text"})
_UNITS: Final = frozenset(value for name, value in vars(units).items() if name[:1].isupper() and isinstance(value, str))
"""Units that Grafana knows, as its SDK lists them."""
_OF_ONES_OWN: Final = re.compile(r"(?:prefix|suffix|time|si|count|currency|bool):.+")
"""Units that a panel makes itself, in the ways that Grafana has for it."""


def check(document: Document) -> Iterator[Finding]:
    """Panels without what their reader needs."""
    if document.json.get("editable") is not False:
        yield Finding(
            document.uid, "uneditable", "somebody could change it in the browser, and the next file undo that"
        )
    if not document.json.get("description"):
        yield Finding(document.uid, "description", "does not say which question it answers")
    titles = [panel.get("title") for panel in document.panels()]
    for panel in document.panels():
        found = [*_of_words(panel, titles), *_of_targets(panel)]
        found += [("unit", says) for says in _of_units(panel)]
        found += [("datasource", says) for says in _of_sources(document, panel)]
        found += [("interval", says) for says in _of_intervals(panel)]
        yield from (Finding(document.where(panel), check, says) for check, says in found)
    for annotation in document.annotations:
        for says in _of_source(document, annotation):
            yield Finding(f"{document.uid}/{annotation.get('name')}", "datasource", says)


def _of_words(panel: Json, titles: list[str | None]) -> Iterator[tuple[str, str]]:
    if not panel.get("title"):
        yield "title", "has none"
    elif titles.count(panel["title"]) > 1:
        yield "title", "is another panel's, too"
    if not panel.get("description"):
        yield "description", "does not say what to do when it looks bad"


def _of_targets(panel: Json) -> Iterator[tuple[str, str]]:
    letters = [target.get("refId") for target in targets(panel)]
    if not letters and panel["type"] not in _WITHOUT_TARGETS:
        yield "no-targets", "asks nothing"
    if len(set(letters)) != len(letters) or None in letters:
        yield "refid", "two of its queries have the same letter, or one has none"


def _of_units(panel: Json) -> Iterator[str]:
    if panel["type"] in _WITHOUT_UNIT or not of_prometheus(panel):
        return
    unit = panel.get("fieldConfig", {}).get("defaults", {}).get("unit")
    if not unit:
        yield "has none"
    overridden = [
        setting["value"]
        for override in panel.get("fieldConfig", {}).get("overrides") or ()
        for setting in override["properties"]
        if setting["id"] == "unit"
    ]
    for name in [*([unit] if unit else []), *overridden]:
        if name not in _UNITS and not _OF_ONES_OWN.fullmatch(name):
            yield f"{name} is none that Grafana knows"


def _of_sources(document: Document, panel: Json) -> Iterator[str]:
    if panel["type"] in _WITHOUT_TARGETS:
        return
    for part in (panel, *targets(panel)):
        yield from _of_source(document, part)


def _of_source(document: Document, part: Json) -> Iterator[str]:
    source: Any = part.get("datasource")
    if not isinstance(source, dict) or not source.get("uid"):
        yield "is not said"
        return
    names = references(source["uid"])
    known = [document.variables.get(name, {}) for name in names]
    if not names or any(variable.get("type") != "datasource" for variable in known):
        yield f"{source['uid']} is no variable of data sources: it exists in one Grafana only"
    elif any(variable.get("query") != source.get("type") for variable in known):
        yield f"{source['uid']} is a variable of other data sources than {source.get('type')}"


def _of_intervals(panel: Json) -> Iterator[str]:
    """An interval beside the query's text: nobody sees it there, and $__rate_interval knows nothing of it."""
    for part in (panel, *targets(panel)):
        if part.get("interval"):
            yield f"{part['interval']} is set behind the query: write $__rate_interval into it"
