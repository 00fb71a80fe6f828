"""Configuration of Alertmanager: who is told of what, together with what, how often, and when not."""

from collections.abc import Iterator
from typing import Final

from inferometer.catalog.labels import DEVICE, MODEL, SERVICE, TENANT
from inferometer.fleet.model import Fleet
from inferometer_alerts import inhibitions, muting, receivers
from inferometer_alerts.addresses import Addresses
from inferometer_alerts.rule import Severity
from inferometer_alerts.rule_labels import BUDGET, SEVERITY, TEAM
from inferometer_alerts.time_scale import TimeScale
from inferometer_alerts.yaml_text import Yaml

# One notification per thing that is in trouble: all promises of a model together, all alerts of a device together.
GROUP_BY: Final = tuple(label.name for label in (SERVICE, MODEL, DEVICE, BUDGET))
NOBODY: Final = "nobody"
"""The receiver of alerts that only keep others from being told."""

Written = dict[str, Yaml]


def configuration(fleet: Fleet, scale: TimeScale, addresses: Addresses) -> Yaml:
    """alertmanager.yml."""
    intervals = muting.time_intervals(fleet)
    return {
        "route": {
            # Where an alert has none of the severities: rules of others may be in the same Prometheus.
            "receiver": fleet.routes.ticket,
            "group_by": list(GROUP_BY),
            **_waits(scale, Severity.TICKET),
            "routes": [*_never(), *_heartbeat(fleet, scale), *_tenants(fleet, scale), *_told(fleet, scale)],
        },
        "inhibit_rules": inhibitions.rules(fleet),
        **({"time_intervals": intervals} if intervals else {}),
        "receivers": [
            *(receivers.configuration(receiver, addresses) for receiver in fleet.receivers),
            {"name": NOBODY},
        ],
    }


def _equals(label: str, value: str) -> str:
    return f"{label}={receivers.quoted(value)}"


def _of(severity: Severity) -> str:
    return _equals(SEVERITY.name, severity.value)


def _never() -> Iterator[Yaml]:
    yield {"receiver": NOBODY, "matchers": [_of(Severity.NONE)]}


def _heartbeat(fleet: Fleet, scale: TimeScale) -> Iterator[Yaml]:
    # Maintenance does not mute it: that alerting works is known then, too.
    if fleet.routes.heartbeat is not None:
        yield {
            "receiver": fleet.routes.heartbeat,
            "matchers": [_of(Severity.HEARTBEAT)],
            # Alertmanager repeats at a round of the group's interval only.
            **_times(scale, wait="1s", interval="1m", repeat="1m"),
        }


def _tenants(fleet: Fleet, scale: TimeScale) -> Iterator[Yaml]:
    """Besides everybody else: who speaks to the tenant, of what is about it alone."""
    for own in fleet.routes.tenants:
        for severity, receiver in ((Severity.PAGE, own.page), (Severity.TICKET, own.ticket)):
            if receiver is not None:
                matchers = [_of(severity), _equals(TENANT.name, own.name)]
                yield {**_route(fleet, scale, severity, receiver, matchers), "continue": True}


def _told(fleet: Fleet, scale: TimeScale) -> Iterator[Yaml]:
    """The team's receivers, and for what no route of a team is about, those of everybody."""
    for severity, everybody in ((Severity.PAGE, fleet.routes.page), (Severity.TICKET, fleet.routes.ticket)):
        for own in fleet.routes.teams:
            receiver = own.page if severity is Severity.PAGE else own.ticket
            if receiver is not None:
                yield _route(fleet, scale, severity, receiver, [_of(severity), _equals(TEAM.name, own.name)])
        yield _route(fleet, scale, severity, everybody, [_of(severity)])


def _route(fleet: Fleet, scale: TimeScale, severity: Severity, receiver: str, matchers: list[str]) -> Written:
    """A route, with one below it for each service that is worked on at times: these are not handed down."""
    written: Written = {"receiver": receiver, "matchers": matchers, **_waits(scale, severity)}
    if muted := muting.of_everything(fleet):
        written["mute_time_intervals"] = muted
    services = [
        {"matchers": [_equals(SERVICE.name, service)], "mute_time_intervals": names}
        for service, names in muting.of_services(fleet).items()
    ]
    return {**written, "routes": services} if services else written


def _waits(scale: TimeScale, severity: Severity) -> Written:
    if severity is Severity.PAGE:
        return _times(scale, wait="10s", interval="2m", repeat="4h")
    return _times(scale, wait="1m", interval="15m", repeat="1d")


def _times(scale: TimeScale, *, wait: str, interval: str, repeat: str) -> Written:
    return {
        "group_wait": scale.every(wait),
        "group_interval": scale.every(interval),
        "repeat_interval": scale.every(repeat),
    }
