"""Alertmanager's configuration in the operator's spelling: the same routes, inhibitions and receivers."""

import re

import pytest
from fleets_in_kubernetes import EVERYTHING

from inferometer.errors import RefusedError
from inferometer.fleet.loader import loads
from inferometer_alerts import alertmanager
from inferometer_alerts.addresses import Addresses
from inferometer_alerts.time_scale import TimeScale
from inferometer_compose.kubernetes import alertmanager_config


@pytest.fixture(scope="module")
def fleet():
    return loads(EVERYTHING)


@pytest.fixture(scope="module")
def native(fleet):
    return alertmanager.configuration(fleet, TimeScale(1), Addresses(inbox=None))


@pytest.fixture(scope="module")
def spec(fleet):
    return alertmanager_config.manifest(fleet, TimeScale(1))["spec"]


def snake(name: str) -> str:
    return re.sub(r"(?<=[a-z])([A-Z]+)", lambda found: f"_{found[1].lower()}", name)


def route_back(route):
    """A route as Alertmanager's own file spells it."""
    made = {snake(key): value for key, value in route.items()}
    if "matchers" in made:
        made["matchers"] = [f'{one["name"]}{one["matchType"]}"{one["value"]}"' for one in made["matchers"]]
    if "routes" in made:
        made["routes"] = [route_back(below) for below in made["routes"]]
    return made


def test_routes_are_the_same(native, spec):
    assert route_back(spec["route"]) == native["route"]


def test_inhibitions_are_the_same(native, spec):
    back = [
        {
            "source_matchers": [f'{one["name"]}{one["matchType"]}"{one["value"]}"' for one in rule["sourceMatch"]],
            "target_matchers": [f'{one["name"]}{one["matchType"]}"{one["value"]}"' for one in rule["targetMatch"]],
            "equal": rule["equal"],
        }
        for rule in spec["inhibitRules"]
    ]

    assert back == [{"equal": [], **rule} for rule in native["inhibit_rules"]]


def configs(receiver):
    """Each configuration of a receiver, whatever its way is called."""
    return [config for key, configs in receiver.items() if key != "name" for config in configs]


def texts(config):
    """What people are told, wherever it stands."""
    found = []
    for value in config.values():
        if isinstance(value, list):
            found += [entry["value"] for entry in value if "value" in entry]
        elif isinstance(value, dict):
            found += [text for text in value.values() if "{{" in str(text)]
        elif "{{" in str(value):
            found.append(value)
    return sorted(found)


def test_receivers_are_the_same_and_say_the_same(native, spec):
    assert [one["name"] for one in spec["receivers"]] == [one["name"] for one in native["receivers"]]
    for written, known in zip(spec["receivers"], native["receivers"], strict=True):
        assert [len(config) for config in configs(written)] == [len(config) for config in configs(known)]
        assert [texts(config) for config in configs(written)] == [texts(config) for config in configs(known)]


def test_the_secret_that_is_needed_is_known(fleet):
    assert alertmanager_config.secret_keys(fleet) == ("hook", "mail", "opsgenie", "pager-duty", "slack", "teams")


@pytest.mark.parametrize(
    ("text", "matcher"),
    [
        ('a="b"', {"name": "a", "matchType": "=", "value": "b"}),
        ('a=~"b|c"', {"name": "a", "matchType": "=~", "value": "b|c"}),
        ('a!="q\\"u\\\\o\\nte"', {"name": "a", "matchType": "!=", "value": 'q"u\\o\nte'}),
        ('a !~ ""', {"name": "a", "matchType": "!~", "value": ""}),
    ],
)
def test_matchers_are_read(text, matcher):
    assert alertmanager_config._matcher(text) == matcher


def test_a_matcher_that_cannot_be_written_is_refused():
    with pytest.raises(RefusedError, match="cannot be written as an AlertmanagerConfig"):
        alertmanager_config._matcher("a=b")


def test_a_time_zone_that_the_operator_does_not_know_is_refused():
    spans = {"name": "nights", "time_intervals": [{"location": "Europe/Berlin", "weekdays": ["monday"]}]}

    with pytest.raises(RefusedError, match="maintenance nights is in the time zone Europe/Berlin"):
        alertmanager_config._interval(spans)


def test_a_fleet_whose_maintenance_is_in_another_zone_is_refused():
    fleet = loads(EVERYTHING.replace('from: "22:00"', 'timezone: Europe/Berlin, from: "22:00"'))

    with pytest.raises(RefusedError, match="write its times in UTC"):
        alertmanager_config.manifest(fleet, TimeScale(1))


def test_maintenance_mutes_the_routes_that_it_is_for(native, spec):
    named = [interval["name"] for interval in native["time_intervals"]]

    assert [interval["name"] for interval in spec["muteTimeIntervals"]] == named == ["nights", "once"]


def test_times_of_maintenance_are_the_same():
    spans = {
        "name": "nights",
        "time_intervals": [
            {
                "location": "UTC",
                "times": [{"start_time": "22:00", "end_time": "24:00"}],
                "weekdays": ["monday:friday"],
                "days_of_month": ["1:7", "-1"],
            }
        ],
    }

    assert alertmanager_config._interval(spans) == {
        "name": "nights",
        "timeIntervals": [
            {
                "times": [{"startTime": "22:00", "endTime": "24:00"}],
                "weekdays": ["monday:friday"],
                "daysOfMonth": [{"start": 1, "end": 7}, {"start": -1, "end": -1}],
            }
        ],
    }
