"""What is active in a window of one device, and with which weight: the sweep's input."""

from dataclasses import dataclass
from math import lcm
from typing import Final

import numpy as np

from inferometer.catalog.stages import Kind
from inferometer_exporters.columns.tables import Columns, Ints
from inferometer_exporters.ledger.runs import mixed

_UNIT: Final = 720_720  # the least number that 1 to 16 divide
_FINE: Final = 1 << 20
"""Steps in which a weight is given where shares are no fractions of small numbers: exact to a millionth."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseWeights:
    """What a prefill weighs beside a decoding sequence, which weighs 1.

    A tunable guess, not a measurement: there is no general truth between one prompt's tokens and one step of
    another's decoding without step data (`inferometer_exporters.ledger.steps` needs no such guess). Tokens that a
    prefix cache had are no work, and are not counted.
    """

    tokens: int = 64
    """Prompt tokens that weigh as much as one decoding sequence."""
    most: int = 32
    """The heaviest prefill."""

    def __call__(self, rows: Columns) -> Ints | None:
        """Weights in units of 1 / `tokens`; None where all weigh the same."""
        tokens = np.where(rows["kind"] == int(Kind.PREFILL), rows["tokens"], 0)
        if not tokens.any():
            return None
        return np.where(tokens > 0, np.clip(tokens, self.tokens, self.tokens * self.most), self.tokens)


@dataclass(frozen=True, slots=True)
class Active:
    """Work in a window; each of one row of a table, or of members that nobody told of."""

    begin: Ints
    end: Ints
    weight: Ints
    row: Ints
    """Index of the row; -1 for work that nobody owns."""

    def among(self, rows: Ints) -> "Active":
        """The same work, where its rows are *rows* of a larger table."""
        if not len(rows):
            return self
        return Active(self.begin, self.end, self.weight, np.where(self.row >= 0, rows[self.row], -1))


def active(rows: Columns, since: int, until: int, phases: PhaseWeights) -> Active:
    """The part of *rows* inside a window, each with the weight of its phase / size in whole units.

    A run of which fewer members are known than took part has one more piece of work for those that are missing.
    """
    begin = np.clip(rows["start"], since, until)
    end = np.where(rows["end"] == 0, until, np.maximum(np.clip(rows["end"], since, until), begin))
    row = np.arange(len(begin))
    weight = phases(rows)
    shared = np.flatnonzero(rows["size"] > 1)
    if len(shared):
        unit, sizes, missing = _batches(rows, shared)
        base = np.maximum(unit // sizes, 1)
        weight = base if weight is None else base * weight
        if len(missing.rest):
            first, last = _extent(missing, shared, begin, end)
            rest = missing.rest * np.maximum(unit // missing.size, 1) * (1 if weight is base else phases.tokens)
            begin, end = np.concatenate([begin, first]), np.concatenate([end, last])
            weight = np.concatenate([weight, rest])
            row = np.concatenate([row, np.full(len(rest), -1)])
    elif weight is None:
        weight = np.ones(len(begin), np.int64)
    return Active(begin, end, weight // max(int(np.gcd.reduce(weight)), 1) if len(weight) else weight, row)


@dataclass(frozen=True, slots=True)
class _Missing:
    """Batches of which not all members are known."""

    rest: Ints
    """Members that are missing."""
    size: Ints
    run: Ints
    """Number of each such run."""
    member: Ints
    """Number of the run of each row that shares one."""


def _batches(rows: Columns, shared: Ints) -> tuple[int, Ints, _Missing]:
    """A unit that the sizes divide, the size of each row's run, and what is missing."""
    _, member, counts = np.unique(
        mixed(rows["worker"][shared], rows["execute_id"][shared]), return_inverse=True, return_counts=True
    )
    largest = np.zeros(len(counts), np.int64)
    np.maximum.at(largest, member, rows["size"][shared])
    sizes = rows["size"].copy()
    sizes[shared] = np.maximum(largest, counts)[member]
    run = np.flatnonzero(counts < largest)
    return _unit(sizes), sizes, _Missing(largest[run] - counts[run], largest[run], run, member)


def _extent(missing: _Missing, shared: Ints, begin: Ints, end: Ints) -> tuple[Ints, Ints]:
    """Begin and end of the runs that miss members."""
    count = int(missing.member.max()) + 1
    first, last = np.full(count, np.iinfo(np.int64).max), np.zeros(count, np.int64)
    np.minimum.at(first, missing.member, begin[shared])
    np.maximum.at(last, missing.member, end[shared])
    return first[missing.run], last[missing.run]


def _unit(sizes: Ints) -> int:
    """A weight that the sizes divide; where they are too many, one that most of them divide."""
    unit = 1
    for size in np.unique(sizes).tolist():
        unit = lcm(unit, size)
        if unit > _UNIT:
            return _UNIT
    return unit


def beside(runs: Active, steps: Active) -> Active:
    """Runs that share by weight beside members of steps, whose weights are parts of `_FINE` of one run."""
    if not len(runs.row):
        return steps
    # One execute weighs the most common weight of the runs: an average member of a step weighs as much.
    one = float(np.median(runs.weight))
    weights = np.concatenate([runs.weight / one, steps.weight / _FINE])
    fine = np.maximum(np.rint(weights * (_FINE / weights.max())), 1).astype(np.int64)
    return Active(
        np.concatenate([runs.begin, steps.begin]),
        np.concatenate([runs.end, steps.end]),
        fine,
        np.concatenate([runs.row, steps.row]),
    )
