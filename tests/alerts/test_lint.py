"""The lint finds what is wrong with a rule; the rules that are generated have nothing of that."""

import alert_fleets as fleets
import pytest

from inferometer.catalog.labels import DEVICE, MODEL, SERVICE
from inferometer.catalog.model import Unit
from inferometer.promql import Expr
from inferometer_alerts.generation import rule_groups
from inferometer_alerts.lint import findings
from inferometer_alerts.rule import Alert, Board, Group, Rule, Severity
from inferometer_alerts.rule_series import Recorded
from inferometer_alerts.time_scale import TimeScale

FLEETS = {make.__name__: make() for make in (fleets.example, fleets.hostile, fleets.every_sli)}
FINE = "sum by (service, model) (rate(inference_requests_total[5m])) > 0.5"


def expression(text, *labels):
    return Expr(text=text, labels=tuple(label.name for label in labels), of="a test")


def alert(text=FINE, *labels, **changed):
    fields = {
        "name": "InferenceTest",
        "expr": expression(text, *(labels or (SERVICE, MODEL))),
        "severity": Severity.PAGE,
        "summary": "{{ $labels.service }} is slow.",
        "description": "It is.",
        "board": Board.MODEL,
    }
    return Alert(**{**fields, **changed})


def rule(text, *labels, fixed=None, name="model:test:rate5m"):
    carried = (*labels, *(label for label in (SERVICE,) if fixed))
    series = Recorded(name=name, unit=Unit.COUNT, help="For tests.", labels=carried)
    return Rule(series=series, expr=expression(text, *labels), labels=fixed or {})


def said(*rules, name="group"):
    return {
        finding.check: finding.says for finding in findings({"file": (Group(name=name, interval="30s", rules=rules),)})
    }


@pytest.mark.parametrize("scale", [1, 60], ids=lambda scale: f"scale {scale}")
@pytest.mark.parametrize("fleet", FLEETS.values(), ids=FLEETS.keys())
def test_nothing_is_wrong_with_what_is_generated(fleet, scale):
    assert [str(one) for one in findings(rule_groups(fleet, TimeScale(scale)), TimeScale(scale))] == []


def test_a_right_alert_and_a_right_rule_pass():
    assert said(alert()) == {}
    assert said(rule("sum by (service) (rate(inference_requests_total[5m]))", SERVICE)) == {}


WRONG = {
    "syntax": ("sum by (service) (up > 1", "unclosed left parenthesis"),
    "series": ("sum by (service, model) (rate(inference_requets_total[5m])) > 1", "nobody declares inference_requets"),
    "label": ('sum by (service, model) (rate(inference_requests_total{stage="queue"}[5m])) > 1', "has no label stage"),
    "selector": ('count by (service, model) ({service="a"}) > 1', "names no series"),
    "regexp": (
        'sum by (service, model) (rate(inference_requests_total{service=~"a"}[5m])) > 1', "'a' is plain text"
    ),
    "range": ("sum by (service, model) (rate(inference_requests_total[30s])) > 1", "30s has less than 4 scrapes"),
    "aggregation": ("sum by (service, model, stage) (rate(inference_requests_total[5m])) > 1", "sum() by stage"),
    "match": (
        "sum by (service, model) (rate(inference_requests_total[5m])) > sum by (service) (inference_queue_depth)",
        "never match: model, service and service",
    ),
    "absent": ("absent(sum by (service) (inference_queue_depth))", "only of a plain series"),
    "comparison": ("sum by (service, model) (rate(inference_requests_total[5m]))", "compares nothing"),
}  # fmt: skip


@pytest.mark.parametrize(("check", "text", "says"), [(check, *wrong) for check, wrong in WRONG.items()], ids=WRONG)
def test_a_wrong_expression_is_found(check, text, says):
    assert says in said(alert(text, hold="5m"))[check]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("sum by (service, model) (rate(inference_queue_depth[5m])) > 1", "which is no counter"),
        ("max by (service, model) (irate(inference_requests_total[5m])) > 1", "jumps with every sample"),
        ("max by (service) (rate(sum by (service) (inference_requests_total)[5m:15s])) > 1", "which is no counter"),
    ],
)  # fmt: skip
def test_rates_that_mean_nothing_are_found(text, says):
    assert says in said(alert(text))["rate"]


