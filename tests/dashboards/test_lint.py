"""The boards' lint: every generated board is clean, and each rule finds the board that breaks it."""

import copy
import json
from pathlib import Path

import pytest

from inferometer.catalog.labels import MODEL, SERVICE
from inferometer.catalog.requests import REQUEST_DURATION, REQUESTS
from inferometer.fleet.loader import load
from inferometer_dashboards import lint
from inferometer_dashboards.generation import files

ROOT = Path(__file__).parents[2]
EXAMPLE = load(ROOT / "examples/fleet.yaml")
KNOWN = lint.known(EXAMPLE)
SOURCE = {"type": "prometheus", "uid": "${datasource}"}
RATE = f'sum by (service, model) (rate({REQUESTS.name}{{service=~"$service", model=~"$model"}}[$__rate_interval]))'
QUERY = {"type": "query", "refresh": 2, "multi": True, "includeAll": True, "allValue": ".+", "datasource": SOURCE}


def panel(number, title, **more):
    """A panel that is as it should be."""
    return {
        "id": number,
        "type": "timeseries",
        "title": title,
        "description": "What it is. What to do.",
        "datasource": SOURCE,
        "gridPos": {"x": 12 * (number - 1), "y": 1, "w": 12, "h": 8},
        "fieldConfig": {"defaults": {"unit": "reqps", "links": []}, "overrides": []},
        "targets": [{"refId": "A", "datasource": SOURCE, "expr": RATE, "legendFormat": "{{service}} {{model}}"}],
        **more,
    }


BOARD = {
    "uid": "one",
    "title": "One",
    "description": "Which question?",
    "editable": False,
    "tags": ["ours"],
    "links": [{"type": "dashboards", "tags": ["ours"]}],
    "annotations": {
        "list": [
            {
                "name": "Many",
                "datasource": SOURCE,
                "expr": f"{RATE} > 100",
                "titleFormat": "{{service}}",
                "enable": True,
            }
        ]
    },
    "templating": {
        "list": [
            {"name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus"},
            {"name": "service", "query": f"label_values({REQUESTS.name}, {SERVICE.name})", **QUERY},
            {"name": "model", "query": f'label_values({REQUESTS.name}{{service=~"$service"}}, {MODEL.name})', **QUERY},
        ]
    },
    "panels": [
        {"type": "row", "id": 9, "title": "Row", "gridPos": {"x": 0, "y": 0, "w": 24, "h": 1}, "panels": []},
        panel(1, "Left"),
        panel(2, "Right"),
    ],
}


def found(*documents):
    """(check, what it says) of boards."""
    made = {f"{number}.json": json.dumps(document).encode() for number, document in enumerate(documents)}
    return [(finding.check, finding.says) for finding in lint.findings(made, KNOWN)]


def changed(change):
    """The good board after a change."""
    document = copy.deepcopy(BOARD)
    change(document)
    return document


def left(document):
    return document["panels"][1]


def asks(document, expr, legend=""):
    left(document)["targets"][0].update(expr=expr, legendFormat=legend)


def links_to(document, url):
    left(document)["fieldConfig"]["defaults"]["links"] = [{"title": "There", "url": url}]


def overridden(document, **setting):
    left(document)["fieldConfig"]["overrides"] = [
        {"matcher": {"id": "byName", "options": "x"}, "properties": [setting]}
    ]


@pytest.mark.parametrize(
    "fleet",
    [
        "examples/fleet.yaml",
        pytest.param("tools/boards/fleet.yaml", marks=pytest.mark.broad),
        pytest.param("examples/kubernetes/fleet.yaml", marks=pytest.mark.broad),
    ],
)
def test_every_generated_board_is_clean(fleet):
    declared = load(ROOT / fleet)
    boards = {name: content for name, content in files(declared).items() if name.startswith("grafana/dashboards/")}

    assert [str(finding) for finding in lint.findings(boards, lint.known(declared))] == []
    assert len(boards) >= 11


def test_a_board_that_is_as_it_should_be_is_clean():
    assert found(BOARD) == []


