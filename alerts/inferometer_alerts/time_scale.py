"""Windows and intervals, divided by a time scale: at 60, one second is a minute of an SLO's window."""

from dataclasses import dataclass
from typing import Final

from inferometer.fleet import durations

SCRAPE_NS: Final = durations.parse("15s")
EVALUATION_NS: Final = durations.parse("30s")
LOOKBACK_NS: Final = durations.parse("5m")
_RESEND_NS: Final = durations.parse("1m")
"""Prometheus's own default."""
_SHORTEST_RESEND_NS: Final = durations.parse("5s")
_SHORTEST_NS: Final = durations.parse("1s")
# A rate needs two samples; four survive a scrape that failed (and are what Grafana's $__rate_interval keeps).
_SCRAPES_PER_WINDOW: Final = 4


@dataclass(frozen=True, slots=True)
class TimeScale:
    """By what every time in generated files is divided; 1 in production."""

    factor: int = 1

    def interval(self, nanoseconds: int) -> int:
        """An interval, a wait or a hold in nanoseconds; not below a second."""
        return durations.divide(nanoseconds, self.factor, floor=_SHORTEST_NS)

    def window(self, nanoseconds: int) -> int:
        """A window of samples in nanoseconds; not below four scrapes."""
        return durations.divide(nanoseconds, self.factor, floor=_SCRAPES_PER_WINDOW * self.interval(SCRAPE_NS))

    def every(self, text: str) -> str:
        """An interval as Prometheus reads it."""
        return durations.render(self.interval(durations.parse(text)))

    def over(self, text: str) -> str:
        """A window as Prometheus reads it."""
        return durations.render(self.window(durations.parse(text)))

    def hold(self, text: str) -> str:
        """A time for which an alert must hold; ``0s`` stays."""
        return self.every(text) if text != "0s" else text

    @property
    def note(self) -> str:
        """What people must be told where times are divided; empty otherwise."""
        if self.factor == 1:
            return ""
        return f" Time scale {self.factor}: every window and interval is divided by {self.factor}."

    def prometheus_flags(self) -> tuple[str, ...]:
        """Flags of the Prometheus server that the generated configuration needs."""
        # Not below five evaluations: a recorded series must not vanish between two of them.
        lookback = durations.divide(LOOKBACK_NS, self.factor, floor=5 * self.interval(EVALUATION_NS))
        return (
            "--enable-feature=exemplar-storage",
            f"--query.lookback-delta={durations.render(lookback)}",
            f"--rules.alert.resend-delay={self._resend}",
        )

    def alertmanager_flags(self) -> tuple[str, ...]:
        """Flags of Alertmanager that the generated configuration needs.

        After it was restarted it learns of each alert when that is sent again. Until all of them were, it tells nobody:
        it would not know yet which of them holds others back.
        """
        return (f"--dispatch.start-delay={self._resend}",)

    @property
    def _resend(self) -> str:
        """Time between two sends of an alert; after four without news it is over, so that a busy machine has some."""
        return durations.render(durations.divide(_RESEND_NS, self.factor, floor=_SHORTEST_RESEND_NS))
