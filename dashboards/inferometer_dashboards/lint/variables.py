"""Variables: that they exist, are used, chained in order, bounded, and read again when the time range changes."""

import re
from collections.abc import Iterator
from typing import Final

from inferometer_alerts.lint import Finding, Known
from inferometer_alerts.lint.expressions import Follower
from inferometer_alerts.time_scale import SCRAPE_NS
from inferometer_dashboards.lint.document import PROMETHEUS, Document, Json, references, strings

_SOURCE: Final = ("datasource", "Data source")
_LABEL_VALUES: Final = re.compile(r"label_values\((.+),\s*(\w+)\)", re.DOTALL)
_ON_TIME_RANGE: Final = 2
"""`refresh`: when the time range changes."""


def check(document: Document, known: Known) -> Iterator[Finding]:
    """Variables that are wrong, missing or of no use."""
    entries = document.variables
    if len(entries) != len(document.json["templating"]["list"]):
        yield Finding(document.uid, "variable", "two variables have the same name")
    sources = [entry for entry in entries.values() if entry["type"] == "datasource" and entry["query"] == PROMETHEUS]
    if [(entry["name"], entry.get("label")) for entry in sources] != [_SOURCE]:
        yield Finding(
            document.uid, "template-datasource", "one variable `datasource`, labelled `Data source`, is right"
        )
    for name in sorted(_used(document) - entries.keys()):
        yield Finding(document.uid, "variable", f"${name} is used, and there is none")
    used = _used(document) | {
        name for entry in entries.values() for text in strings(entry) for name in references(text)
    }
    for name, entry in entries.items():
        where = f"{document.uid}/${name}"
        if name not in used and not entry.get("hide"):
            yield Finding(where, "unused", "somebody may choose it, and nothing changes")
        if entry["type"] == "query":
            yield from (Finding(where, check, says) for check, says in _of_query(document, entry, known))


def _used(document: Document) -> set[str]:
    return {name for text in document.texts() for name in references(text)}


def _of_query(document: Document, entry: Json, known: Known) -> Iterator[tuple[str, str]]:
    if entry.get("refresh") != _ON_TIME_RANGE:
        yield "template-on-time-change-reload", "shows the values of when the board was opened"
    names = list(document.variables)
    before = names[: names.index(entry["name"])]
    query = entry["query"] if isinstance(entry["query"], str) else entry["query"]["query"]
    for name in sorted(references(query) - set(before)):
        yield "chain", f"is narrowed by ${name}, which does not stand before it"
    parsed = _LABEL_VALUES.fullmatch(query.strip())
    if parsed is None:
        yield "query", f"{query} is not label_values(series, label)"
        return
    series, label = parsed.groups()
    follower = Follower(known, SCRAPE_NS)
    shape = follower.follow(series)
    yield from follower.said
    if shape is not None and label not in shape.has:
        yield "label", f"{series} has no label {label}"
