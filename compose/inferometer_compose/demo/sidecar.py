"""What the demo asks its sidecar."""

import time
from collections.abc import Callable
from typing import cast

from inferometer_compose import web
from inferometer_compose.demo.reading import objective_of
from inferometer_compose.screens.figures import Objective
from inferometer_exporters.recorder.answers import SummaryAnswer
from inferometer_exporters.recorder.trace_answers import TraceAnswer

# Each answer is a few queries over all requests of the run: often enough for a line that people watch.
_SUMMARY_EVERY_SECONDS = 1.0


class Sidecar:
    """The sidecar's API.

    Args:
        address: ``http://host:port``.
        now: Monotonic seconds.
    """

    def __init__(self, address: str, *, now: Callable[[], float] = time.monotonic) -> None:
        self._address = address
        self._now = now
        self._last: SummaryAnswer | None = None
        self._asked = -_SUMMARY_EVERY_SECONDS

    def summary(self) -> SummaryAnswer:
        """Everything since the sidecar began; the demo's own begins with the demo.

        Raises:
            AnswerError: the sidecar does not answer.
        """
        return cast("SummaryAnswer", web.get_json(f"{self._address}/api/summary", timeout_seconds=10.0))

    def objectives(self) -> tuple[Objective, ...]:
        """How the objectives stood within the last second; nothing while the sidecar does not answer."""
        if self._now() - self._asked >= _SUMMARY_EVERY_SECONDS:
            self._asked = self._now()
            try:
                self._last = self.summary()
            except web.AnswerError:
                self._last = None
        return () if self._last is None else tuple(map(objective_of, self._last["objectives"]))

    def slowest(self) -> TraceAnswer | None:
        """The slowest request of the fleet, with all its hops; None before the first one.

        Raises:
            AnswerError: the sidecar does not answer.
        """
        found = web.get_json(f"{self._address}/api/slowest?n=1")["requests"]
        if not found:
            return None
        return cast("TraceAnswer", web.get_json(f"{self._address}/api/trace/{found[0]['trace_id']}"))
