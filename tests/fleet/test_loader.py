"""fleet.yaml: what is right is read, what is wrong is pointed at, with what would be right."""

from decimal import Decimal
from pathlib import Path

import pytest

from inferometer.errors import FleetError
from inferometer.fleet import durations
from inferometer.fleet.loader import load, loads
from inferometer.fleet.slos import slos

EXAMPLE = Path(__file__).parents[2] / "examples/fleet.yaml"
TEXT = EXAMPLE.read_text()

WRONG = {
    "an unknown key": (
        "target: 99.9",
        "tarket: 99.9",
        "objectives.available has no key 'tarket'",
        "did you mean 'target'? known: sli, threshold, stage, within, usd_per_1k, target, window, for, per",
    ),
    "a number without a unit": (
        "threshold: 250ms",
        "threshold: 250",
        "objectives.interactive.threshold: '250' is no duration",
        "250 has no unit; write 250ms, for instance",
    ),
    "a longer time without a unit": (
        "timeout: 10s",
        "timeout: 10",
        "services.gateway.timeout: '10' is no duration",
        "10 has no unit; write 10s, for instance",
    ),
    "a second number without a unit": (
        "timeout: 10s",
        "timeout: 1h30",
        "services.gateway.timeout: '1h30' is no duration",
        "30 has no unit; write 1h30m, for instance",
    ),
    "a unit of another system": (
        "threshold: 250ms",
        "threshold: 250 msec",
        "objectives.interactive.threshold: '250 msec' is no duration",
        "write a whole number and a unit: 250ms, 30s, 5m, 1h30m, 30d",
    ),
    "a promise that nobody can keep": (
        "target: 99.9",
        "target: 100",
        "objectives.available.target: target 100 % leaves no budget: one bad request would break it for good",
        "write 90 to 99.99",
    ),
    "a ratio for a percentage": (
        "target: 99.9",
        "target: 0.999",
        "objectives.available.target: target 0.999 looks like a ratio",
        "targets are in percent: 99.9",
    ),
    "a window too short to watch": (
        "target: 99.9, window: 30d",
        "target: 99.9, window: 1h",
        "objectives.available.window: 1h cannot be kept",
        "write 1d to 90d, for instance 30d",
    ),
    "a threshold of availability": (
        "sli: availability,",
        "sli: availability, threshold: 1s,",
        "objectives.available has a threshold, but availability has none",
        "remove it, or write `sli: latency`",
    ),
    "latency without a threshold": (
        "threshold: 250ms, ",
        "",
        "objectives.interactive lacks the key 'threshold'",
        "add `threshold: 250ms`: latency is good up to a time",
    ),
    "a threshold beyond the timeout": (
        "threshold: 250ms",
        "threshold: 20s",
        "interactive allows 20s, but services.gateway gives up after 10s",
        "lower the threshold or raise the service's timeout",
    ),
    "one name twice": (
        "  embedder:\n    engine",
        "  gateway:\n    engine",
        "'gateway' stands here a second time, first in line 8",
        "remove one of the two or give it another name",
    ),
    "a receiver that is not there": (
        "page: oncall",
        "page: oncal",
        "there is no receiver 'oncal'",
        "did you mean 'oncall'? known: oncall, team",
    ),
    "an objective that is not there": (
        "minilm: {objectives: [available, interactive]}",
        "minilm: {objectives: [available, interactiv]}",
        "there is no objective 'interactiv'",
        "did you mean 'interactive'? known: available, interactive, first-result",
    ),
    "a tab": ("  embedder:\n", "\tembedder:\n", "a tab cannot indent YAML", "indent with spaces"),
    "an unknown SLI": (
        "sli: latency",
        "sli: latncy",
        "objectives.interactive.sli: 'latncy' is no SLI",
        (
            "did you mean 'latency'? known: availability, latency, time_to_first_chunk, time_to_first_token, "
            "time_per_output_token, goodput, freshness, cost_per_1k, gpu_availability"
        ),
    ),
    "a negative price": (
        "usd_per_hour: 0.20",
        "usd_per_hour: -1",
        "devices.price.usd_per_hour: '-1' is no amount of money",
        "write US dollars as a plain number: 2.99",
    ),
    "a date that is none": (
        "source: list, as_of: 2026-10-01",
        "source: list, as_of: 2026-13-01",
        "devices.price.as_of: '2026-13-01' is no date",
        "write year-month-day: 2026-10-01",
    ),
    "an address without a host": (
        '"http://alerts:9099/page"',
        "alerts",
        "receivers.oncall.webhook.url: 'alerts' is no address",
        "write http:// or https:// and a host",
    ),
    "a heartbeat that nobody hears": (
        "routes: {page: oncall, ticket: team}",
        "routes: {page: oncall, ticket: team, heartbeat: oncal}",
        "there is no receiver 'oncal'",
        "did you mean 'oncall'? known: oncall, team",
    ),
    "a mail address that is none": (
        'webhook: {url: "http://alerts:9099/page"}',
        'email: {to: "a@b, c@d", from: x@example.com, smarthost: "mail:25"}',
        "receivers.oncall.email.to: 'a@b, c@d' is no mail address",
        "write one address: oncall@example.com",
    ),
    "a mail server without a port": (
        'webhook: {url: "http://alerts:9099/page"}',
        "email: {to: a@example.com, from: x@example.com, smarthost: mail}",
        "receivers.oncall.email.smarthost: 'mail' is no host with a port",
        "write smtp.example.com:587, for instance",
    ),
    "a tenant twice": (
        "known: [acme, globex]",
        "known: [acme, acme]",
        "tenants.known names 'acme' twice",
        "remove one of the two",
    ),
    "an anchor": (
        "timeout: 10s",
        "timeout: &limit 10s",
        "anchors and aliases are not read here",
        "write the value out",
    ),
    "another version": (
        "version: 1",
        "version: 2",
        "version: version 2 of this file is not known",
        "write `version: 1`",
    ),
    "a key that is missing": (
        "routes: {page: oncall, ticket: team}",
        "",
        "fleet.yaml lacks the key 'routes'",
        "add `routes:`: Routes from severities to receivers.",
    ),
    "many keys that are missing": (
        TEXT,
        "version: 1\nfleet: f\nservices: {}\n",
        "fleet.yaml lacks the keys 'objectives', 'receivers', 'routes'",
        "add `objectives:`, `receivers:`, `routes:`",
    ),
    "nothing": (TEXT, "", "the file is empty", "start with `version: 1`"),
    "a list": (TEXT, "- 1\n", "expected a mapping, found a list", "start with `version: 1`"),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_is_wrong_is_named_with_what_would_be_right(what):
    before, after, message, hint = WRONG[what]
    assert TEXT.count(before) >= 1

    with pytest.raises(FleetError) as caught:
        loads(TEXT.replace(before, after, 1), file="fleet.yaml")

    assert caught.value.message == message
    assert caught.value.hint == hint


def test_an_error_shows_the_line_and_points_at_the_value():
    with pytest.raises(FleetError) as caught:
        loads(TEXT.replace("threshold: 250ms", "threshold: 30"), file="fleet.yaml")

    assert str(caught.value).splitlines() == [
        "fleet.yaml:29:42: objectives.interactive.threshold: '30' is no duration",
        "   29 |   interactive: {sli: latency, threshold: 30, target: 99, window: 30d}",
        "      |                                          ^^",
        "      30 has no unit; write 30ms, for instance",
    ]


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(FleetError, match=r"absent\.yaml: cannot be read: No such file or directory\n +--config names"):
        load(tmp_path / "absent.yaml")


def test_the_example_says_what_it_says():
    fleet = load(EXAMPLE)

    assert [service.name for service in fleet.services] == ["gateway", "embedder", "classifier", "listener"]
    assert {spec.name: spec.target for spec in fleet.objectives}["available"] == Decimal("99.9")
    assert {spec.name: spec.threshold_ns for spec in fleet.objectives}["interactive"] == durations.parse("250ms")
    assert fleet.routes.page == "oncall"


def test_every_objective_of_every_model_has_a_name_of_its_own():
    names = [slo.name for slo in slos(load(EXAMPLE))]

    assert "gateway-search-interactive" in names
    assert len(set(names)) == len(names)
