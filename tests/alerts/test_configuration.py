"""Configuration of Prometheus and Alertmanager, and the times in it."""

import importlib.util
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from inferometer.fleet import durations
from inferometer_alerts.addresses import Addresses
from inferometer_alerts.generation import files
from inferometer_alerts.policy import TIERS
from inferometer_alerts.time_scale import TimeScale

_SPEC = importlib.util.spec_from_file_location("fleets", Path(__file__).with_name("fleets.py"))
fleets = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(fleets)


def read(name: str, fleet=None, **how):
    content = files(fleet or fleets.example(), **how)[name].decode()
    return json.loads(content) if name.endswith(".json") else YAML(typ="safe", pure=True).load(content)


def intervals(document):
    """Every interval, wait and hold of a document, in nanoseconds; windows inside queries are not among them."""
    names = {"interval", "scrape_interval", "scrape_timeout", "evaluation_interval", "refresh_interval", "for",
             "group_wait", "group_interval", "repeat_interval"}  # fmt: skip
    if isinstance(document, dict):
        for key, value in document.items():
            if key in names:
                yield durations.parse(value)
            else:
                yield from intervals(value)
    elif isinstance(document, list):
        for item in document:
            yield from intervals(item)


def test_prometheus_takes_native_histograms_and_exemplars_from_the_sidecar():
    (job, *others) = read("prometheus/prometheus.yml")["scrape_configs"]

    assert job["job_name"] == "inferometer"
    assert job["scrape_protocols"][0] == "PrometheusProto"
    assert job["scrape_native_histograms"] is True
    assert job["always_scrape_classic_histograms"] is True
    assert [other["job_name"] for other in others] == ["prometheus", "alertmanager"]
    assert read("prometheus/prometheus.yml")["storage"]["exemplars"]["max_exemplars"] > 0


def test_addresses_stand_in_lists_of_targets_only():
    here = Addresses(sidecars=("10.0.0.7:1", "10.0.0.8:1"), prometheus="10.0.0.9:2", alertmanager="10.0.0.9:3")
    made = files(fleets.example(), addresses=here)
    naming = {name for name, content in made.items() if b"10.0.0." in content}

    assert naming == {f"prometheus/targets/{job}.json" for job in ("inferometer", "prometheus", "alertmanager")}
    assert read("prometheus/targets/inferometer.json", addresses=here) == [{"targets": ["10.0.0.7:1", "10.0.0.8:1"]}]


def test_an_inbox_takes_the_place_of_every_webhook_and_keeps_receivers_apart():
    receivers = read("alertmanager/alertmanager.yml", addresses=Addresses(inbox="127.0.0.1:5"))["receivers"]

    assert [r["webhook_configs"][0]["url"] for r in receivers] == [
        "http://127.0.0.1:5/oncall",
        "http://127.0.0.1:5/team",
    ]


def test_pages_and_tickets_go_where_the_fleet_says():
    route = read("alertmanager/alertmanager.yml", fleets.hostile())["route"]

    assert route["receiver"] == "b"
    assert [(r["receiver"], r["matchers"]) for r in route["routes"]] == [
        ("c", ['severity="page"']),
        ("a", ['severity="heartbeat"']),
    ]


def test_a_heartbeat_is_repeated_every_minute_and_beats_only_where_somebody_listens():
    (_, beat) = read("alertmanager/alertmanager.yml", fleets.hostile())["route"]["routes"]

    assert (beat["group_interval"], beat["repeat_interval"]) == ("1m", "1m")
    assert b"InferometerHeartbeat" in files(fleets.hostile())["prometheus/rules/causes.yml"]
    assert b"InferometerHeartbeat" not in files(fleets.example())["prometheus/rules/causes.yml"]


