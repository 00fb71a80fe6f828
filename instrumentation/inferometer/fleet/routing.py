"""Who is told of what: routes from severities, teams and tenants to receivers."""

from dataclasses import dataclass
from typing import Annotated

from inferometer.fleet import texts
from inferometer.fleet.schema import Key, Table


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnRoute:
    """Receivers of one team or tenant; what is not said goes where everything goes."""

    name: str
    page: Annotated[str | None, Key(texts.SLUG, "Receiver of what cannot wait.")] = None
    ticket: Annotated[str | None, Key(texts.SLUG, "Receiver of what can wait until tomorrow.")] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Routes:
    """Who is told of what."""

    page: Annotated[str, Key(texts.SLUG, "Receiver of what cannot wait.")]
    ticket: Annotated[str, Key(texts.SLUG, "Receiver of what can wait until tomorrow.")]
    heartbeat: Annotated[
        str | None, Key(texts.SLUG, "Receiver that is told every minute that alerting works; silence is its alarm.")
    ] = None
    teams: Annotated[
        tuple[OwnRoute, ...], Key(Table(OwnRoute, texts.SLUG), "Teams that are told instead, by their name.")
    ] = ()
    tenants: Annotated[
        tuple[OwnRoute, ...],
        Key(Table(OwnRoute, texts.TEXT), "Who is told besides, where an alert is about one tenant."),
    ] = ()
