"""Alertmanager's configuration as the operator's AlertmanagerConfig: the same routes and receivers, other spelling.

Secrets are not in it: where Alertmanager's own file names ``/run/secrets/slack``, this names the key ``slack`` of one
Secret, which somebody else makes.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any, Final

from inferometer.errors import RefusedError
from inferometer.fleet.model import Fleet
from inferometer_alerts import alertmanager
from inferometer_alerts.addresses import Addresses
from inferometer_alerts.time_scale import TimeScale
from inferometer_alerts.yaml_text import Yaml
from inferometer_compose.kubernetes.names import Manifest, metadata

_MATCHER: Final = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)\s*(=~|!~|!=|=)\s*"((?:[^"\\]|\\.)*)"')
_ESCAPE: Final = re.compile(r"\\(.)")
_UNESCAPED: Final = {"n": "\n"}
_RECEIVERS: Final = {
    "webhook_configs": "webhookConfigs",
    "slack_configs": "slackConfigs",
    "pagerduty_configs": "pagerdutyConfigs",
    "msteamsv2_configs": "msteamsv2Configs",
    "opsgenie_configs": "opsgenieConfigs",
    "email_configs": "emailConfigs",
}
_SECRETS: Final = {
    "url_file": "urlSecret",
    "api_url_file": "apiURL",
    "routing_key_file": "routingKey",
    "webhook_url_file": "webhookURL",
    "api_key_file": "apiKey",
    "auth_password_file": "authPassword",
}
"""Alertmanager's keys of files, and the operator's of secrets."""
_NAMES: Final = {"api_url": "apiURL", "title_link": "titleLink", "client_url": "clientURL", "require_tls": "requireTLS"}
_HERE: Final = Addresses(inbox=None)

Doc = Mapping[str, Any]


def manifest(fleet: Fleet, scale: TimeScale) -> Manifest:
    """The AlertmanagerConfig of a fleet.

    Raises:
        RefusedError: the fleet needs what an AlertmanagerConfig cannot say.
    """
    written: Any = alertmanager.configuration(fleet, scale, _HERE)
    secret = fleet.kubernetes.receivers_secret
    spec: dict[str, Yaml] = {
        "route": _route(written["route"]),
        "inhibitRules": [_inhibition(rule) for rule in written.get("inhibit_rules", ())],
        "receivers": [_receiver(receiver, secret) for receiver in written["receivers"]],
    }
    if intervals := written.get("time_intervals"):
        spec["muteTimeIntervals"] = [_interval(interval) for interval in intervals]
    return {
        "apiVersion": "monitoring.coreos.com/v1alpha1",
        "kind": "AlertmanagerConfig",
        "metadata": metadata(fleet, "inferometer"),
        "spec": spec,
    }


def secret_keys(fleet: Fleet) -> tuple[str, ...]:
    """Keys that the Secret of the receivers must have, sorted."""
    written: Any = alertmanager.configuration(fleet, TimeScale(1), _HERE)
    files = {
        value
        for receiver in written["receivers"]
        for configs in receiver.values()
        if not isinstance(configs, str)
        for config in configs
        for key, value in config.items()
        if key in _SECRETS
    }
    return tuple(sorted(_key(file) for file in files))


def _key(file: str) -> str:
    """Key of a Secret for a file: its name."""
    return re.sub(r"[^A-Za-z0-9._-]", "-", PurePosixPath(file).name)


def _camel(name: str) -> str:
    first, *others = name.split("_")
    return _NAMES.get(name, first + "".join(other.capitalize() for other in others))


def _route(route: Doc) -> Manifest:
    special: dict[str, Callable[[Any], Yaml]] = {
        "matchers": _matchers,
        "routes": lambda below: list(map(_route, below)),
    }
    return {_camel(key): special[key](value) if key in special else value for key, value in route.items()}


def _matchers(texts: Sequence[str]) -> Yaml:
    return [_matcher(text) for text in texts]


def _matcher(text: str) -> Yaml:
    found = _MATCHER.fullmatch(text)
    if found is None:
        raise RefusedError(f"the matcher {text!r} cannot be written as an AlertmanagerConfig")
    name, operator, quoted = found.groups()
    value = _ESCAPE.sub(lambda escape: _UNESCAPED.get(escape[1], escape[1]), quoted)
    return {"name": name, "matchType": operator, "value": value}


def _inhibition(rule: Doc) -> Yaml:
    return {
        "sourceMatch": _matchers(rule["source_matchers"]),
        "targetMatch": _matchers(rule["target_matchers"]),
        "equal": list(rule.get("equal", ())),
    }


def _receiver(receiver: Doc, secret: str) -> Yaml:
    written: dict[str, Yaml] = {"name": receiver["name"]}
    for key, configs in receiver.items():
        if key != "name":
            written[_RECEIVERS[key]] = [_config(config, secret) for config in configs]
    return written


def _config(config: Doc, secret: str) -> Yaml:
    written: dict[str, Yaml] = {}
    for key, value in config.items():
        if key in _SECRETS:
            written[_SECRETS[key]] = {"name": secret, "key": _key(value)}
        elif key == "headers":
            written["headers"] = [{"key": name, "value": text} for name, text in value.items()]
        else:
            written[_camel(key)] = value
    return written


def _interval(interval: Doc) -> Yaml:
    return {
        "name": interval["name"],
        "timeIntervals": [_span(span, interval["name"]) for span in interval["time_intervals"]],
    }


def _span(span: Doc, name: str) -> Yaml:
    zone = span.get("location", "UTC")
    if zone not in {"UTC", "Etc/UTC"}:
        raise RefusedError(
            f"maintenance {name} is in the time zone {zone}, but an AlertmanagerConfig knows UTC only: "
            "write its times in UTC, or configure Alertmanager with alertmanager.yml"
        )
    written: dict[str, Yaml] = {}
    for key, value in span.items():
        if key == "times":
            written["times"] = [{"startTime": at["start_time"], "endTime": at["end_time"]} for at in value]
        elif key == "days_of_month":
            written["daysOfMonth"] = [_days(days) for days in value]
        elif key != "location":
            written[_camel(key)] = value
    return written


def _days(text: str) -> Yaml:
    first, _, last = str(text).partition(":")
    return {"start": int(first), "end": int(last or first)}
