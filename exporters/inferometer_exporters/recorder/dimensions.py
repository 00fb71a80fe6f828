"""Numbers for names: label sets, strings and processes, each given out once, stored by the pass that brought it."""

from collections.abc import Iterable
from typing import Any, Final

Key = tuple[Any, ...]
"""The values of a row, without its number."""

LIMIT: Final = 200_000
"""Names per dimension; what comes beyond is number 0, the unknown. A recorder that needs more is fed garbage."""


class Dimension:
    """One table of names.

    Number 0 is the unknown and has no row.
    """

    def __init__(self, table: str, *, limit: int = LIMIT) -> None:
        self.table = table
        self._limit = limit
        self._numbers: dict[Key, int] = {}
        self._keys: list[Key | None] = [None]
        self._stored = 0

    def __len__(self) -> int:
        return len(self._keys) - 1

    def __getitem__(self, number: int) -> Key | None:
        """The name of a number; None where there is none."""
        return self._keys[number] if 0 <= number < len(self._keys) else None

    def number(self, key: Key) -> int:
        """The number of a name, given out now where it is new."""
        number = self._numbers.get(key)
        if number is None:
            if len(self._keys) > self._limit:
                return 0
            number = self._numbers[key] = len(self._keys)
            self._keys.append(key)
        return number

    def fresh(self) -> list[tuple[int, Key]]:
        """Names that are not stored yet, with their numbers."""
        first = self._stored + 1
        return [(i, key) for i, key in enumerate(self._keys[first:], first) if key is not None]

    def stored(self) -> None:
        """All names are stored now."""
        self._stored = len(self._keys) - 1

    def renew(self, rows: Iterable[tuple[int, Key]]) -> None:
        """Give names the numbers that they had, though they are not stored yet."""
        for number, key in rows:
            while len(self._keys) <= number:
                self._keys.append(None)
            self._keys[number] = key
            self._numbers[key] = number

    def restore(self, rows: Iterable[tuple[int, Key]]) -> None:
        """Take over what is stored."""
        self.renew(rows)
        self._stored = len(self._keys) - 1
