"""Configuration of Prometheus and Alertmanager, and the times in it."""

import json
from functools import cache

import alert_fleets as fleets
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from inferometer.fleet import durations
from inferometer_alerts.addresses import Addresses
from inferometer_alerts.generation import files
from inferometer_alerts.time_scale import TimeScale


@cache
def made(**how):
    """Files of the example, by name."""
    return files(fleets.example(), **how)


def read(name: str, fleet=None, **how):
    content = (files(fleet, **how) if fleet else made(**how))[name].decode()
    return json.loads(content) if name.endswith(".json") else YAML(typ="safe", pure=True).load(content)


@cache
def times_of(name, **how):
    return tuple(intervals(read(name, **how)))


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


def test_what_is_forwarded_carries_region_and_replica_and_exemplars_and_is_scraped_the_same():
    plain, scale = read("prometheus/prometheus.yml"), read("prometheus/scale.yml", addresses=Addresses(store="s:1"))
    labels = scale["global"].pop("external_labels")
    (relabel,) = scale["alerting"].pop("alert_relabel_configs")
    (store,) = scale.pop("remote_write")

    assert labels == {"region": "${REGION}", "prometheus_replica": "${REPLICA}"} | plain["global"].pop(
        "external_labels"
    )
    assert scale == plain
    assert relabel == {"action": "labeldrop", "regex": "prometheus_replica"}, "a pair tells Alertmanager the same"
    assert store == {
        "url": "http://s:1/api/v1/receive", "send_exemplars": True, "send_native_histograms": True
    }  # fmt: skip
    assert "replica" not in labels, "engines' series have it"


def test_addresses_stand_in_lists_of_targets_only():
    here = Addresses(sidecars=("10.0.0.7:1", "10.0.0.8:1"), prometheus="10.0.0.9:2", alertmanager="10.0.0.9:3")
    naming = {name for name, content in made(addresses=here).items() if b"10.0.0." in content}

    assert naming == {f"prometheus/targets/{job}.json" for job in ("inferometer", "prometheus", "alertmanager")}
    assert read("prometheus/targets/inferometer.json", addresses=here) == [{"targets": ["10.0.0.7:1", "10.0.0.8:1"]}]


@pytest.mark.parametrize("factor", [1, 7, 60, 3600])
def test_every_interval_is_divided_and_none_falls_below_a_second(factor):
    second = durations.parse("1s")

    for name in (n for n in made(time_scale=factor) if n.endswith(".yml") and "tests" not in n):
        for before, after in zip(times_of(name), times_of(name, time_scale=factor), strict=True):
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
    assert any(name.startswith("prometheus/tests/") for name in made())
    assert not any(name.startswith("prometheus/tests/") for name in made(time_scale=60))
