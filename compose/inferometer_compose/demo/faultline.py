"""Switches a fault on and off at its time, in every service of the fleet."""

import threading
from collections.abc import Mapping

from inferometer_compose import web
from inferometer_compose.faults import Fault, Window
from inferometer_compose.stack.fleet import url


class FaultLine:
    """Keeps the fleet's fault in step with the time of the run.

    Args:
        services: Ports by name.
        fault: The fault, or none for the whole run.
        window: When it is on.
    """

    def __init__(self, services: Mapping[str, int], fault: Fault | None, window: Window) -> None:
        self._services = services
        self._fault = fault
        self._window = window
        self.active: Fault | None = None

    def at(self, seconds: float) -> None:
        """Switch if it is time; a stalled service must not stall the screen, so the orders go out beside it."""
        due = self._fault if self._fault is not None and self._window.covers(seconds) else None
        if due is self.active:
            return
        self.active = due
        for port in self._services.values():
            threading.Thread(target=_order, args=(port, due), name="fault-order", daemon=True).start()


def _order(port: int, fault: Fault | None) -> None:
    body = {"name": None if fault is None else fault.value}
    # A service that does not answer has a fault already; the load's own count will show it.
    try:
        web.fetch(f"{url(port)}/control/fault", body=body, timeout_seconds=10.0)
    except web.AnswerError:
        return
