"""Every generated rule is proved: the verdict of some test depends on it; each alert both fires and stays quiet."""

from collections import defaultdict

import alert_fleets as fleets
import pytest

from inferometer_alerts import promtool
from inferometer_alerts.generation import alerts
from inferometer_alerts.time_scale import TimeScale
from mutants.proofs import Generated


@pytest.fixture(scope="module")
def generated():
    return Generated.of(fleets.example())


def test_every_rule_is_needed_by_some_proof(generated):
    unproved = [place for place in generated.places if not generated.needing(place)]

    assert [generated.rule(place).get("record") or generated.rule(place)["alert"] for place in unproved] == []


def test_a_rule_without_proof_is_noticed(generated):
    tests = {
        "one": {
            "rule_files": [f"../rules/{name}.yml" for name in generated.rules],
            "evaluation_interval": "30s",
            "tests": [proof.written for proof in generated.proofs[:1]],
        }
    }
    only = Generated({name: {"groups": groups} for name, groups in generated.rules.items()}, tests)

    unproved = {only.rule(place).get("record") for place in only.places if not only.needing(place)}
    assert "model:requests:rate5m" in unproved


def test_every_alert_is_seen_to_fire_and_to_stay_quiet(generated):
    seen = defaultdict(set)
    for proof in generated.proofs:
        for check in proof.written["promql_expr_test"]:
            if "ALERTS{" in check["expr"]:
                name = check["expr"].split('alertname="')[1].split('"')[0]
                seen[name].add(bool(check["exp_samples"]))

    always = {alert.name for alert in alerts(fleets.example(), TimeScale()) if alert.severity.value == "heartbeat"}
    assert {name: seen[name] for name in seen if seen[name] != {True, False}}.keys() <= always
    assert {alert.name for alert in alerts(fleets.example(), TimeScale())} <= seen.keys()


def one(name, *about, at=60, evaluation=30):
    return promtool.Test(
        name=name, evaluation_ns=evaluation, step_ns=15, series={f"x_{name}": "0+1x9"},
        checks=(promtool.Check(expr=name, at_ns=at, elements=()),), about=frozenset(about),
    )  # fmt: skip


def test_tests_about_different_things_run_side_by_side():
    (both,) = promtool.side_by_side([one("a", "slo-a", at=90), one("b", "slo-b")])

    assert both.name == "a + b"
    assert both.series.keys() == {"x_a", "x_b"}
    assert [check.expr for check in both.checks] == ["b", "a"]


@pytest.mark.parametrize(
    "tests",
    [
        [one("a", "slo-a"), one("b", "slo-a", "model")],
        [one("a", "slo-a"), one("b")],
        [one("a"), one("b")],
        [one("a", "slo-a"), one("b", "slo-b", evaluation=60)],
    ],
    ids=["the same SLO", "one is about everything", "both are", "another clock"],
)
def test_other_tests_run_alone(tests):
    assert promtool.side_by_side(tests) == tests