WRONG = {
    "two boards of one uid": ("uid", "two boards have it", None),
    "a board that can be edited": ("uneditable", "change it in the browser", lambda b: b.update(editable=True)),
    "a board that does not say its question": ("description", "which question", lambda b: b.update(description="")),
    "a panel without an id": ("id", "has none", lambda b: left(b).update(id=0)),
    "two panels of one id": ("id", "1 is another panel's", lambda b: b["panels"][2].update(id=1)),
    "a panel beyond the grid": ("grid", "columns 20 to 32", lambda b: left(b)["gridPos"].update(x=20, y=40)),
    "a panel upon another": ("overlap", "stands upon Right", lambda b: left(b)["gridPos"].update(x=4)),
    "a panel inside of an open row": (
        "row",
        "Grafana drops those",
        lambda b: b["panels"][0].update(panels=[panel(3, "In")], collapsed=False),
    ),
    "panels of a collapsed row upon each other": (
        "overlap",
        "stands upon Inside 2",
        lambda b: b["panels"][0].update(
            collapsed=True,
            panels=[
                panel(5, "Inside 1", gridPos={"x": 0, "y": 9, "w": 3, "h": 3}),
                panel(6, "Inside 2", gridPos={"x": 2, "y": 9, "w": 3, "h": 3}),
            ],
        ),
    ),
    "a panel without a title": ("title", "has none", lambda b: left(b).update(title="")),
    "two panels of one title": ("title", "another panel's", lambda b: left(b).update(title="Right")),
    "a panel without a description": ("description", "looks bad", lambda b: left(b).update(description="")),
    "a panel without a unit": ("unit", "has none", lambda b: left(b)["fieldConfig"]["defaults"].pop("unit")),
    "a unit that nobody knows": (
        "unit",
        "seconds is none",
        lambda b: left(b)["fieldConfig"]["defaults"].update(unit="seconds"),
    ),
    "a column's unit that nobody knows": ("unit", "USD is none", lambda b: overridden(b, id="unit", value="USD")),
    "a panel that asks nothing": ("no-targets", "asks nothing", lambda b: left(b).update(targets=[])),
    "two queries of one letter": (
        "refid",
        "the same letter",
        lambda b: left(b).update(targets=[left(b)["targets"][0], left(b)["targets"][0]]),
    ),
    "a data source by its uid": (
        "datasource",
        "prometheus is no variable",
        lambda b: left(b).update(datasource={"type": "prometheus", "uid": "prometheus"}),
    ),
    "a query's data source by its uid": (
        "datasource",
        "jaeger is no variable",
        lambda b: left(b)["targets"][0].update(datasource={"type": "prometheus", "uid": "jaeger"}),
    ),
    "a variable of another kind of data source": (
        "datasource",
        "of other data sources than jaeger",
        lambda b: left(b).update(datasource={"type": "jaeger", "uid": "${datasource}"}),
    ),
    "an annotation's data source by its uid": (
        "datasource",
        "is no variable",
        lambda b: b["annotations"]["list"][0].update(datasource={"type": "prometheus", "uid": "x"}),
    ),
    "a panel without a data source": ("datasource", "is not said", lambda b: left(b).update(datasource=None)),
    "an interval behind a panel": ("interval", "5m is set behind", lambda b: left(b).update(interval="5m")),
    "an interval behind a query": ("interval", "1m is set", lambda b: left(b)["targets"][0].update(interval="1m")),
    "a query that is no PromQL": ("syntax", "", lambda b: asks(b, "sum(")),
    "a series that nobody declares": ("series", "nobody declares other", lambda b: asks(b, "sum(other) > 0")),
    "a label that a series has not": (
        "label",
        "has no label device",
        lambda b: asks(b, f'sum(rate({REQUESTS.name}{{device="x"}}[$__rate_interval]))'),
    ),
    "a rate over a written window": (
        "rate-interval",
        "at every zoom",
        lambda b: asks(b, RATE.replace("$__rate_interval", "5m")),
    ),
    "an increase over a written window": (
        "rate-interval",
        "at every zoom",
        lambda b: asks(b, f"sum(increase({REQUESTS.name}[1h]))"),
    ),
    "a rate of a gauge": (
        "rate",
        "which is no counter",
        lambda b: asks(b, "sum(rate(inference_requests_in_flight[$__rate_interval]))"),
    ),
    "a counter as it is": ("counter", "raw samples", lambda b: asks(b, f"sum({REQUESTS.name})")),
    "a quantile of buckets without le": (
        "quantile",
        "label le was added away",
        lambda b: asks(
            b,
            f"histogram_quantile(0.9, sum by (model) (rate({REQUEST_DURATION.name}_bucket[$__rate_interval])))",
            "{{model}}",
        ),
    ),
    "a legend of a label that the query drops": (
        "legend",
        "{{version}}: the result has model, service",
        lambda b: asks(b, RATE, "{{version}}"),
    ),
    "an annotation's name of a label that its query drops": (
        "legend",
        "{{slo}}",
        lambda b: b["annotations"]["list"][0].update(textFormat="{{slo}}"),
    ),
    "an annotation that is no PromQL": ("syntax", "", lambda b: b["annotations"]["list"][0].update(expr="sum(")),
    "a link that reads a label that is not there": (
        "link-label",
        "reads tenant",
        lambda b: links_to(b, "/d/one?var-model=${__field.labels.tenant}"),
    ),
    "a link to a board that does not exist": (
        "link",
        "the board two",
        lambda b: links_to(b, "/d/two?${__url_time_range}"),
    ),
    "a link in a column to a board that does not exist": (
        "link",
        "the board three",
        lambda b: overridden(b, id="links", value=[{"title": "x", "url": "/d/three"}]),
    ),
    "a link in a text to a board that does not exist": (
        "link",
        "the board four",
        lambda b: left(b).update(type="text", targets=[], options={"content": "Look [there](/d/four)."}),
    ),
    "a link that passes what is not there": (
        "link",
        "passes device to one",
        lambda b: links_to(b, "/d/one?var-service=${__field.labels.service}&var-device=x"),
    ),
    "a link that passes a choice that is not there": (
        "link",
        "passes tenant to one",
        lambda b: links_to(b, "/d/one?${tenant:queryparam}&var-service=x"),
    ),
    "a list of boards that is empty": ("link", "there are none", lambda b: b["links"][0].update(tags=["theirs"])),
    "a variable that does not exist": (
        "variable",
        "$tenant is used",
        lambda b: asks(b, RATE.replace("$model", "$tenant")),
    ),
    "two variables of one name": (
        "variable",
        "the same name",
        lambda b: b["templating"]["list"].append(b["templating"]["list"][1]),
    ),
    "a variable that nobody uses": (
        "unused",
        "nothing changes",
        lambda b: b["templating"]["list"].append({"name": "x", "type": "custom", "query": "a,b"}),
    ),
    "a variable that is read once": (
        "template-on-time-change-reload",
        "when the board was opened",
        lambda b: b["templating"]["list"][1].update(refresh=1),
    ),
    "a variable narrowed by a later one": (
        "chain",
        "narrowed by $model",
        lambda b: b["templating"]["list"][1].update(
            query=f'label_values({REQUESTS.name}{{model=~"$model"}}, {SERVICE.name})'
        ),
    ),
    "a variable of no labels' values": (
        "query",
        "is not label_values",
        lambda b: b["templating"]["list"][1].update(query="query_result(up)"),
    ),
    "a variable of a label that its series has not": (
        "label",
        "has no label device",
        lambda b: b["templating"]["list"][1].update(query=f"label_values({REQUESTS.name}, device)"),
    ),
    "a data source that has another name": (
        "template-datasource",
        "labelled `Data source`",
        lambda b: b["templating"]["list"][0].update(label="Source"),
    ),
}


@pytest.mark.parametrize(("check", "says", "change"), WRONG.values(), ids=WRONG)
def test_a_board_that_breaks_a_rule_is_found(check, says, change):
    said = found(BOARD, BOARD) if change is None else found(changed(change))

    assert [text for name, text in said if name == check and says in text], said