@pytest.mark.parametrize(
    "text",
    [
        "inference_requests_total > 5",
        "sum by (service, model) (inference_requests_total) > 5",
        "max by (service, model) (abs(inference_requests_total)) > 5",
        "sum by (service, model) (sum_over_time(inference_requests_total[5m])) > 5",
        "inference_requests_total > inference_requests_total * 2",
        "inference_requests_total - on (service, model) inference_queue_depth > 1",
    ],
)
def test_a_counter_is_never_compared_or_added_up_raw(text):
    assert "counter" in said(alert(text))


@pytest.mark.parametrize(
    "text",
    [
        "count by (service, model) (inference_requests_total) > 5",
        "max by (service) (inference_requests_total - last_over_time(inference_requests_total[5m] offset 5m)) > 1",
    ],
)
def test_how_many_counters_there_are_and_what_they_rose_may_be_asked(text):
    assert said(alert(text)) == {}


def test_what_is_recorded_is_not_divided_by_zero():
    rate = "sum by (service) (rate(inference_requests_total[5m]))"

    assert "may be 0" in said(rule(f"{rate} / {rate}", SERVICE))["nan"]
    assert said(rule(f"{rate} / ({rate} > 0)", SERVICE)) == {}
    assert said(alert(f"{rate} / {rate} > 1", SERVICE)) == {}


def test_a_record_has_the_declared_labels_and_is_no_counter():
    carries = said(rule("sum by (model) (rate(inference_requests_total[5m]))", SERVICE))

    assert carries["labels"] == "carries model, and is declared with service"
    assert "raw samples" in said(rule("device_bill_usd_total", DEVICE))["counter"]
    assert "a number is no series" in said(rule("1 + 1"))["syntax"]


@pytest.mark.parametrize(
    ("expr", "labels", "check", "says"),
    [
        ("sum by (service) (inference_queue_depth) + on (model) sum by (model) (inference_queue_depth)", (MODEL,),
         "match", "on model, which only one side has"),
        ("max by (service) (inference_queue_depth) + ignoring (service) max by (service) (inference_queue_depth)",
         (SERVICE,), "match", "ignores labels"),
        ("max by (service) (inference_queue_depth) * on (service) group_left (model) max by (service) (up)",
         (SERVICE, MODEL), "match", "group_left(model)"),
    ],
)  # fmt: skip
def test_vectors_that_do_not_match_are_found(expr, labels, check, says):
    assert says in said(rule(expr, *labels))[check]


@pytest.mark.parametrize(
    ("changed", "check", "says"),
    [
        ({"summary": "{{ $labels.device }} is slow."}, "template", "uses $labels.device"),
        ({"variables": (DEVICE,)}, "template", "its board wants device"),
        ({"summary": "Slow."}, "template", "reads the same whatever has happened"),
        ({"summary": "{{ $labels.service }} is slow"}, "summary", "is no sentence"),
        ({"description": "it is."}, "description", "is no sentence"),
        ({"name": "inference_test"}, "name", "is not CamelCase"),
        ({"name": "Inference" + "Longer" * 6}, "name", "is not CamelCase of at most 40"),
        ({"expr": expression("absent(up)"), "summary": "Up.", "description": "No."}, "absent", "without a hold"),
        ({"expr": expression("sum(rate(inference_requests_total[5m])) > 1"), "summary": "{{ $value }}."}, "aggregation",
         "no label is left"),
    ],
)  # fmt: skip
def test_an_alert_that_its_reader_cannot_use_is_found(changed, check, says):
    assert says in said(alert(**changed))[check]


def test_two_rules_that_say_the_same_are_found():
    assert "this name and these labels" in said(alert(), alert(hold="5m"))["duplicate"]
    text = "sum by (service) (rate(inference_requests_total[5m]))"
    assert "records the same" in said(rule(text, SERVICE), rule(text, SERVICE, name="model:other:rate5m"))["duplicate"]


def test_a_group_has_a_short_name():
    assert "longer than 40" in said(alert(), name="g" * 41)["name"]


def test_a_heartbeat_compares_nothing_and_means_no_one():
    assert (
        said(alert("vector(1)", severity=Severity.HEARTBEAT, summary="Alerting works.", expr=expression("vector(1)")))
        == {}
    )
