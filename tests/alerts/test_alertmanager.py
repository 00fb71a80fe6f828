"""Alertmanager: who is told of what, when nobody is, and which alert makes another one needless."""

import re
from itertools import product

import alert_fleets as fleets
import pytest
from alertmanager_tree import SCALE, matches, read, receivers, told

from inferometer.fleet.loader import loads
from inferometer_alerts import alertmanager
from inferometer_alerts.addresses import Addresses
from inferometer_alerts.generation import alerts, files
from inferometer_alerts.policy import TIERS
from inferometer_alerts.rule import Severity

PAGE, TICKET = {"severity": "page"}, {"severity": "ticket"}


def test_pages_and_tickets_go_where_the_fleet_says():
    assert receivers(PAGE) == ["c"]
    assert receivers(TICKET) == ["b"]


def test_a_team_is_told_instead_of_everybody_and_only_of_what_it_takes():
    assert receivers({**PAGE, "team": "search"}) == ["e"]
    assert receivers({**TICKET, "team": "search"}) == ["b"]
    assert receivers({**PAGE, "team": "platform"}) == ["c"]


def test_who_speaks_to_a_tenant_is_told_besides():
    assert receivers({**TICKET, "tenant": fleets.HOSTILE_TENANT}) == ["f", "b"]
    assert receivers({**PAGE, "tenant": fleets.HOSTILE_TENANT}) == ["c"]
    assert receivers({**TICKET, "tenant": "acme"}) == ["b"]


def test_an_alert_that_only_keeps_others_quiet_is_told_to_nobody():
    configuration = read()

    assert receivers({"severity": "none"}) == [alertmanager.NOBODY]
    (nobody,) = (one for one in configuration["receivers"] if one["name"] == alertmanager.NOBODY)
    assert nobody.keys() == {"name"}


def test_what_has_no_severity_of_ours_is_a_ticket():
    assert receivers({"alertname": "TargetDown"}) == ["b"]


def test_a_heartbeat_is_repeated_every_minute_and_beats_only_where_somebody_listens():
    (beat,) = (r for r in read()["route"]["routes"] if r["matchers"] == ['severity="heartbeat"'])

    assert (beat["receiver"], beat["group_interval"], beat["repeat_interval"]) == ("a", "1m", "1m")
    assert b"InferometerHeartbeat" in files(fleets.hostile())["prometheus/rules/causes.yml"]
    assert b"InferometerHeartbeat" not in files(fleets.example())["prometheus/rules/causes.yml"]


def test_in_maintenance_nobody_is_told_of_the_service_that_is_worked_on_but_the_heart_beats():
    route = read()["route"]

    assert told(route, {**PAGE, "service": "x"}) == [("c", ["nights"])]
    assert told(route, {**PAGE, "service": fleets.HOSTILE_SERVICE}) == [("c", ["nights", "move"])]
    assert told(route, {**TICKET, "service": fleets.HOSTILE_SERVICE}) == [("b", ["nights", "move"])]
    assert told(route, {**PAGE, "service": fleets.HOSTILE_SERVICE, "team": "search"}) == [("e", ["nights", "move"])]
    assert told(route, {"severity": "heartbeat", "service": fleets.HOSTILE_SERVICE}) == [("a", [])]


def test_every_time_of_maintenance_that_a_route_names_is_there():
    configuration = read()
    named = set(re.findall(r"mute_time_intervals': \[([^]]+)\]", str(configuration)))

    known = {one["name"] for one in configuration["time_intervals"]}
    assert {name.strip("' ") for names in named for name in names.split(",")} == known == {"nights", "move"}


def test_times_of_maintenance_are_those_of_the_file_in_their_zone():
    nights, move = read()["time_intervals"]

    assert nights["time_intervals"] == [
        {
            "times": [{"start_time": "22:30", "end_time": "24:00"}],
            "location": "Europe/Berlin",
            "weekdays": ["saturday", "sunday"],
        },
        {
            "times": [{"start_time": "00:00", "end_time": "02:00"}],
            "location": "Europe/Berlin",
            "weekdays": ["sunday", "monday"],
        },
    ]
    assert move["time_intervals"] == [
        {
            "times": [{"start_time": "08:00", "end_time": "24:00"}],
            "location": "UTC",
            "years": ["2026"],
            "months": ["12"],
            "days_of_month": ["31"],
        }
    ]


