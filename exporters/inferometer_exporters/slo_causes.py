"""Who has more bad requests than the others: by version, tenant, class, region, device; or an honest nobody.

Of each value its excess: its bad requests less those that it would have at the rate of everybody else. Traffic is not
blamed: who has half of the requests and half of the bad ones has no excess. What is said must hold over time, for a
burst that meets one value by chance looks the same as a fault of it: blocks of time are compared with everybody else in
the same block (a t-test over blocks), and of all values that are looked at one in a hundred may be named for nothing
(Benjamini and Hochberg, 1995). What fails only the first of these is told as clustered in time.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from math import erfc, sqrt
from typing import Final

import numpy as np
from numpy.typing import NDArray

BLOCKS: Final = 60
"""Parts of the time that are compared each by itself."""
FEWEST_BAD: Final = 5
"""Bad requests of a value that is named."""
LEAST_LIFT: Final = 1.3
"""Times as often bad as the mean."""
LEAST_SHARE: Final = 0.1
"""Part of all bad requests that its excess is."""
FALSE_NAMES: Final = 0.01
"""Of those that are named, how many may be named for nothing."""
MOST_VALUES: Final = 500
"""Of a dimension: one with more tells nobody apart."""
_FEWEST_BLOCKS: Final = 3
_ALIKE: Final = 0.9
"""Two values whose bad requests are the same to this part are one finding."""
_ANGLES: Final = 2_000

Column = NDArray[np.float64]
Codes = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """A value that has more bad requests than its share."""

    dimension: str
    value: str
    events: float
    bad: float
    excess: float
    """Bad requests beyond those at the rate of everybody else."""
    lift: float
    """How many times as often bad as the mean."""
    blocks: int
    """Blocks of time in which it was worse than everybody else."""
    of_blocks: int
    """Blocks in which it and others had requests."""
    clustered: bool
    """Shown by numbers, but not over time."""
    also: tuple[tuple[str, str], ...] = ()
    """Other values that the same bad requests have: one of them is the reason, or none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What came out."""

    causes: tuple[Cause, ...]
    """Those that explain most first; what is clustered behind what is not."""
    tested: int
    """Values that were looked at."""


@dataclass(frozen=True, slots=True)
class _Tested:
    cause: Cause
    chance: float
    """Of so many bad ones at the rate of everybody else."""
    over_time: float
    """The same by blocks."""
    mask: NDArray[np.bool_]


def causes(
    dimensions: Mapping[str, Sequence[str]],
    blocks: Sequence[int],
    events: Column,
    bad: Column,
    *,
    known_only: Collection[str] = (),
) -> Found:
    """Values with an excess of bad requests.

    Args:
        dimensions: by name, the value of each row.
        blocks: block of time of each row.
        events: requests of each row that count.
        bad: bad ones of each row.
        known_only: dimensions in which a row without a value (an empty one) is nobody that could be named.
    """
    block = np.unique(np.asarray(blocks, np.int64), return_inverse=True)[1]
    tested: list[_Tested] = []
    for name, values in dimensions.items():
        known, codes = np.unique(np.asarray(values, dtype=object).astype(str), return_inverse=True)
        if 1 < len(known) <= MOST_VALUES:
            tested += [
                _test(name, str(value), codes == code, block=block, events=events, bad=bad)
                for code, value in enumerate(known)
                if value or name not in known_only
            ]
    # What is too small to be named still was looked at.
    passing = _discoveries([one.chance for one in tested])
    robust = _discoveries([max(one.chance, one.over_time) for one in tested])
    named = [
        _marked(one, clustered=not over_time)
        for one, by_number, over_time in zip(tested, passing, robust, strict=True)
        if by_number and _matters(one.cause, float(bad.sum()))
    ]
    named.sort(key=lambda one: (one.cause.clustered, -one.cause.excess))
    return Found(causes=tuple(_without_aliases(named, bad)), tested=len(tested))


def _test(name: str, value: str, mine: NDArray[np.bool_], *, block: Codes, events: Column, bad: Column) -> _Tested:
    number = int(block.max(initial=-1)) + 1
    own_events, own_bad = _by_block(block, events * mine, number), _by_block(block, bad * mine, number)
    rest_events, rest_bad = _by_block(block, events * ~mine, number), _by_block(block, bad * ~mine, number)
    sums = [float(column.sum()) for column in (own_events, own_bad, rest_events, rest_bad)]
    rate = sums[3] / sums[2] if sums[2] else 0.0
    excess = sums[1] - sums[0] * rate if sums[2] else 0.0
    both = (own_events > 0) & (rest_events > 0)
    differences = own_bad[both] - own_events[both] * rest_bad[both] / rest_events[both]
    mean = (sums[1] + sums[3]) / (sums[0] + sums[2]) if sums[0] + sums[2] else 0.0
    cause = Cause(
        dimension=name,
        value=value,
        events=sums[0],
        bad=sums[1],
        excess=excess,
        lift=sums[1] / sums[0] / mean if sums[0] and mean else 0.0,
        blocks=int((differences > 0).sum()),
        of_blocks=int(both.sum()),
        clustered=False,
    )
    return _Tested(cause, _chance(*sums), _over_time(differences), mine)


def _by_block(block: Codes, values: Column, number: int) -> Column:
    sums: Column = np.zeros(number)
    np.add.at(sums, block, values)
    return sums


def _chance(own_events: float, own_bad: float, rest_events: float, rest_bad: float) -> float:
    """Chance of a difference so large between two shares that are the same (two-proportion z-test, one side)."""
    if not own_events or not rest_events:
        return 1.0
    pooled = (own_bad + rest_bad) / (own_events + rest_events)
    spread = sqrt(pooled * (1 - pooled) * (1 / own_events + 1 / rest_events))
    if not spread:
        return 1.0
    return erfc((own_bad / own_events - rest_bad / rest_events) / spread / sqrt(2)) / 2


def _over_time(differences: Column) -> float:
    """Chance that the mean of blocks is so far above zero (t-test, one side); 1 where there are too few."""
    number = len(differences)
    if number < _FEWEST_BLOCKS:
        return 1.0
    spread = float(differences.std(ddof=1))
    if not spread:
        return 0.0 if differences.mean() > 0 else 1.0
    return student_tail(float(differences.mean()) / spread * sqrt(number), number - 1)


def student_tail(t: float, freedom: int) -> float:
    """Chance that Student's t is above *t*.

    With t = sqrt(freedom) tan(a) its density is that of cos(a) ** (freedom - 1), which is smooth over a short way.
    """
    whole, above = (
        _area(np.linspace(low, np.pi / 2, _ANGLES + 1), freedom) for low in (-np.pi / 2, np.arctan(t / sqrt(freedom)))
    )
    return above / whole


def _area(angles: Column, freedom: int) -> float:
    middle = (angles[1:] + angles[:-1]) / 2
    return float((np.cos(middle).clip(0) ** (freedom - 1) * np.diff(angles)).sum())


def _discoveries(chances: Sequence[float]) -> NDArray[np.bool_]:
    """Which of the tests stand, so that at most `FALSE_NAMES` of them are false."""
    found = np.zeros(len(chances), np.bool_)
    if not len(chances):
        return found
    order = np.argsort(chances)
    limits = FALSE_NAMES * np.arange(1, len(chances) + 1) / len(chances)
    below = np.flatnonzero(np.asarray(chances)[order] <= limits)
    if len(below):
        found[order[: below[-1] + 1]] = True
    return found


def _matters(cause: Cause, all_bad: float) -> bool:
    return cause.bad >= FEWEST_BAD and cause.lift >= LEAST_LIFT and cause.excess >= LEAST_SHARE * all_bad


def _marked(tested: _Tested, *, clustered: bool) -> _Tested:
    return replace(tested, cause=replace(tested.cause, clustered=clustered))


def _without_aliases(named: Sequence[_Tested], bad: Column) -> list[Cause]:
    """One of those whose bad requests are the same, with the names of the others."""
    kept: list[tuple[_Tested, list[tuple[str, str]]]] = []
    for one in named:
        for other, names in kept:
            both, either = bad[one.mask & other.mask].sum(), bad[one.mask | other.mask].sum()
            if other.cause.dimension != one.cause.dimension and both > _ALIKE * either:
                names.append((one.cause.dimension, one.cause.value))
                break
        else:
            kept.append((one, []))
    return [replace(one.cause, also=tuple(names)) for one, names in kept]
