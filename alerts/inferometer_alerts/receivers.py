"""Receivers of Alertmanager: how each is told, with secrets that are read from files."""

from collections.abc import Callable
from typing import Any, Final

from inferometer.fleet.receivers import Email, Opsgenie, PagerDuty, Receiver, Slack, Teams, Webhook
from inferometer_alerts.addresses import Addresses
from inferometer_alerts.yaml_text import Yaml

_TITLE: Final = (
    '{{ if eq .Status "firing" }}{{ .CommonLabels.severity | toUpper }}{{ else }}RESOLVED{{ end }} '
    "{{ (index .Alerts 0).Annotations.summary }}"
    "{{ if gt (len .Alerts) 1 }} (+{{ len (slice .Alerts 1) }} more){{ end }}"
)
_SINCE: Final = (
    'since {{ .StartsAt.UTC.Format "2006-01-02 15:04:05" }} UTC'
    '{{ if eq .Status "resolved" }} until {{ .EndsAt.UTC.Format "15:04:05" }}{{ end }}'
)
_TEXT: Final = (
    "{{ range .Alerts }}{{ .Annotations.summary }}\n"
    "{{ .Annotations.description }}\n"
    "{{ with .Annotations.now }}{{ . }}\n{{ end }}"
    f"{_SINCE}\n"
    "board: {{ .Annotations.dashboard_url }}\n"
    "slow requests: {{ .Annotations.traces_url }}\n"
    "runbook: {{ .Annotations.runbook_url }}\n\n"
    "{{ end }}"
)
_PAGES: Final = '{{ if eq .CommonLabels.severity "page" }}%s{{ else }}%s{{ end }}'
_HTML: Final = (
    "{{ range .Alerts }}<p><b>{{ .Annotations.summary }}</b><br>{{ .Annotations.description }}<br>"
    f"{{{{ .Annotations.now }}}}<br>{_SINCE}</p>"
    '<p><a href="{{ .Annotations.dashboard_url }}">board</a> '
    '<a href="{{ .Annotations.traces_url }}">slow requests</a> '
    '<a href="{{ .Annotations.runbook_url }}">runbook</a></p>{{ end }}'
)

Written = dict[str, Yaml]


def configuration(receiver: Receiver, addresses: Addresses) -> Yaml:
    """An entry of ``receivers``; with an inbox everything goes there instead."""
    if addresses.inbox is not None:
        return _entry(receiver, "webhook", {"url": f"http://{addresses.inbox}/{receiver.name}"})
    for way, (name, write) in _WAYS.items():
        given = getattr(receiver, way)
        if given is not None:
            return _entry(receiver, name, write(given))
    return {"name": receiver.name}


def quoted(text: str) -> str:
    """A value in one of Alertmanager's matchers that means exactly this text."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _entry(receiver: Receiver, way: str, written: Written) -> Yaml:
    return {"name": receiver.name, f"{way}_configs": [{**written, "send_resolved": True}]}


def _webhook(given: Webhook) -> Written:
    return {"url": given.url} if given.url_file is None else {"url_file": given.url_file}


def _slack(given: Slack) -> Written:
    return {"api_url_file": given.url_file, "channel": given.channel, "title": _TITLE, "text": _TEXT}


def _pagerduty(given: PagerDuty) -> Written:
    return {
        "routing_key_file": given.routing_key_file,
        "description": _TITLE,
        "severity": _PAGES % ("critical", "warning"),
    }


def _teams(given: Teams) -> Written:
    return {"webhook_url_file": given.url_file, "title": _TITLE, "text": _TEXT}


def _opsgenie(given: Opsgenie) -> Written:
    where: Written = {} if given.api_url is None else {"api_url": f"{given.api_url}/"}
    return {
        **where,
        "api_key_file": given.api_key_file,
        "message": _TITLE,
        "description": _TEXT,
        "priority": _PAGES % ("P1", "P3"),
    }


def _email(given: Email) -> Written:
    user: Written = {} if given.username is None else {"auth_username": given.username}
    password: Written = {} if given.password_file is None else {"auth_password_file": given.password_file}
    return {
        "to": given.to,
        "from": given.sender,
        "smarthost": given.smarthost,
        **user,
        **password,
        "headers": {"Subject": _TITLE},
        "html": _HTML,
        "text": _TEXT,
    }


_WAYS: Final[dict[str, tuple[str, Callable[[Any], Written]]]] = {
    "webhook": ("webhook", _webhook),
    "slack": ("slack", _slack),
    "pagerduty": ("pagerduty", _pagerduty),
    "teams": ("msteamsv2", _teams),
    "opsgenie": ("opsgenie", _opsgenie),
    "email": ("email", _email),
}
"""Alertmanager's name of each way, and what it is told."""
