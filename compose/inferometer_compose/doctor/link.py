"""What the doctor says of one link of the chain, and where it looks."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property

from inferometer.fleet.model import Fleet
from inferometer_compose import web
from inferometer_exporters.pages.exposition import Point, points


class State(StrEnum):
    """How a link is."""

    WHOLE = "ok"
    BROKEN = "broken"
    UNSEEN = "not looked at"


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """One link.

    Attributes:
        name: What it is; the same for the same fault always.
        state: Whether it holds.
        says: What was seen, for a person.
        cure: What mends it; empty where nothing is broken.
    """

    name: str
    state: State
    says: str
    cure: str = ""


def whole(name: str, says: str) -> Link:
    """A link that holds."""
    return Link(name=name, state=State.WHOLE, says=says)


def broken(name: str, says: str, cure: str) -> Link:
    """A link that does not, with its cure."""
    return Link(name=name, state=State.BROKEN, says=says, cure=cure)


def unseen(name: str, why: str) -> Link:
    """A link that nobody looked at."""
    return Link(name=name, state=State.UNSEEN, says=why)


@dataclass(frozen=True, kw_only=True)
class Where:
    """Where each part of the stack answers.

    Attributes:
        metrics: The sidecar's page, a URL with its path.
        api: The sidecar's API.
        prometheus: Prometheus.
        jaeger: Jaeger's query API.
        grafana: Grafana; None: nobody said, and it is looked at where it usually is.
        fleet: What was promised; None: nobody named a fleet.yaml.
        time_scale: By which the rules' windows are divided.
        environment: Settings of workers, for the socket that they use.
        clock: Seconds since 1970, here.
    """

    metrics: str
    api: str
    prometheus: str
    jaeger: str
    grafana: str | None
    fleet: Fleet | None
    time_scale: int
    environment: Mapping[str, str]
    clock: Callable[[], float] = field(default=time.time)

    @cached_property
    def page(self) -> list[Point]:
        """What the sidecar publishes now.

        Raises:
            AnswerError: it does not answer.
            SourceError: it answers what is no page.
        """
        answer = web.fetch(self.metrics, shows_token=True)
        return points(answer.body)