def test_secrets_are_read_from_files():
    a, b, c, d, e, f = read("alertmanager/alertmanager.yml", fleets.hostile())["receivers"]

    assert a["webhook_configs"][0]["url_file"] == "/run/secrets/hook"
    assert b["slack_configs"][0]["api_url_file"] == "/run/secrets/slack"
    assert c["pagerduty_configs"][0]["routing_key_file"] == "/run/secrets/pd"
    assert d["msteamsv2_configs"][0]["webhook_url_file"] == "/run/secrets/teams"
    assert e["opsgenie_configs"][0]["api_key_file"] == "/run/secrets/opsgenie"
    assert e["opsgenie_configs"][0]["api_url"] == "https://api.eu.opsgenie.com/"
    assert f["email_configs"][0]["auth_password_file"] == "/run/secrets/mail"
    assert (f["email_configs"][0]["to"], f["email_configs"][0]["from"]) == ("oncall@example.com", "alerts@example.com")


def test_every_receiver_is_told_when_an_alert_is_over():
    for receiver in read("alertmanager/alertmanager.yml", fleets.hostile())["receivers"]:
        (entry,) = next(value for key, value in receiver.items() if key.endswith("_configs"))
        assert entry["send_resolved"] is True


def test_a_faster_tier_silences_all_slower_ones_of_the_same_slo():
    rules = read("alertmanager/alertmanager.yml")["inhibit_rules"]
    by_tier = [rule for rule in rules if rule["source_matchers"][0].startswith("slo_tier")]

    assert [rule["source_matchers"] for rule in by_tier] == [[f'slo_tier="{tier}"'] for tier in TIERS[:-1]]
    assert [rule["target_matchers"] for rule in by_tier] == [
        [f'slo_tier=~"{"|".join(TIERS[rank:])}"'] for rank in range(1, len(TIERS))
    ]
    assert all(rule["equal"] == ["slo"] for rule in by_tier)


def test_no_alert_matches_source_and_target_of_one_inhibition():
    for rule in read("alertmanager/alertmanager.yml")["inhibit_rules"]:
        source, target = rule["source_matchers"][0].split('"')[1], rule["target_matchers"][0].split('"')[1]
        assert not set(source.split("|")) & set(target.split("|"))


@pytest.mark.parametrize("factor", [1, 7, 60, 3600])
def test_every_interval_is_divided_and_none_falls_below_a_second(factor):
    production, scaled = files(fleets.example()), files(fleets.example(), time_scale=factor)
    second = durations.parse("1s")

    for name in (n for n in scaled if n.endswith(".yml") and "tests" not in n):
        load = YAML(typ="safe", pure=True).load
        pairs = zip(intervals(load(production[name].decode())), intervals(load(scaled[name].decode())), strict=True)
        for before, after in pairs:
            assert after >= second
            assert after == second or abs(after - before / factor) < durations.parse("1ms")


def test_scrape_timeout_does_not_exceed_the_interval_at_any_scale():
    for factor in (1, 10, 15, 60, 100):
        times = read("prometheus/prometheus.yml", time_scale=factor)["global"]
        assert durations.parse(times["scrape_timeout"]) <= durations.parse(times["scrape_interval"])


@given(factor=st.integers(1, 10_000), minutes=st.integers(1, 100_000))
def test_a_window_holds_four_scrapes_at_any_scale(factor, minutes):
    scale = TimeScale(factor)
    window = scale.window(minutes * durations.parse("1m"))

    assert window >= 4 * scale.interval(durations.parse("15s"))
    assert window % durations.parse("1ms") == 0


@pytest.mark.parametrize("factor", [1, 60, 1000])
def test_the_look_back_spans_the_longest_group_that_others_read_now(factor):
    flags = dict(flag.removeprefix("--").split("=") for flag in TimeScale(factor).prometheus_flags())
    slowest = max(
        durations.parse(group["interval"])
        for group in read("prometheus/rules/slo.yml", time_scale=factor)["groups"]
        if group["name"] != "slo-tiles"
    )

    assert flags["enable-feature"] == "exemplar-storage"
    assert durations.parse(flags["query.lookback-delta"]) >= 2 * slowest


def test_proofs_are_written_for_the_rules_of_production_only():
    assert any(name.startswith("prometheus/tests/") for name in files(fleets.example()))
    assert not any(name.startswith("prometheus/tests/") for name in files(fleets.example(), time_scale=60))
