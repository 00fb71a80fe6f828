"""From a number to its cause: each value leads on, with what it is about and the time that is shown."""

from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote

import pytest

from inferometer import promql
from inferometer.catalog import gpus
from inferometer.catalog.labels import DEVICE, MODEL, SERVICE, TENANT
from inferometer.catalog.requests import COST, REQUESTS
from inferometer.fleet.loader import load
from inferometer_alerts import recorded_slos
from inferometer_alerts.rule import Board as Uid
from inferometer_dashboards import links
from inferometer_dashboards.boards import boards
from inferometer_dashboards.panels import Board, Kind, Link, Panel, Query, Row, Show, Variable

BOARDS = {board.uid: board for board in boards(load(Path(__file__).parents[2] / "examples/fleet.yaml"))}
BOARD = pytest.mark.parametrize("of", BOARDS.values(), ids=lambda board: board.uid.value)


def all_links(of):
    """Panel and link of every link on a board."""
    return [(one, link) for one in of.panels() for link in links.of(one, of)]


def panel(*expressions, kind=Kind.LINES, more=()):
    queries = tuple(Query(expr=expr, legend=f"Column {index}") for index, expr in enumerate(expressions))
    return Panel(key="one", title="One", description="", unit=Show.COUNT, kind=kind, promql=queries, links=more)


def board(one, *labels, uid=Uid.FLEET):
    variables = tuple(Variable(label=label, family=REQUESTS) for label in labels)
    return Board(uid=uid, title="", description="", variables=variables, rows=(Row(title="", panels=(one,)),))


def by_title(one, on):
    return {link.title: links.data_link(link, one, on)["url"] for link in links.of(one, on)}


OF_MODEL = promql.sum_by(promql.rate(promql.select(REQUESTS), "5m"), SERVICE, MODEL)
OF_DEVICE = promql.max_by(promql.select(gpus.GPU_UTILIZATION), DEVICE)


def test_boards_have_links():
    assert len([link for of in BOARDS.values() for link in all_links(of)]) > 100


@BOARD
def test_every_link_leads_to_a_board_that_can_be_asked_for_what_it_passes(of):
    for one, link in all_links(of):
        if link.board is not None:
            variables = {variable.label for variable in BOARDS[link.board].variables}
            lacking = {label.name for label in set(link.labels) - variables}

            assert link.board is not of.uid, (one.key, link.title)
            assert not lacking, f"{one.key}, {link.title}: {link.board} has no variable for {lacking}"


@BOARD
def test_every_link_is_about_something_and_keeps_the_time(of):
    times = ("__url_time_range", "time.window", "start=${__from}000", "from=${__from")
    for one, link in all_links(of):
        url = links.data_link(link, one, of)["url"]

        assert any(moment in url for moment in times), (one.key, link.title)
        if link.board is None and not link.live:
            assert "service=" in url, f"{one.key}, {link.title}: Jaeger searches in one service only"


@BOARD
def test_a_link_of_a_table_stands_in_a_column(of):
    for one, link in all_links(of):
        if one.kind is Kind.TABLE:
            assert links.column(link, one) in one.promql[0].expr.labels, (one.key, link.title)


def test_a_model_leads_to_its_latency_and_to_its_traces():
    one = panel(OF_MODEL)

    found = by_title(one, board(one, SERVICE, MODEL))

    model, service = "${__field.labels.model:percentencode}", "${__field.labels.service:percentencode}"
    assert found["Where its time goes"] == (
        f"/d/inferometer-model?${{__url_time_range}}&var-model={model}&var-service={service}"
    )
    traces = found["Its traces in Jaeger"]
    assert traces.startswith(f"${{jaeger_url}}/search?service={service}&tags=")
    assert f'tags={{"inference.model.name":"{model}"}}&' in unquote(traces)


