"""What each kind of panel becomes in Grafana's JSON."""

import json
from dataclasses import replace

import pytest

from inferometer import promql
from inferometer.catalog.labels import MODEL, SERVICE, TENANT
from inferometer.catalog.requests import REQUESTS
from inferometer.errors import CatalogError
from inferometer.fleet.model import Links
from inferometer_alerts import prometheus_series, rule_labels
from inferometer_alerts.rule import Board as Uid
from inferometer_dashboards import grafana
from inferometer_dashboards.layout import cells
from inferometer_dashboards.panels import Board, Colour, Kind, Panel, Query, Row, Show, State, Step, Variable

UP = promql.max_by(promql.select(prometheus_series.UP), rule_labels.JOB)
PANEL = Panel(
    key="one",
    title="One",
    description="What it is. What to do.",
    unit=Show.COUNT,
    kind=Kind.LINES,
    promql=(Query(expr=UP, legend="{{job}}"),),
)


def board(*rows, **more):
    return Board(uid=Uid.SELF, title="Board", description="", variables=(), rows=rows, **more)


def written(**more):
    one = board(Row(title="Row", panels=(replace(PANEL, **more),)))
    (_, made) = json.loads(grafana.dumps(one, Links()))["panels"]
    return made


def test_a_timeline_names_its_states_and_joins_equal_ones():
    states = (State(1, "up", Colour.GOOD), State(0, "down", Colour.ACT))

    made = written(kind=Kind.TIMELINE, states=states)

    (mapping,) = made["fieldConfig"]["defaults"]["mappings"]
    assert made["type"] == "state-timeline"
    assert made["options"]["mergeValues"]
    assert {value: (one["text"], one["color"]) for value, one in mapping["options"].items()} == {
        "1": ("up", "green"),
        "0": ("down", "red"),
    }


def test_a_text_is_markdown_and_asks_nothing():
    made = written(kind=Kind.TEXT, promql=(), text="**this**")

    assert (made["type"], made["options"]["mode"], made["options"]["content"]) == ("text", "markdown", "**this**")
    assert not made.get("targets")


@pytest.mark.parametrize(("kind", "drawn"), [(Kind.TRACE, "traces"), (Kind.SPANS, "table")])
def test_a_trace_is_asked_of_jaeger_by_its_id(kind, drawn):
    made = written(kind=kind, promql=())

    (target,) = made["targets"]
    assert made["type"] == drawn
    assert target["query"] == "${trace}"
    assert target["datasource"] == made["datasource"] == {"type": "jaeger", "uid": "${traces}"}


def test_a_board_of_one_trace_has_a_field_for_its_id():
    (row,) = board(Row(title="Row", panels=(PANEL,))).rows
    names = {
        of_one: [one["name"] for one in json.loads(grafana.dumps(made, Links()))["templating"]["list"]]
        for of_one, made in {True: board(row, of_one_trace=True), False: board(row)}.items()
    }

    assert names[True] == ["datasource", "traces", "trace", "jaeger_url", "live_url"]
    assert names[False] == ["datasource", "jaeger_url", "live_url"]


def test_a_table_is_sorted_by_the_column_that_matters():
    made = written(kind=Kind.TABLE, sort="Worst", promql=(Query(expr=UP, legend="Worst", instant=True),))

    assert made["options"]["sortBy"] == [{"displayName": "Worst", "desc": True}]


def test_where_there_is_nothing_the_panel_says_why():
    assert written(empty="nothing fires")["fieldConfig"]["defaults"]["noValue"] == "nothing fires"


def test_what_may_be_negative_has_no_lower_end():
    assert written()["fieldConfig"]["defaults"]["min"] == 0
    assert "min" not in written(minimum=None)["fieldConfig"]["defaults"]


def test_limits_that_rise_to_good_are_red_below():
    def colours(*steps):
        defaults = written(steps=steps)["fieldConfig"]["defaults"]
        return [(step["value"], step["color"]) for step in defaults["thresholds"]["steps"]]

    assert colours(Step(0.25, Colour.GOOD)) == [(None, "red"), (0.25, "green")]
    assert colours(Step(1, Colour.WATCH), Step(5, Colour.ACT)) == [(None, "green"), (1, "orange"), (5, "red")]


def test_panels_of_a_collapsed_row_are_inside_it_and_the_next_row_follows_at_once():
    closed = Row(title="Closed", panels=(PANEL,), collapsed=True)
    below = Row(title="Below", panels=(replace(PANEL, key="two"),))
    one = board(closed, below)

    first, second, panel = json.loads(grafana.dumps(one, Links()))["panels"]

    assert (first["collapsed"], [inner["title"] for inner in first["panels"]]) == (True, ["One"])
    assert (second["collapsed"], second["panels"], panel["title"]) == (False, [], "One")
    rows = {item.title: cell.y for item, cell in cells(one) if isinstance(item, Row)}
    assert rows == {"Closed": 0, "Below": 1}


def test_everything_includes_what_lacks_the_label_where_that_may_be():
    assert Variable(label=TENANT, family=REQUESTS, optional=True).everything == ".*"
    assert Variable(label=SERVICE, family=REQUESTS).everything == ".+"


def test_a_choice_that_is_narrowed_by_a_later_one_is_refused():
    variables = (Variable(label=MODEL, family=REQUESTS, within=(SERVICE,)), Variable(label=SERVICE, family=REQUESTS))

    with pytest.raises(CatalogError, match="inferometer-self: model is within service, not before it"):
        replace(board(), variables=variables)
