"""Rule files: every name is declared, every alert says what its reader needs."""

import re

import alert_fleets as fleets
import promql_parser
import pytest
from ruamel.yaml import YAML

from inferometer import promql
from inferometer.catalog import index
from inferometer.catalog.labels import MODEL, SERVICE
from inferometer.catalog.model import Unit
from inferometer.errors import CatalogError
from inferometer.fleet.loader import loads
from inferometer_alerts import recorded_slos
from inferometer_alerts.generation import alerts, files, rule_groups
from inferometer_alerts.lint.known import SERIES
from inferometer_alerts.rule import Alert, Rule
from inferometer_alerts.rule_series import Builtin, Recorded
from inferometer_alerts.time_scale import TimeScale

FLEETS = {"example": fleets.example(), "hostile": fleets.hostile()}
SCALES = [TimeScale(1), TimeScale(60)]
HEADINGS = ["## What it means", "## See", "## Decide", "## Act"]


def declared(groups) -> dict[str, set[str]]:
    """Labels by series: of the catalogue, of Prometheus, and of what the rules themselves record."""
    known = {series.name: set(series.label_names) for series in index.SERIES}
    for series in index.SERIES:
        if series.kind == "histogram":
            known |= {f"{series.name}_{part}": set(series.label_names) | {"le"} for part in ("bucket", "count", "sum")}
    known |= {series.name: set(series.label_names) for series in SERIES}
    for group in groups:
        known |= {rule.series.name: set(rule.series.label_names) for rule in group.rules if isinstance(rule, Rule)}
    return known


def selectors(node):
    """Every vector selector below a node of the parser."""
    if isinstance(node, promql_parser.VectorSelector):
        yield node
    for name in ("expr", "lhs", "rhs", "vector_selector", "param"):
        if (child := getattr(node, name, None)) is not None and not isinstance(child, str):
            yield from selectors(child)
    for child in getattr(node, "args", None) or ():
        yield from selectors(child)


@pytest.mark.parametrize("scale", SCALES, ids=lambda scale: f"scale {scale.factor}")
@pytest.mark.parametrize("fleet", FLEETS.values(), ids=FLEETS.keys())
def test_every_expression_parses_and_reads_declared_series_and_labels_only(fleet, scale):
    groups = [group for of_file in rule_groups(fleet, scale).values() for group in of_file]
    known, read = declared(groups), 0

    for rule in (rule for group in groups for rule in group.rules):
        for selector in selectors(promql_parser.parse(rule.expr.text)):
            assert selector.name in known, rule.expr.text
            assert {matcher.name for matcher in selector.matchers.matchers} <= known[selector.name], rule.expr.text
            read += 1
    assert read > len(groups)


def test_every_series_that_is_recorded_once_is_declared_in_one_place():
    groups = [
        group for fleet in FLEETS.values() for of_file in rule_groups(fleet, SCALES[0]).values() for group in of_file
    ]
    made = {rule.series.name for group in groups for rule in group.rules if isinstance(rule, Rule)}
    windowed = re.compile(r"(slo|budget):(events|bad_events|burn_rate):(increase|ratio)([0-9]+[mhd])+")

    declared_once = {series.name for series in SERIES if isinstance(series, Recorded)}
    assert {name for name in made if not windowed.fullmatch(name)} <= declared_once


def test_what_alerts_compare_is_recorded():
    groups = [group for of_file in rule_groups(FLEETS["hostile"], SCALES[0]).values() for group in of_file]
    made = {rule.series.name for group in groups for rule in group.rules if isinstance(rule, Rule)}
    builtin = {series.name for series in SERIES if isinstance(series, Builtin)}
    known = made | builtin | declared([]).keys()

    for alert in alerts(FLEETS["hostile"], SCALES[0]):
        for selector in selectors(promql_parser.parse(alert.expr.text)):
            assert selector.name in known
            assert selector.name in made or ":" not in selector.name


