"""Who can be told of an alert, and by which way; secrets stand in files."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

from inferometer.fleet import texts
from inferometer.fleet.schema import Key, Nested


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """An HTTP endpoint that takes Alertmanager's JSON."""

    EXACTLY_ONE: ClassVar = ("url", "url_file")
    url: Annotated[str | None, Key(texts.URL, "Address, where it is no secret.")] = None
    url_file: Annotated[str | None, Key(texts.FILE, "File that holds the address.")] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Slack:
    """A Slack channel."""

    url_file: Annotated[str, Key(texts.FILE, "File that holds the webhook's address.")]
    channel: Annotated[str, Key(texts.TEXT, "Channel: #inference.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class PagerDuty:
    """A PagerDuty service."""

    routing_key_file: Annotated[str, Key(texts.FILE, "File that holds the integration key (Events API v2).")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Teams:
    """A Microsoft Teams channel, by the address of a workflow."""

    url_file: Annotated[str, Key(texts.FILE, "File that holds the workflow's address.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Opsgenie:
    """An Opsgenie team."""

    api_key_file: Annotated[str, Key(texts.FILE, "File that holds the API key.")]
    api_url: Annotated[str | None, Key(texts.URL, "API of another region: https://api.eu.opsgenie.com.")] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Email:
    """A mailbox."""

    to: Annotated[str, Key(texts.MAIL, "Address that mail goes to.")]
    sender: Annotated[str, Key(texts.MAIL, "Address that it comes from.", name="from")]
    smarthost: Annotated[str, Key(texts.HOST_PORT, "Mail server: smtp.example.com:587.")]
    username: Annotated[str | None, Key(texts.TEXT, "User at the mail server.")] = None
    password_file: Annotated[str | None, Key(texts.FILE, "File that holds the user's password.")] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Receiver:
    """Somebody who is told; one way to reach them."""

    EXACTLY_ONE: ClassVar = ("webhook", "slack", "pagerduty", "teams", "opsgenie", "email")
    name: str
    webhook: Annotated[Webhook | None, Key(Nested(Webhook), "By HTTP.")] = None
    slack: Annotated[Slack | None, Key(Nested(Slack), "In Slack.")] = None
    pagerduty: Annotated[PagerDuty | None, Key(Nested(PagerDuty), "By PagerDuty.")] = None
    teams: Annotated[Teams | None, Key(Nested(Teams), "In Microsoft Teams.")] = None
    opsgenie: Annotated[Opsgenie | None, Key(Nested(Opsgenie), "By Opsgenie.")] = None
    email: Annotated[Email | None, Key(Nested(Email), "By mail.")] = None
