"""Where a board leads: that the place exists, and takes what is passed."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

from inferometer_alerts.lint import Finding
from inferometer_dashboards.lint.document import Document, references

_BOARD: Final = re.compile(r"(?:^|[\s(])(/d/([\w-]+)[^\s)]*)")
_PASSED: Final = re.compile(r"(?:^|[&?])\$\{(\w+):queryparam\}")
_VARIABLE: Final = "var-"


def check(document: Document, boards: Mapping[str, Document]) -> Iterator[Finding]:
    """Links to boards that do not exist, or that pass a variable that is not there."""
    for where, url in _urls(document):
        for whole, uid in _BOARD.findall(url):
            target = boards.get(uid)
            if target is None:
                yield Finding(where, "link", f"leads to the board {uid}, and there is none")
                continue
            for name in sorted(_passed(whole) - target.variables.keys()):
                yield Finding(where, "link", f"passes {name} to {uid}, which has no such variable")
    for link in document.json.get("links") or ():
        if link.get("type") == "dashboards" and not any(_tagged(other, link["tags"]) for other in boards.values()):
            yield Finding(document.uid, "link", f"lists boards with the tags {', '.join(link['tags'])}: there are none")


def _urls(document: Document) -> Iterator[tuple[str, str]]:
    """Every link, and every text that may have one, with where it stands."""
    for panel in document.panels():
        where = document.where(panel)
        yield from ((where, url) for url in _in(panel.get("fieldConfig", {})))
        yield from ((where, link["url"]) for link in panel.get("links") or ())
        yield where, panel.get("options", {}).get("content", "")
    yield from ((document.uid, link["url"]) for link in document.json.get("links") or () if link.get("url"))


def _in(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if key == "url" and isinstance(inner, str):
                yield inner
            else:
                yield from _in(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _in(inner)


def _passed(url: str) -> set[str]:
    """Variables that a link sets on the other board."""
    query = urlsplit(re.sub(r"\$\{[^}]*\}", "x", url)).query
    named = {key.removeprefix(_VARIABLE) for key, _ in parse_qsl(query) if key.startswith(_VARIABLE)}
    return named | {name for name in _PASSED.findall(url) if name in references(url)}


def _tagged(document: Document, tags: list[str]) -> bool:
    return set(tags) <= set(document.json.get("tags") or ())
