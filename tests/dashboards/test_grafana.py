"""Grafana's JSON: what its linter asks for, and what the SDK would get wrong."""

import json
import re
from pathlib import Path

import promql_parser
import pytest

from inferometer.fleet.loader import load
from inferometer.fleet.model import Links
from inferometer_alerts.addresses import COMPOSE
from inferometer_alerts.time_scale import TimeScale
from inferometer_dashboards import colours, grafana, provisioning
from inferometer_dashboards.boards import boards

BOARDS = boards(load(Path(__file__).parents[2] / "examples/fleet.yaml"))
LINKS = Links()
BOARD = pytest.mark.parametrize("board", BOARDS, ids=lambda board: board.uid.value)


def written(board):
    return json.loads(grafana.dumps(board, LINKS))


def panels(board):
    """Every panel, those of collapsed rows too."""
    every = [inner for panel in written(board)["panels"] for inner in (panel, *panel.get("panels", []))]
    return [panel for panel in every if panel["type"] != "row"]


def queried(board):
    """Those that ask Prometheus."""
    return [panel for panel in panels(board) if panel["type"] != "text" and panel["datasource"]["type"] == "prometheus"]


@BOARD
def test_the_same_board_gives_the_same_bytes(board):
    assert grafana.dumps(board, LINKS) == grafana.dumps(board, LINKS)


@BOARD
def test_ids_are_unique_and_follow_from_the_key(board):
    ids = [panel["id"] for panel in (*panels(board), *written(board)["panels"])]

    assert len(set(ids)) == len({panel.key for panel in board.panels()}) + len(board.rows)
    assert set(ids) >= {grafana.panel_id(panel.key) for panel in board.panels()}


@BOARD
def test_a_board_is_read_only_and_of_a_schema_that_grafana_10_loads(board):
    document = written(board)

    assert document["schemaVersion"] <= 42
    assert document["editable"] is False
    assert document["uid"] == board.uid
    assert len(document["uid"]) <= 40


@BOARD
def test_there_is_one_variable_for_the_data_source_and_every_query_uses_it(board):
    document = written(board)
    sources = [v for v in document["templating"]["list"] if v["type"] == "datasource" and v["query"] == "prometheus"]

    assert [(v["name"], v["label"], v["query"]) for v in sources] == [("datasource", "Data source", "prometheus")]
    for panel in queried(board):
        for part in (panel, *panel["targets"]):
            assert part["datasource"] == {"type": "prometheus", "uid": "${datasource}"}


@BOARD
def test_variables_reload_with_the_time_range_and_mean_everything_at_first(board):
    for variable in written(board)["templating"]["list"]:
        if variable["type"] == "query":
            assert variable["refresh"] == 2
            assert variable["includeAll"]
            assert variable["multi"]
            assert variable["allValue"] in {".+", ".*"}
            assert variable["current"] == {"text": "All", "value": "$__all"}


@BOARD
def test_links_and_annotations_are_not_hidden_in_a_menu(board):
    assert '"placement": "inControlsMenu"' not in grafana.dumps(board, LINKS).decode()


@BOARD
def test_every_panel_has_a_unit_a_description_and_queries_with_names_of_their_own(board):
    assert all(panel["description"] for panel in panels(board))
    for panel in queried(board):
        letters = [target["refId"] for target in panel["targets"]]
        assert panel["fieldConfig"]["defaults"]["unit"]
        assert len(set(letters)) == len(letters) > 0


def test_latency_has_dots_that_open_traces():
    (model,) = [board for board in BOARDS if board.uid == "inferometer-model"]

    asked = [panel["title"] for panel in panels(model) if any(t.get("exemplar") for t in panel["targets"])]

    assert asked == [
        "Percentiles of the duration",
        "How durations are spread",
        "Time to the first chunk",
        "Time to the first token",
        "Time per output token",
    ]


def test_a_line_of_a_model_leads_to_its_traces_at_that_time():
    (model,) = [board for board in BOARDS if board.uid == "inferometer-model"]
    (percentiles,) = [panel for panel in panels(model) if panel["title"] == "Percentiles of the duration"]

    (link,) = percentiles["fieldConfig"]["defaults"]["links"]

    assert set(link) == {"title", "url", "targetBlank"}
    assert link["url"].startswith("${jaeger_url}/search?service=${__field.labels.service:percentencode}&tags=")
    assert "&start=${__from}000&end=${__to}000" in link["url"]


