"""Alerts that fire and of which nobody is told, because another one says it already: as Alertmanager knows them."""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from inferometer_compose import web
from inferometer_compose.demo.stories import TIER, about
from inferometer_compose.screens.figures import HeldBack

_EVERY_SECONDS = 1.0
_NAME = "alertname"


class HeldBackLine:
    """Asks Alertmanager once a second, in a thread: one that does not answer must not stall the screen.

    Args:
        address: ``http://host:port``; nothing is asked without one.
    """

    def __init__(self, address: str | None) -> None:
        self._address = address
        self._found: dict[tuple[str, str], HeldBack] = {}
        self._lock = threading.Lock()
        self._ended = threading.Event()
        if address is not None:
            threading.Thread(target=self._follow, name="held-back", daemon=True).start()

    def alerts(self, *, since: float) -> tuple[HeldBack, ...]:
        """What was held back at some time, in the order in which it fired; times in seconds after *since*."""
        with self._lock:
            found = list(self._found.values())
        told = (replace(one, fired_at=one.fired_at - since) for one in found)
        return tuple(sorted(told, key=lambda one: (one.fired_at, one.name)))

    def end(self) -> None:
        """Ask no more."""
        self._ended.set()

    def _follow(self) -> None:
        while not self._ended.wait(_EVERY_SECONDS):
            try:
                known = web.get_json(f"{self._address}/api/v2/alerts", timeout_seconds=_EVERY_SECONDS)
            except web.AnswerError:
                continue
            with self._lock:
                for key, alert in held_back(known):
                    self._found.setdefault(key, alert)


def held_back(known: Sequence[Mapping[str, Any]]) -> list[tuple[tuple[str, str], HeldBack]]:
    """Of Alertmanager's list those that others hold back, by fingerprint and start; times since 1970."""
    names = {alert["fingerprint"]: str(alert["labels"].get(_NAME, "")) for alert in known}
    return [
        (
            (alert["fingerprint"], alert["startsAt"]),
            HeldBack(
                name=str(alert["labels"].get(_NAME, "")),
                tier=str(alert["labels"].get(TIER, "")),
                about=about(alert["labels"]),
                fired_at=datetime.fromisoformat(alert["startsAt"]).timestamp(),
                # The cause may be gone from the list by now.
                cause=names.get(causes[0], ""),
            ),
        )
        for alert in known
        if (causes := alert["status"]["inhibitedBy"])
    ]
