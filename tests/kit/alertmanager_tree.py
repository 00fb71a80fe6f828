"""The tree of routes of an Alertmanager configuration, walked as Alertmanager walks it."""

import re

import alert_fleets as fleets
from ruamel.yaml import YAML

from inferometer_alerts import alertmanager
from inferometer_alerts.addresses import COMPOSE
from inferometer_alerts.time_scale import TimeScale
from inferometer_alerts.yaml_text import dump

SCALE = TimeScale(1)
_MATCHER = re.compile(r'(\w+)(=~|!~|!=|=)"((?:[^"\\]|\\.)*)"')


def read(fleet=None, **how):
    text = dump(alertmanager.configuration(fleet or fleets.hostile(), SCALE, how.get("addresses", COMPOSE)))
    return YAML(typ="safe", pure=True).load(text.decode())


def matches(matchers, labels):
    """As Alertmanager reads a list of matchers: a label that is not there has the empty value."""
    for text in matchers:
        name, operator, value = _MATCHER.fullmatch(text).groups()
        value, has = re.sub(r"\\(.)", r"\1", value), labels.get(name, "")
        same = re.fullmatch(value, has) is not None if "~" in operator else value == has
        if same != (operator in {"=", "=~"}):
            return False
    return True


def told(route, labels, above=None):
    """Receiver and mute intervals of each route that takes an alert, as Alertmanager walks the tree."""
    if not matches(route.get("matchers", []), labels):
        return []
    receiver = route.get("receiver", above)
    found = []
    for child in route.get("routes", []):
        below = told(child, labels, receiver)
        found += below
        if below and not child.get("continue"):
            break
    return found or [(receiver, route.get("mute_time_intervals", []))]


def receivers(labels, fleet=None):
    return [name for name, _ in told(read(fleet)["route"], labels)]
