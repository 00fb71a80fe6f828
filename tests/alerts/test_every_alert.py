"""Every alert has what its reader needs at three in the morning: what, how much, since when, whose, and where next."""

import re
from urllib.parse import parse_qs, urlsplit

import alert_fleets as fleets
import pytest

from inferometer.catalog.labels import MODEL, OUTCOME, SERVICE, SLO
from inferometer.fleet.loader import loads
from inferometer_alerts import runbook_pages
from inferometer_alerts.generation import alerts, rule_groups
from inferometer_alerts.policy import TIERS
from inferometer_alerts.rule import Alert, Board, Severity
from inferometer_alerts.rule_file import document
from inferometer_alerts.rule_labels import OBJECTIVE
from inferometer_alerts.time_scale import TimeScale
from inferometer_dashboards.boards import boards

FLEET = fleets.hostile()
SCALE = TimeScale(1)
BOARDS = {board.uid.value: board for board in boards(FLEET)}
NOTHING_TO_COUNT = {
    "InferenceMetricsAbsent", "InferenceNeverReported", "InferometerDown", "InferometerNoTargets",
    "InferometerHeartbeat", "GpuLost", "GpuMigInstanceGone", "InferenceDeviceTrouble",
}  # fmt: skip
"""Something is not there, or is: no value says more."""


def written(fleet, scale=SCALE):
    """Every alert, as it stands in a rule file."""
    for groups in rule_groups(fleet, scale).values():
        for group, made in zip(groups, document(groups, fleet, scale)["groups"], strict=True):
            for rule, one in zip(group.rules, made["rules"], strict=True):
                if isinstance(rule, Alert):
                    yield rule, one


ALL = list(written(FLEET))
each = pytest.mark.parametrize(("alert", "made"), ALL, ids=lambda one: getattr(one, "name", ""))


def test_these_are_all_alerts():
    assert [alert.name for alert, _ in ALL] == [alert.name for alert in alerts(FLEET, SCALE)]
    assert len({alert.name for alert, _ in ALL}) >= 40


@each
def test_its_name_and_labels_say_how_urgent_and_whose(alert, made):
    assert re.fullmatch(r"(Inference|Inferometer|Gpu|Device|Cost|Alerting)[A-Z][A-Za-z0-9]+", alert.name)
    assert len(alert.name) <= 40
    assert made["labels"]["severity"] in set(Severity)
    assert made["labels"]["slo_tier"] in {*TIERS, "cause"}
    assert "team" in {*made["labels"], *alert.expr.labels}


@each
def test_an_alert_on_an_objective_says_which(alert, made):
    if made["labels"]["slo_tier"] != "cause":
        assert {SLO.name, OBJECTIVE.name} <= {*alert.expr.labels, *made["labels"]}


@each
def test_its_summary_is_a_sentence_with_the_value_and_what_it_is_about(alert, made):
    summary = made["annotations"]["summary"]

    assert summary.endswith(".")
    assert "\n" not in summary
    assert "$value" in summary or alert.name in NOTHING_TO_COUNT
    if identities := {*alert.expr.labels} & {"service", "device", "budget"}:
        assert any(f"$labels.{label}" in summary for label in identities) or SLO.name in alert.expr.labels


@each
def test_its_description_says_more_than_its_summary(alert, made):
    description = made["annotations"]["description"]

    assert description.rstrip().endswith(".")
    assert len(description) >= 80
    assert description != made["annotations"]["summary"]


@each
def test_its_runbook_is_a_page_that_the_sidecar_shows(alert, made):
    url = made["annotations"]["runbook_url"]

    assert url == f"http://127.0.0.1:9465/runbooks/{alert.name}.md"
    assert f"<h1>{alert.name}</h1>" in runbook_pages.page(url.rpartition("/")[2])


@each
def test_its_board_exists_and_has_the_variables_that_the_link_sets(alert, made):
    url = urlsplit(made["annotations"]["dashboard_url"])
    query = parse_qs(url.query)

    board = BOARDS[url.path.removeprefix("/d/")]
    assert {f"var-{label.name}" for label in alert.variables} == {name for name in query if name.startswith("var-")}
    assert set(alert.variables) <= {variable.label for variable in board.variables}
    alert.expr.require(alert.variables)


@each
def test_its_links_show_the_time_before_the_alert(alert, made):
    for name, unit in (("dashboard_url", "UnixMilli"), ("traces_url", "Unix")):
        moments = re.findall(r"\(now \| toTime\)\.Add \(toDuration (-?[\d.e+]+)\)\)\.(\w+)", made["annotations"][name])

        (before, first), (after, second) = moments
        assert float(before) < -600
        assert 0 < float(after) <= 900
        assert first == second
        assert first.startswith(unit)


@each
def test_its_slow_requests_are_those_of_what_it_is_about(alert, made):
    url = urlsplit(made["annotations"]["traces_url"])

    assert url.path in {"/search", "/requests"}
    assert ("$labels.service" in url.query) == (SERVICE.name in alert.expr.labels)
    if MODEL in alert.variables:
        assert "$labels.model" in url.query
    if OUTCOME.name in alert.expr.labels:
        assert "$labels.outcome" in url.query


@each
def test_every_label_of_a_link_is_one_of_the_alert(alert, made):
    for text in made["annotations"].values():
        assert set(re.findall(r"\$labels\.(\w+)", text)) <= {*alert.expr.labels, *made["labels"]}


def test_a_folder_of_ones_own_takes_the_place_of_the_sidecars_runbooks():
    text = (fleets.ROOT / "examples/fleet.yaml").read_text() + "links: {runbooks: https://wiki.example.com/run/}\n"

    urls = {made["annotations"]["runbook_url"] for _, made in written(loads(text))}

    assert "https://wiki.example.com/run/GpuLost.md" in urls
    assert all(url.startswith("https://wiki.example.com/run/") for url in urls)


def test_with_a_time_scale_links_show_less():
    (made,) = (made for alert, made in written(FLEET, TimeScale(60)) if alert.name == "GpuLost")

    assert "toDuration -60)" in made["annotations"]["dashboard_url"]


def test_the_team_of_a_service_is_chosen_by_its_name_and_all_else_is_the_fleets():
    by_name = {alert.name: made["labels"].get("team") for alert, made in ALL}

    assert by_name["GpuLost"] == "platform"
    assert by_name["InferenceErrorSpike"] == (
        '{{ if eq $labels.service "ser\\"vi\\\\ce {{ .X }} $labels ü" }}search{{ else }}platform{{ end }}'
    )


def test_a_fleet_without_teams_has_no_such_label():
    text = re.sub(r"(?m)^team:.*\n", "", (fleets.ROOT / "examples/fleet.yaml").read_text())

    assert not [alert.name for alert, made in written(loads(text)) if "team" in made["labels"]]


def test_each_board_is_one_of_the_fleet():
    assert {alert.board.value for alert, _ in ALL} <= BOARDS.keys() <= {board.value for board in Board}
