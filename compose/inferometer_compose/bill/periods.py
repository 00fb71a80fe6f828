"""How much time a bill is for: charges of one device overlap, one for each SKU, and count once."""

from typing import Final

_MOST: Final = 256
"""Stretches that are kept before those that touch are put together; an hourly bill has 24 a day."""


class Periods:
    """Stretches of time, whose overlaps count once."""

    def __init__(self) -> None:
        self._known: set[tuple[int, int]] = set()

    def add(self, begin: int, end: int) -> None:
        """One more stretch; `end` is exclusive."""
        self._known.add((begin, end))
        if len(self._known) > _MOST:
            self._known = set(_united(self._known))

    @property
    def length(self) -> int:
        """Of all together."""
        return sum(end - begin for begin, end in _united(self._known))


def _united(known: set[tuple[int, int]]) -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    for begin, end in sorted(known):
        if found and begin <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], end))
        else:
            found.append((begin, end))
    return found