def test_every_alert_has_a_runbook_that_says_how_to_see_decide_and_act():
    for alert in alerts(FLEETS["hostile"], SCALES[0]):
        page = (fleets.RUNBOOKS / f"{alert.name}.md").read_text()

        assert page.startswith(f"# {alert.name}\n")
        assert [line for line in page.splitlines() if line.startswith("## ")] == HEADINGS


def test_no_runbook_is_left_of_an_alert_that_is_gone():
    names = {alert.name for alert in alerts(FLEETS["hostile"], SCALES[0])}

    assert {page.stem for page in fleets.RUNBOOKS.glob("*.md")} == names


def test_series_that_runbooks_name_exist():
    groups = [
        group for fleet in FLEETS.values() for of_file in rule_groups(fleet, SCALES[0]).values() for group in of_file
    ]
    known = declared(groups)

    for page in fleets.RUNBOOKS.glob("*.md"):
        named = set(
            re.findall(r"\b((?:inference|inferometer|gpu|device)_[a-z_]+|(?:slo|model):[a-z_0-9:]+)", page.read_text())
        )
        assert named <= known.keys(), page.name


def test_every_alert_is_proved():
    made = files(FLEETS["example"])
    proofs = b"".join(content for name, content in made.items() if name.startswith("prometheus/tests/")).decode()

    for alert in alerts(FLEETS["example"], SCALES[0]):
        assert f'alertname="{alert.name}"' in proofs


def test_a_rule_whose_labels_are_not_those_of_its_series_is_refused():
    with pytest.raises(CatalogError, match=r"slo:info has the labels service, model, .* its rule yields none"):
        Rule(series=recorded_slos.SLO_INFO, expr=promql.scalar(1))


def test_a_name_that_is_not_level_subject_operation_is_refused():
    with pytest.raises(CatalogError, match="'slo_info' is not level:subject:operation"):
        Recorded(name="slo_info", unit=Unit.COUNT, help="No.", labels=(SERVICE, MODEL))


def test_generated_files_are_the_same_bytes_each_time():
    assert files(FLEETS["hostile"]) == files(fleets.hostile.__wrapped__())


def test_names_that_mean_something_to_yaml_and_promql_arrive_unchanged():
    made = YAML(typ="safe", pure=True).load(files(FLEETS["hostile"])["prometheus/rules/slo.yml"].decode())
    promised = [rule["labels"] for rule in made["groups"][0]["rules"] if rule["record"] == recorded_slos.SLO_INFO.name]

    assert {labels["service"] for labels in promised} == {fleets.HOSTILE_SERVICE}
    assert {labels["model"] for labels in promised} == {fleets.HOSTILE_MODEL, "yes-man"}
    assert len({labels["slo"] for labels in promised}) == len(promised) == 5


def test_alerts_of_two_objectives_differ_in_a_label():
    keys = [(alert.name, alert.tier, tuple(alert.labels.items())) for alert in alerts(FLEETS["example"], SCALES[0])]

    assert len(set(keys)) == len(keys)


def test_the_time_scale_is_said_where_people_read():
    made = files(FLEETS["example"], time_scale=60)
    rules = made["prometheus/rules/slo.yml"].decode()

    assert "# Time scale 60: every window and interval is divided by 60." in rules
    assert rules.count("Time scale 60") == 1 + sum(
        isinstance(a, Alert) and a.tier != "cause" for a in alerts(FLEETS["example"], TimeScale(60))
    )


def test_a_fleet_that_promises_nothing_has_every_rule_but_those_of_promises():
    fleet = loads("""
version: 1
fleet: quiet
services: {shop: {engine: fastapi, models: {m: {}}}}
objectives:
  available: {sli: availability, target: 99.9}
receivers: {hook: {webhook: {url: "http://127.0.0.1:9/"}}}
routes: {page: hook, ticket: hook}
""")
    groups = rule_groups(fleet, TimeScale(1))

    assert groups["slo"] == ()
    assert all(groups[name] for name in ("models", "causes", "devices", "cost"))