def test_a_fleet_without_maintenance_mutes_nothing():
    text = str(read(fleets.example()))

    assert "mute_time_intervals" not in text
    assert "time_intervals" not in text


def test_an_inbox_takes_the_place_of_every_webhook_and_keeps_receivers_apart():
    made = read(fleets.example(), addresses=Addresses(inbox="127.0.0.1:5"))["receivers"]

    urls = [receiver["webhook_configs"][0]["url"] for receiver in made if receiver["name"] != alertmanager.NOBODY]
    assert urls == ["http://127.0.0.1:5/oncall", "http://127.0.0.1:5/team"]


def test_secrets_are_read_from_files():
    a, b, c, d, e, f = read()["receivers"][:-1]

    assert a["webhook_configs"][0]["url_file"] == "/run/secrets/hook"
    assert b["slack_configs"][0]["api_url_file"] == "/run/secrets/slack"
    assert c["pagerduty_configs"][0]["routing_key_file"] == "/run/secrets/pd"
    assert d["msteamsv2_configs"][0]["webhook_url_file"] == "/run/secrets/teams"
    assert e["opsgenie_configs"][0]["api_key_file"] == "/run/secrets/opsgenie"
    assert e["opsgenie_configs"][0]["api_url"] == "https://api.eu.opsgenie.com/"
    assert f["email_configs"][0]["auth_password_file"] == "/run/secrets/mail"
    assert (f["email_configs"][0]["to"], f["email_configs"][0]["from"]) == ("oncall@example.com", "alerts@example.com")


def test_every_receiver_is_told_when_an_alert_is_over():
    for receiver in read()["receivers"][:-1]:
        (entry,) = next(value for key, value in receiver.items() if key.endswith("_configs"))
        assert entry["send_resolved"] is True


@pytest.mark.parametrize("link", ["dashboard_url", "traces_url", "runbook_url"])
@pytest.mark.parametrize("way", ["slack", "msteamsv2", "opsgenie", "email"])
def test_a_message_says_since_when_and_has_the_three_links(way, link):
    (entry,) = next(r[f"{way}_configs"] for r in read()["receivers"] if f"{way}_configs" in r)

    assert f".Annotations.{link}" in str(entry)
    assert ".StartsAt" in str(entry)


def labelled(alert):
    """What an alert would carry: each label of its expression has some value."""
    return {
        **{name: f"some {name}" for name in alert.expr.labels},
        "alertname": alert.name,
        "severity": alert.severity.value,
        "slo_tier": alert.tier,
        "fleet": "hostile",
        **alert.labels,
    }


ALL = [labelled(alert) for alert in alerts(fleets.hostile(), SCALE)]
INHIBITIONS = read()["inhibit_rules"]


def test_a_faster_tier_silences_all_slower_ones_of_the_same_slo():
    for faster, slower in product(range(len(TIERS)), repeat=2):
        source, target = {"slo_tier": TIERS[faster], "slo": "a"}, {"slo_tier": TIERS[slower], "slo": "a"}
        assert inhibits(source, target) == (faster < slower)
        assert not inhibits(source, {**target, "slo": "b"})


def inhibits(source, target):
    return any(
        matches(rule["source_matchers"], source)
        and matches(rule["target_matchers"], target)
        and all(source.get(name) == target.get(name) for name in rule["equal"])
        for rule in INHIBITIONS
    )


