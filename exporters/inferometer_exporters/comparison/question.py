"""What somebody wants compared."""

from dataclasses import dataclass

LEAST = 0.05
"""Relative difference that counts unless somebody says otherwise: less is seldom worth a person's morning."""


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of wall time, ns since the epoch; its end is not part of it."""

    begin_ns: int
    end_ns: int

    def overlaps(self, other: "Window") -> bool:
        """Whether some moment is in both."""
        return self.begin_ns < other.end_ns and other.begin_ns < self.end_ns


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """Two windows of all versions, or two versions in one window, of the requests that match.

    An empty text matches all.
    """

    before: Window
    after: Window
    versions: tuple[str, str] | None = None
    """Of the side before and the side after; both windows are the same then."""
    service: str = ""
    model: str = ""
    tenant: str = ""
    least: float = LEAST
    """Relative difference that counts."""
    stage_percentiles: bool = True
    """Whether stages are compared by their percentiles, too, which takes most of the time; their means always are."""
    seed: int = 0
    """Of the draws: the same question with the same seed has the same answer."""
