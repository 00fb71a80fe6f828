"""What the load generator knows for itself: the truth that telemetry is checked against."""

from collections import Counter
from dataclasses import dataclass, field
from typing import TypedDict


class CountsJson(TypedDict):
    """A line of the load generator's output; every count is since its start."""

    seconds: float
    sent: int
    ok: int
    failed: int
    skipped: int
    statuses: dict[str, int]
    kinds: dict[str, int]
    tenants: dict[str, int]
    done: bool


@dataclass(slots=True)
class Counts:
    """Requests by how they ended; ``skipped`` were due but not sent, because too many were open."""

    sent: int = 0
    ok: int = 0
    failed: int = 0
    skipped: int = 0
    statuses: Counter[str] = field(default_factory=Counter)
    kinds: Counter[str] = field(default_factory=Counter)
    tenants: Counter[str] = field(default_factory=Counter)

    def started(self, kind: str, tenant: str) -> None:
        """A request goes out."""
        self.sent += 1
        self.kinds[kind] += 1
        self.tenants[tenant] += 1

    def ended(self, status: str, *, ok: bool) -> None:
        """A request's answer was read to its end, or it failed; ``status`` is the HTTP status or the error's name."""
        self.statuses[status] += 1
        if ok:
            self.ok += 1
        else:
            self.failed += 1

    def to_json(self, seconds: float, *, done: bool) -> CountsJson:
        """The counts after that many seconds."""
        return {
            "seconds": round(seconds, 3),
            "sent": self.sent,
            "ok": self.ok,
            "failed": self.failed,
            "skipped": self.skipped,
            "statuses": dict(sorted(self.statuses.items())),
            "kinds": dict(sorted(self.kinds.items())),
            "tenants": dict(sorted(self.tenants.items())),
            "done": done,
        }
