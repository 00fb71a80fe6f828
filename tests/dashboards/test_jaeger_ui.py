"""What Jaeger's UI is told: links for what boards can be asked for, and nothing that breaks out of its page."""

import json
from dataclasses import replace

from inferometer.catalog import spans
from inferometer.catalog.labels import DEVICE, MODEL, TENANT
from inferometer.catalog.requests import REQUESTS
from inferometer.fleet.loader import load
from inferometer.fleet.model import Links, Tenants
from inferometer_alerts.rule import Board as Uid
from inferometer_compose.stack.configuration import demo_fleet
from inferometer_dashboards.boards import boards
from inferometer_dashboards.jaeger_ui import LINKS, dumps
from inferometer_dashboards.panels import Board, Variable


def constant(text, name):
    """The value of a constant of the script; what it holds is JSON."""
    begin = text.index(f"const {name} = ") + len(f"const {name} = ")
    return json.loads(text[begin : text.index(";\n", begin)])


def board(uid, *labels):
    return Board(
        uid=uid, title="A board", description="What?", rows=(),
        variables=tuple(Variable(label=label, family=REQUESTS) for label in labels),
    )  # fmt: skip


def test_every_link_of_the_example_finds_a_board_that_can_be_asked_for_its_value():
    fleet = load(demo_fleet())

    links = constant(dumps(fleet, boards(fleet)).decode(), "links")

    there = {one.uid for one in boards(fleet)}
    assert {(link["key"], link["board"]) for link in links} == {
        (link.attribute.name, link.board.value) for link in LINKS if link.board in there
    }
    assert {spans.DEVICE.name, spans.MODEL_NAME.name, spans.TENANT.name} <= {link["key"] for link in links}


def test_a_link_to_a_board_without_its_variable_is_left_out():
    fleet = load(demo_fleet())

    text = dumps(fleet, [board(Uid.COST, TENANT), board(Uid.MODEL, MODEL), board(Uid.GPU)]).decode()

    assert [(link["key"], link["variable"]) for link in constant(text, "links")] == [
        (spans.MODEL_NAME.name, MODEL.name),
        (spans.TENANT.name, TENANT.name),
    ]
    assert spans.DEVICE.name not in text
    assert DEVICE not in {link.label for link in LINKS if link.attribute is spans.TENANT}


def test_a_trace_is_shown_on_the_board_that_asks_for_one():
    fleet = load(demo_fleet())
    one = replace(board(Uid.REQUEST, MODEL), of_one_trace=True)

    assert (
        constant(dumps(fleet, [board(Uid.MODEL, MODEL), one]).decode(), "request") == "inferometer-request?var-trace="
    )
    assert constant(dumps(fleet, [board(Uid.MODEL, MODEL)]).decode(), "request") is None


def test_a_tenant_without_series_of_its_own_is_asked_for_as_the_rest():
    fleet = replace(load(demo_fleet()), tenants=Tenants(header="x", known=("acme", "a b")))

    assert constant(dumps(fleet, ()).decode(), "known") == {TENANT.name: ["acme", "a b"]}
    assert constant(dumps(replace(fleet, tenants=None), ()).decode(), "known") == {}


def test_what_a_fleet_says_cannot_leave_the_text_that_it_stands_in():
    hostile = '</script><script>alert("$0")</script>@LINKS@'
    links = Links(grafana=f"http://g/{hostile}")
    fleet = replace(load(demo_fleet()), links=links, tenants=Tenants(header="x", known=(hostile,)))

    text = dumps(fleet, ()).decode()

    assert "<" not in text.replace("< 0", "")
    assert "$" not in text
    assert constant(text, "grafana") == f"http://g/{hostile}"
    assert constant(text, "known")[TENANT.name] == [hostile]
