"""A name is written once, in the catalogue."""

import ast
import re
from pathlib import Path

import pytest

from inferometer.catalog import index, labels, spans
from inferometer.catalog.labels import Label
from inferometer.catalog.model import Counter, Gauge, Histogram, Info, Series, Unit
from inferometer.catalog.stages import Stage
from inferometer.errors import CatalogError

ROOT = Path(__file__).parents[2]
PACKAGES = ("instrumentation", "exporters", "dashboards", "alerts", "compose")
CATALOG = ROOT / "instrumentation/inferometer/catalog"
SERIES = re.compile(r"\b(" + "|".join(sorted((s.name for s in index.SERIES), key=len, reverse=True)) + r")\b")
SPANS = (
    {entry.name for entry in spans.ATTRIBUTES}
    | {spans.stage_span(stage) for stage in Stage}
    | {spans.BATCH_SPAN, spans.BATCH_MEMBER_SPAN, spans.COLD_START_SPAN, spans.MODEL_LOAD_SPAN}
)


def modules(package: str) -> list[Path]:
    found = [path for path in (ROOT / package).rglob("*.py") if CATALOG not in path.parents]
    assert len(found) > 10
    return found


def strings(path: Path) -> list[tuple[int, str]]:
    """Those that are used: a string that stands alone is a text for people."""
    nodes = list(ast.walk(ast.parse(path.read_text())))
    lone = {id(node.value) for node in nodes if isinstance(node, ast.Expr)}
    return [
        (node.lineno, node.value)
        for node in nodes
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in lone
    ]


@pytest.mark.parametrize("package", PACKAGES)
def test_no_module_types_a_name_of_the_catalogue(package):
    typed = [
        f"{path.relative_to(ROOT)}:{line}: {text}"
        for path in modules(package)
        for line, text in strings(path)
        if SERIES.search(text) or text in SPANS
    ]

    assert not typed, f"import these from inferometer.catalog: {typed}"


def test_every_label_declared_is_used_by_a_series():
    declared = {entry.name for entry in vars(labels).values() if isinstance(entry, Label)}
    used = {name for entry in index.SERIES for name in entry.label_names}

    assert declared <= used


@pytest.mark.parametrize(
    ("kind", "name", "unit", "message"),
    [
        (Histogram, "request_duration", Unit.SECONDS, "must end in '_seconds'"),
        (Counter, "cost_usd", Unit.USD, "must end in '_usd_total'"),
        (Gauge, "Load", Unit.COUNT, "is not snake_case"),
        (Info, "build", Unit.COUNT, "must end in '_info'"),
    ],
)
def test_a_series_that_breaks_the_naming_rules_is_refused(kind: type[Series], name, unit, message):
    with pytest.raises(CatalogError, match=message):
        kind(name=name, unit=unit, help="A series.")


def test_a_label_without_a_bound_is_refused():
    with pytest.raises(CatalogError, match="every label is bounded"):
        Label(name="user", help="Anything.")


def test_a_series_that_names_a_label_twice_is_refused():
    label = Label(name="user", help="Anything.", max_values=3)
    with pytest.raises(CatalogError, match="names a label twice"):
        Gauge(name="things", unit=Unit.COUNT, help="Things.", labels=(label, label))


def test_looking_up_an_undeclared_series_names_it():
    with pytest.raises(CatalogError, match="no series 'nope'"):
        index.series("nope")
