"""Which row an id belongs to, for many ids at once.

A table of the ids' hashes tells nearly all of them with two reads each. Of 17,500 ids, a pass under load, a sort
and a search in it take ten times as long, most of it for branches that nobody can foresee.
"""

from typing import Final

import numpy as np

from inferometer_exporters.columns.tables import Ids, Ints, Mask

_ODD: Final = np.uint64(0x9E3779B97F4A7C15)
"""2**64 / golden ratio: the upper bits of a product with it depend on all bits of an id."""
_ROOM: Final = 8
"""Places of the table for each id, at least: 3 to 6 of 100 ids find theirs taken."""


class Finder:
    """Where each of some ids is; of an id that is there several times, the first.

    Args:
        ids: of the rows.
    """

    def __init__(self, ids: Ids) -> None:
        self._ids = ids
        self._shift = np.uint64(64 - (len(ids) * _ROOM).bit_length())
        self._table = np.zeros(1 << (len(ids) * _ROOM).bit_length(), np.int32)
        rows = np.arange(len(ids), dtype=np.int32)
        places = self._places(ids)
        # Written last, the first of several stays.
        self._table[places[::-1]] = rows[::-1]
        crowded = np.flatnonzero(self._table[places] != rows)
        self._crowded = crowded[np.argsort(ids[crowded], kind="stable")]
        """Rows that are not in the table, by their ids."""

    def __call__(self, ids: Ids) -> Ints:
        """Row of each of *ids*; -1 where there is none."""
        if not len(self._ids):
            return np.full(len(ids), -1, np.int64)
        row = self._table[self._places(ids)].astype(np.int64)
        missed = np.flatnonzero(self._ids[row] != ids)
        row[missed] = self._sought(ids[missed])
        return row

    def _places(self, ids: Ids) -> Ids:
        places: Ids = ids * _ODD >> self._shift
        return places

    def _sought(self, ids: Ids) -> Ints:
        """The same of ids that the table does not tell."""
        if not len(self._crowded):
            return np.full(len(ids), -1, np.int64)
        ordered = self._ids[self._crowded]
        at = np.minimum(np.searchsorted(ordered, ids), len(ordered) - 1)
        return np.where(ordered[at] == ids, self._crowded[at], -1)

    @property
    def repeated(self) -> Mask:
        """Of each row, whether an earlier one has the same id."""
        found = np.zeros(len(self._ids), bool)
        found[self._crowded] = self(self._ids[self._crowded]) != self._crowded
        return found