def test_a_device_leads_to_its_board_at_that_minute():
    lines, table = panel(OF_DEVICE), panel(OF_DEVICE, kind=Kind.TABLE)

    (at_a_moment,) = by_title(lines, board(lines)).values()
    (of_a_row,) = by_title(table, board(table)).values()

    assert at_a_moment == (
        "/d/inferometer-gpu?time=${__value.time}&time.window=600000&var-device=${__field.labels.device:percentencode}"
    )
    assert of_a_row == "/d/inferometer-gpu?${__url_time_range}&var-device=${__data.fields.device:percentencode}"


def test_a_tenant_leads_to_what_it_costs_and_an_slo_to_its_budget():
    tenant = panel(promql.sum_by(promql.rate(promql.select(COST), "5m"), TENANT))
    slo = panel(promql.select(recorded_slos.SLO_BUDGET_LEFT))

    assert by_title(tenant, board(tenant))["What the tenant costs"].startswith("/d/inferometer-cost?")
    assert "var-slo=" in by_title(slo, board(slo))["Its budget"]


def test_nothing_leads_to_the_board_that_it_is_on():
    one = panel(OF_DEVICE)

    assert links.of(one, board(one, uid=Uid.GPU)) == ()


def test_a_link_does_not_depend_on_which_line_is_clicked():
    one = panel(OF_MODEL, promql.sum_by(OF_MODEL, SERVICE))

    assert by_title(one, board(one)) == {}


def test_what_a_result_does_not_carry_is_taken_from_the_variables_of_the_board():
    link = Link(title="Queues", board=Uid.QUEUES, labels=(SERVICE, MODEL))
    one = panel(promql.sum_by(OF_MODEL, SERVICE), more=(link,))

    with_model = links.data_link(link, one, board(one, SERVICE, MODEL))["url"]
    without = links.data_link(link, one, board(one, SERVICE))["url"]

    assert with_model.endswith("&var-service=${__field.labels.service:percentencode}&${model:queryparam}")
    assert "model" not in without


def test_values_in_addresses_are_encoded():
    for of, one, link in [(on, *found) for on in BOARDS.values() for found in all_links(on)]:
        url = links.data_link(link, one, of)["url"]
        assert "${__field.labels." not in url.replace(":percentencode}", "").replace(
            "${__field.labels.", "", url.count(":percentencode}")
        )


def test_exact_shares_of_the_tail_are_on_the_live_page():
    of = BOARDS[Uid.MODEL]
    (tail,) = [one for one in of.panels() if one.key == "stage-shares-of-tail"]

    assert by_title(tail, of)["Exact shares of the slowest hundredth"] == (
        "${live_url}/model?service=${__field.labels.service:percentencode}&model=${__field.labels.model:percentencode}"
        "&from=${__from:date:seconds}&to=${__to:date:seconds}"
    )


def test_the_path_of_three_clicks_is_there():
    """From "p99 is bad" to the stage, the version, the device and the request."""

    def leads(of, key):
        (one,) = [each for each in BOARDS[of].panels() if each.key == key]
        return {link.board for link in links.of(one, BOARDS[of])}, one

    to, _ = leads(Uid.FLEET, "models")
    assert Uid.MODEL in to
    _, percentiles = leads(Uid.MODEL, "percentiles")
    assert any(query.exemplar for query in percentiles.promql), "a dot opens the request"
    to, _ = leads(Uid.REQUEST, "device-states")
    assert Uid.GPU in to
    to, _ = leads(Uid.REQUEST, "tenant")
    assert Uid.COST in to
    to, _ = leads(Uid.MODEL, "versions")
    assert Uid.VERSIONS in to


def test_a_link_of_ones_own_takes_the_place_of_the_usual_one():
    mine = Link(title="Where its time goes", board=Uid.MODEL, labels=(SERVICE,))
    one = panel(OF_MODEL, more=(mine,))

    assert [link for link in links.of(one, board(one)) if link.board is Uid.MODEL] == [replace(mine)]