@pytest.mark.parametrize("rule", INHIBITIONS, ids=lambda rule: str(rule["source_matchers"][0])[:40])
def test_each_inhibition_has_sources_and_targets_that_are_others_and_carry_what_it_compares(rule):
    sources = [labels for labels in ALL if matches(rule["source_matchers"], labels)]
    targets = [labels for labels in ALL if matches(rule["target_matchers"], labels)]

    assert sources
    assert targets
    assert not [labels for labels in sources if labels in targets]
    for labels in (*sources, *targets):
        assert set(rule["equal"]) <= labels.keys(), labels["alertname"]


@pytest.mark.parametrize("rule", INHIBITIONS, ids=lambda rule: str(rule["target_matchers"][0])[:40])
def test_each_inhibition_names_alerts_that_exist(rule):
    named = re.findall(r'alertname=~?"([^"]+)"', " ".join([*rule["source_matchers"], *rule["target_matchers"]]))

    for pattern in "|".join(named).split("|") if named else ():
        assert any(re.fullmatch(pattern, labels["alertname"]) for labels in ALL), pattern


def test_no_two_alerts_silence_each_other():
    for source, target in product(ALL, repeat=2):
        assert not (inhibits(source, target) and inhibits(target, source)), (source, target)


OF = {"service": "chat", "model": "llama", "device": "GPU-1"}
LATENCY = {**OF, "slo_tier": "fast", "objective": "quick-90", "severity": "page", "slo": "chat-llama-quick-90"}
FAILING = {**LATENCY, "objective": "available", "slo": "chat-llama-available"}


@pytest.mark.parametrize(
    ("cause", "symptom", "expected"),
    [
        ({"alertname": "InferenceDeviceTrouble"}, LATENCY, True),
        ({"alertname": "InferenceDeviceTrouble"}, FAILING, False),
        ({"alertname": "InferenceDeviceTrouble", "model": "other"}, LATENCY, False),
        ({"alertname": "InferenceDeviceTrouble"}, {"alertname": "InferenceFirstTokenSlow"}, True),
        ({"alertname": "GpuLost", "severity": "page"}, {"alertname": "GpuThrottledWhileBusy", **TICKET}, True),
        ({"alertname": "GpuLost", "severity": "page"}, {"alertname": "GpuXidFatal", **PAGE}, False),
        ({"alertname": "GpuXidError", "severity": "ticket"}, {"alertname": "GpuThrottledWhileBusy", **TICKET}, False),
        (
            {"alertname": "GpuLost", "severity": "page", "device": "GPU-2"},
            {"alertname": "GpuThrottledWhileBusy", **TICKET},
            False,
        ),
        ({"alertname": "InferometerDown", "fleet": "f"}, {"alertname": "InferenceMetricsAbsent", "fleet": "f"}, True),
        ({"alertname": "InferometerDown", "fleet": "f"}, {"alertname": "GpuLost", "fleet": "f", **PAGE}, False),
        ({"alertname": "InferenceEngineDown"}, {"alertname": "InferenceReplicaDown"}, True),
        ({"alertname": "InferenceBatchStuck"}, {"alertname": "InferenceQueueSaturated"}, True),
        ({"alertname": "InferenceQueueSaturated"}, {"alertname": "InferenceBatchStuck"}, False),
    ],
)
def test_a_cause_keeps_its_symptoms_quiet_and_nothing_else(cause, symptom, expected):
    assert inhibits({**OF, **cause}, {**OF, **symptom}) == expected


def test_a_fleet_without_promises_on_time_has_no_inhibition_for_them():
    text = (fleets.ROOT / "examples/fleet.yaml").read_text()
    text = re.sub(r"(?m)^  (interactive|first-result):.*\n", "", text).replace(", interactive]", "]")
    made = read(loads(text.replace(", first-result]", "]")))

    assert not [rule for rule in made["inhibit_rules"] if "objective" in str(rule["target_matchers"])]


def test_every_severity_has_its_route():
    assert {severity: receivers({"severity": severity.value}) for severity in Severity} == {
        Severity.PAGE: ["c"],
        Severity.TICKET: ["b"],
        Severity.HEARTBEAT: ["a"],
        Severity.NONE: [alertmanager.NOBODY],
    }
