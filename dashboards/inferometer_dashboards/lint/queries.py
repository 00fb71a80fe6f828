"""What panels ask: every query is parsed and followed label by label, as the rules' are."""

import re
from collections.abc import Iterator
from typing import Any, Final

import promql_parser

from inferometer_alerts.lint import Finding, Known
from inferometer_alerts.lint.expressions import Follower, Shape, nodes
from inferometer_alerts.time_scale import SCRAPE_NS
from inferometer_dashboards.lint.document import Document, of_prometheus
from inferometer_dashboards.panels import RANGE, RATE_INTERVAL

_MAGIC_SECONDS: Final = {RATE_INTERVAL: 8_869_987, RANGE: 8_869_993}
"""Lengths that nobody writes: the parser knows no variables in brackets, and these are recognised behind it."""
_LEGEND: Final = re.compile(r"\{\{\s*(\w+)\s*\}\}")
_LABELS_IN_LINKS: Final = re.compile(r"\$\{__(?:field\.labels|data\.fields)\.(\w+)[^}]*\}")
_OF_COUNTERS: Final = frozenset({"rate", "increase"})
_QUANTILE: Final = "histogram_quantile"
_BUCKET: Final = "_bucket"


def check(document: Document, known: Known) -> Iterator[Finding]:
    """Queries that Prometheus refuses, or that answer something else than what stands beside them."""
    for panel in document.panels():
        shapes = []
        for target in of_prometheus(panel):
            shape, said = _followed(target.get("expr", ""), target.get("legendFormat") or "", known)
            where = f"{document.where(panel)}/{target.get('refId')}"
            yield from (Finding(where, check, says) for check, says in said)
            shapes += [] if shape is None else [shape]
        if shapes:
            carried = frozenset.intersection(*(shape.has for shape in shapes))
            for label in sorted(set(_LABELS_IN_LINKS.findall(str(panel.get("fieldConfig")))) - carried):
                yield Finding(document.where(panel), "link-label", f"a link reads {label}, which not every result has")
    for annotation in document.annotations:
        written = f"{annotation.get('titleFormat', '')}{annotation.get('textFormat', '')}"
        _, said = _followed(annotation.get("expr", ""), written, known)
        yield from (Finding(f"{document.uid}/{annotation.get('name')}", check, says) for check, says in said)


def _followed(expr: str, legend: str, known: Known) -> tuple[Shape | None, list[tuple[str, str]]]:
    """The shape of a query's result, and what is wrong with it or with the name of its lines."""
    text = expr
    for variable, seconds in _MAGIC_SECONDS.items():
        text = text.replace(variable, f"{seconds}s")
    follower = Follower(known, SCRAPE_NS)
    shape = follower.follow(text)
    said = list(follower.said)
    if shape is not None:
        said += [*_windows(text), *_quantiles(text), *_names(legend, shape)]
    return shape, list(dict.fromkeys(said))


def _names(legend: str, shape: Shape) -> Iterator[tuple[str, str]]:
    for label in _LEGEND.findall(legend):
        if label not in shape.has:
            has = ", ".join(sorted(shape.labels or ())) or "no labels"
            yield "legend", f"{{{{{label}}}}}: the result has {has}"


def _windows(text: str) -> Iterator[tuple[str, str]]:
    for node in nodes(text):
        if isinstance(node, promql_parser.Call) and node.func.name in _OF_COUNTERS:
            (window,) = node.args
            if isinstance(window, promql_parser.MatrixSelector) and not _is_variable(window):
                yield "rate-interval", f"{window} is as long at every zoom: {RATE_INTERVAL} or {RANGE} is right"


def _is_variable(window: Any) -> bool:
    return round(window.range.total_seconds()) in _MAGIC_SECONDS.values()


def _quantiles(text: str) -> Iterator[tuple[str, str]]:
    """Of classic buckets the label `le` must get through to the quantile."""
    for node in nodes(text):
        if isinstance(node, promql_parser.Call) and node.func.name == _QUANTILE:
            inner = str(node.args[1])
            selected = [n.name for n in nodes(inner) if isinstance(n, promql_parser.VectorSelector) and n.name]
            if any(name.endswith(_BUCKET) for name in selected) and not _keeps_le(node.args[1]):
                yield "quantile", "of buckets whose label le was added away"


def _keeps_le(node: Any) -> bool:
    if isinstance(node, promql_parser.AggregateExpr):
        named = set(node.modifier.labels) if node.modifier is not None else set()
        by = node.modifier is not None and str(node.modifier.type).endswith("By")
        return ("le" in named) is by and (by or node.modifier is not None)
    return True