def test_a_table_names_its_columns_and_a_model_in_it_opens_the_latency_board():
    (fleet,) = [board for board in BOARDS if board.uid == "inferometer-fleet"]
    (models,) = [panel for panel in panels(fleet) if panel["title"] == "Models"]
    overrides = {entry["matcher"]["options"]: entry["properties"] for entry in models["fieldConfig"]["overrides"]}
    renamed = models["transformations"][1]["options"]["renameByName"]

    assert list(renamed.values()) == ["Requests/s", "Failed", "p99", "p99.9", "Device busy", "Cost per 1k"]
    assert {name: values[0]["value"] for name, values in overrides.items() if name != "model"} == {
        "Requests/s": "reqps",
        "Failed": "percentunit",
        "p99": "s",
        "p99.9": "s",
        "Device busy": "percentunit",
        "Cost per 1k": "currencyUSD",
    }
    assert overrides["model"][0]["value"][0]["url"].startswith("/d/inferometer-model?${__url_time_range}&var-model=")


@BOARD
def test_a_time_scale_is_said_on_the_board(board):
    note = TimeScale(60).note

    assert note in json.loads(grafana.dumps(board, LINKS, note=note))["description"]


def test_a_dot_opens_the_waterfall_the_board_of_the_request_and_jaeger():
    prometheus, jaeger = provisioning.datasources(COMPOSE, LINKS, TimeScale())["datasources"]

    waterfall, request, page = prometheus["jsonData"]["exemplarTraceIdDestinations"]

    assert {entry["name"] for entry in (waterfall, request, page)} == {"trace_id"}
    assert waterfall["datasourceUid"] == jaeger["uid"]
    # A doubled dollar is one that Grafana leaves alone when it reads the file.
    assert request["url"] == (
        "http://127.0.0.1:3000/d/inferometer-request?var-trace=$${__value.raw}"
        "&var-service=$${__data.fields.service:percentencode}&var-model=$${__data.fields.model:percentencode}"
        "&$${__url_time_range}"
    )
    assert page["url"] == "http://127.0.0.1:16686/trace/$${__value.raw}"
    assert prometheus["jsonData"]["timeInterval"] == "15s"


def test_thanos_is_asked_as_prometheus_is_where_an_installation_has_one():
    prometheus, regions, jaeger = provisioning.datasources(COMPOSE, LINKS, TimeScale(), every_region=True)[
        "datasources"
    ]

    assert [prometheus, jaeger] == provisioning.datasources(COMPOSE, LINKS, TimeScale())["datasources"]
    assert regions["type"] == "prometheus"
    assert "isDefault" not in regions
    assert regions["jsonData"] == {**prometheus["jsonData"], "prometheusType": "Thanos"}


def test_a_span_opens_the_series_of_its_service_and_model_around_it():
    _, jaeger = provisioning.datasources(COMPOSE, LINKS, TimeScale(60))["datasources"]
    asked = jaeger["jsonData"]["tracesToMetrics"]

    assert asked["tags"] == [
        {"key": "service.name", "value": "service"},
        {"key": "inference.model.name", "value": "model"},
    ]
    assert (asked["spanStartTimeShift"], asked["spanEndTimeShift"]) == ("-5s", "5s")
    for query in asked["queries"]:
        assert query["query"].count("$$__tags") == 1
        promql_parser.parse(query["query"].replace("$$__tags", 'service="s", model="m"'))


def test_stages_have_the_colours_of_the_live_page():
    style = (Path(grafana.__file__).parent / "live/static/live.css").read_text()
    bright = dict(re.findall(r"--stage-([a-z]+):(#[0-9a-f]{6})", style.partition("[data-theme=dark]")[0]))

    assert {stage.label: colour for stage, colour in colours.STAGES.items()} == bright


@BOARD
def test_panels_that_stack_stages_have_these_colours(board):
    for panel in queried(board):
        named = [target.get("legendFormat", "") for target in panel["targets"]]
        if panel["type"] in {"timeseries", "bargauge"} and named and all(name.endswith("{{stage}}") for name in named):
            matchers = {entry["matcher"]["options"] for entry in panel["fieldConfig"]["overrides"]}
            assert len(matchers & {rf"/(^|\s){stage.label}$/" for stage in colours.STAGES}) == len(colours.STAGES)
